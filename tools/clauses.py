"""Reads the clauses that ``tools.phrasing`` writes."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from tools.phrasing import ABOUT, EVER, Phrasing, past
from tools.types import ANYTHING, Behaviour, DataCard, Filter, LifeCycle, Membership, Stage

Clause = Filter | Behaviour | LifeCycle | Membership

QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAME = rf'(?:{QUOTED}|[^"]+?)'
_WHEN = rf"(?:{EVER}|in the last (?P<days>\d+) days)"
_LIMITS = r"(?: on at least (?P<times>\d+) days)?(?: for at least (?P<amount>[\d.e+-]+) in all)?"
_STAGES = "|".join(Stage.__args__)  # type: ignore[attr-defined]
_FILTER = re.compile(
    rf"whose (?P<field>{_NAME}) (?P<op>(?:is|are)(?: unknown| known| not)?)(?: (?P<values>.+))?", re.DOTALL
)
_STAGE = re.compile(
    rf"who are (?P<negated>not )?(?P<stage>{_STAGES})(?: {ABOUT} (?P<what>{_NAME}))?(?: in (?P<source>{QUOTED}))?"
    r"(?: in the last (?P<days>\d+) days)?(?: \([^()]*\))?",
    re.DOTALL,
)
_MEMBER = re.compile(rf"who are (?P<negated>not )?in the audience (?P<audience>{QUOTED})", re.DOTALL)


def unquoted(name: str) -> str:
    """A name without the quotes it may stand in.

    Raises:
        ValueError: what stands between the quotes is no JSON string.
    """
    return str(json.loads(name, strict=False)) if name.startswith('"') else name


def read_clause(text: str, card: DataCard) -> Clause | None:
    """The condition that a clause of a sentence says; None where it is no such clause."""
    for kind, fields in _readings(text, card):
        try:
            found = kind.model_validate(fields)
        except ValidationError:
            continue
        assert isinstance(found, Clause)
        return found
    return None


def _readings(text: str, card: DataCard) -> Iterator[tuple[type[BaseModel], dict[str, Any]]]:
    try:
        if match := _MEMBER.fullmatch(text):
            yield Membership, {"audience": unquoted(match["audience"]), "member": not match["negated"]}
        if match := _STAGE.fullmatch(text):
            source = unquoted(match["source"] or "")
            yield (
                LifeCycle,
                _set(
                    stage=match["stage"],
                    holds=not match["negated"],
                    what=unquoted(match["what"] or ANYTHING),
                    source=source,
                    days=_number(match["days"]),
                ),
            )
        if match := _FILTER.fullmatch(text):
            field = unquoted(match["field"])
            yield (
                Filter,
                {
                    "field": field,
                    "op": match["op"].replace("are", "is", 1),
                    "values": _values(match["values"], field, card),
                },
            )
        yield from _behaviours(text, card)
    except ValueError:
        return


def _behaviours(text: str, card: DataCard) -> Iterator[tuple[type[BaseModel], dict[str, Any]]]:
    phrasing = Phrasing.of(card)
    for source in ["", *(each.source for each in card.sources if each.source != card.main_source)]:
        said = phrasing.wording(source)
        before, after = (f" {re.escape(words)}" if words else "" for words in (said.before, said.after))
        things = rf"{before} (?P<what>{_NAME}){after}"
        verb, done = re.escape(said.verb), re.escape(past(said.verb))
        forms = (
            (rf"who last {done}{things} more than (?P<days>\d+) days ago", {"did": True, "ago": True}),
            (rf"who did not {verb}{things}{_LIMITS} {_WHEN}", {"did": False}),
            (rf"who {done}{things}{_LIMITS} {_WHEN}", {"did": True}),
        )
        for form, fields in forms:
            if match := re.fullmatch(form, text, re.DOTALL):
                found = match.groupdict()
                amount = found.get("amount")
                yield (
                    Behaviour,
                    _set(
                        what=unquoted(found["what"]),
                        source=source,
                        days=_number(found["days"]),
                        times=_number(found.get("times")),
                        amount=float(amount) if amount else None,
                        **fields,
                    ),
                )


def _set(**fields: Any) -> dict[str, Any]:
    return fields


def _number(digits: str | None) -> int | None:
    return int(digits) if digits else None


def _values(listed: str | None, field: str, card: DataCard) -> tuple[str, ...]:
    """The values of a list "a or b", which may have an "or" of their own where the data has them."""
    known = next((each.values for each in card.fields if each.field == field), ())
    names = sorted((each.value for each in known), key=len, reverse=True)
    value = "|".join([QUOTED, *map(re.escape, names), r'[^"]+?'])
    found, place = [], 0
    listed = listed or ""
    while place < len(listed):
        match = re.compile(rf"({value})(?: or |$)", re.DOTALL).match(listed, place)
        if match is None:
            return ()
        found.append(unquoted(match[1]))
        place = match.end()
    return tuple(found)

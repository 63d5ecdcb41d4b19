"""Hard conditions in words, and the way back; stages of the life cycle and saved audiences, as people speak of them."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from prompts.loader import table
from tools.sentences.spans import BACK, back_in
from tools.types import ANYTHING, Behaviour, DataCard, Filter, LifeCycle, Membership, Stage

# --- Hard conditions in words, and the way back ---------------------------------------------------


EVER = "at any time before"
ABOUT = "when it comes to"
NO_WORDING = "have {items} in"
"""How a source is spoken of that nobody worded; its name comes after it, in quotes."""

Name = Callable[[str], str]

_PAST = {
    "buy": "bought", "bring": "brought", "catch": "caught", "choose": "chose", "do": "did", "drink": "drank",
    "drive": "drove", "eat": "ate", "find": "found", "fly": "flew", "get": "got", "give": "gave", "go": "went",
    "have": "had", "hear": "heard", "hold": "held", "keep": "kept", "leave": "left", "make": "made", "meet": "met",
    "pay": "paid", "put": "put", "read": "read", "ride": "rode", "run": "ran", "see": "saw", "sell": "sold",
    "send": "sent", "sing": "sang", "spend": "spent", "take": "took", "tell": "told", "wear": "wore", "win": "won",
    "write": "wrote",
}  # fmt: skip


def past(verb: str) -> str:
    """The past of an English verb."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2:-1] not in tuple("aeiou"):
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


def plural(name: str) -> bool:
    """Whether a name looks like one for several things ("kids"), as far as its ending tells."""
    return name.endswith("s") and not name.endswith(("ss", "us", "is"))


def quoted(name: str) -> str:
    """A name in quotes, whatever is in it."""
    return json.dumps(name, ensure_ascii=False)


def _plainly(name: str) -> str:
    return name


class Wording(NamedTuple):
    """How a source is spoken of: the verb, and what stands before and after the things."""

    verb: str
    before: str
    after: str


class Phrasing:
    """The words for conditions on one data set."""

    def __init__(self, wordings: Mapping[str, str], main_source: str) -> None:
        """Speak with the wordings of the sources ("buy {items}")."""
        self.wordings, self.main_source = wordings, main_source

    @classmethod
    def of(cls, card: DataCard) -> "Phrasing":
        """The words for the data that ``card`` describes."""
        return cls({each.source: each.wording for each in card.sources if each.wording}, card.main_source)

    def wording(self, source: str) -> Wording:
        """How a source is spoken of; empty is the main one."""
        template = self.wordings.get(source or self.main_source)
        if template is None:
            template = f"{NO_WORDING} {quoted(source or self.main_source)}"
        before, _, after = template.partition("{items}")
        verb, _, rest = before.strip().partition(" ")
        return Wording(verb, rest, after.strip())

    def wish(self, things: str) -> str:
        """What somebody does with things in the main source, such as "buy coffee"."""
        said = self.wording("")
        return " ".join(part for part in (said.verb, said.before, things, said.after) if part)

    def filter(self, each: Filter, name: Name = _plainly) -> str:
        """Such as "age is 35-44 or 45-54", "age is not known"."""
        values = " or ".join(map(name, each.values))
        op = each.op.replace("is", "are", 1) if plural(each.field) else each.op
        return f"{name(each.field)} {op} {values}".rstrip()

    def behaviour(self, each: Behaviour, name: Name = _plainly) -> str:
        """Such as "bought coffee at any time before", "did not buy coffee in the last 30 days"."""
        said = self.wording(each.source)
        things = " ".join(part for part in (said.before, name(each.what), said.after) if part)
        if each.ago:
            return f"last {past(said.verb)} {things} more than {each.days} days ago"
        verb = past(said.verb) if each.did else f"did not {said.verb}"
        often = f" on at least {each.times} days" if each.times is not None else ""
        worth = f" for at least {number(each.amount)} in all" if each.amount is not None else ""
        return f"{verb} {things}{often}{worth} {EVER if each.days is None else f'in the last {each.days} days'}"

    def life_cycle(self, each: LifeCycle, meaning: str = "", name: Name = _plainly) -> str:
        """Such as "loyal when it comes to coffee (on at least ...)", "not new in the last 91 days"."""
        about = "" if (each.what, each.source) == ("anything", "") else f" {ABOUT} {name(each.what)}"
        where = f" in {quoted(each.source)}" if each.source else ""
        when = f" in the last {each.days} days" if each.days is not None else ""
        return f"{'' if each.holds else 'not '}{each.stage}{about}{where}{when}{f' ({meaning})' if meaning else ''}"

    def membership(self, each: Membership) -> str:
        """In, or not in, the audience of that name."""
        return f"{'' if each.member else 'not '}in the audience {quoted(each.audience)}"


def number(value: float) -> str:
    """A number as people write it, and exactly: 100, 12.5."""
    return str(int(value)) if value.is_integer() else repr(value)


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


# --- Stages of the life cycle, users of a source and saved audiences, as people speak of them -----


_WORDS = table("past_words")["words"]
PERSON = _WORDS["person"]
NOT = _WORDS["not"]
_WORD = r"[a-z][a-z'&/-]*"
_THING = rf"(?P<what>(?:{_WORD}\s+){{0,2}}?{_WORD})"
_LEAD = r"(?:(?:the|our|all|any|only|just|those|these|my|most|very|more)\s+)*"


@lru_cache
def _patterns() -> tuple[tuple[Stage, re.Pattern[str]], ...]:
    """Each stage with words for it; a group ``what`` names the thing it is about."""
    found = []
    for each in table("stages")["stages"]:
        form = each["say"].replace("<person>", PERSON).replace("<thing>", _THING)
        words = re.compile(rf"\b(?P<negated>{NOT})?{_LEAD}(?:{form})", re.IGNORECASE)
        found.append((each["stage"], words))
    return tuple(found)


_WINNING = re.compile(
    r"\b(?:win|get|find|attract|gain|acquire|reach(?:ing)?|recruit|bring\s+in|for|want|need)\s+$", re.IGNORECASE
)
_TIMED: frozenset[Stage] = frozenset(("new", "regular", "loyal", "heavy", "high spending", "low spending", "inactive"))
_PRONOUN = re.compile(r"^(?:it|them|this|that|those|these|any|us|our|more|again|up|us)$", re.IGNORECASE)
_GAP = re.compile(r"\s*(?:,\s*)?")


def read_stages(text: str, as_of: date) -> tuple[tuple[LifeCycle, ...], str]:
    """Stages of the life cycle that a text names, and the text without their words."""
    found: list[LifeCycle] = []
    for stage, words in _patterns():
        while match := _first(stage, words, text):
            end, days = _window(stage, text, match.end(), as_of)
            what = " ".join((match.groupdict().get("what") or ANYTHING).split())
            thing = ANYTHING if _PRONOUN.match(what) else what
            wanted = LifeCycle(stage=stage, holds=not match["negated"], what=thing[:500], days=days)
            found.append(wanted)
            text = f"{text[: match.start()]} , {text[end:]}"
    return tuple(dict.fromkeys(found)), text


def _first(stage: Stage, words: re.Pattern[str], text: str) -> re.Match[str] | None:
    for match in words.finditer(text):
        if stage == "new" and _WINNING.search(text[: match.start()]):
            continue
        return match
    return None


def _window(stage: Stage, text: str, end: int, as_of: date) -> tuple[int, int | None]:
    """The window that is named right behind a stage, and where its words end."""
    gap = _GAP.match(text, end)
    start = gap.end() if gap else end
    match = BACK.match(text, start)
    if stage not in _TIMED or match is None:
        return end, None
    found = back_in(match[0], as_of)
    return match.end(), found[0] if found else None


def read_source_users(text: str, card: DataCard) -> tuple[tuple[Behaviour, ...], str]:
    """Users of a source other than the main one ("coupon users", "who use coupons"), and the text without the words."""
    found = []
    for source in (each.source for each in card.sources if each.source != card.main_source):
        one = re.escape(source.lower().rstrip("s"))
        things = rf"(?:any\s+|a\s+|an\s+|our\s+|the\s+|their\s+|some\s+)*{one}s?\b(?!\s+(?:for|on|of)\b)"
        using = r"(?:us(?:e[ds]?|ing)|redeem(?:ed|s|ing)?|clip(?:ped|s|ping)?|tak(?:e|en|ing)\s+up)"
        negation = r"(?P<negated>(?:(?:have|has|do|does|did)\s*(?:n't|\s+not)|never|not)\s+)?"
        forms = (
            rf"\b(?P<negated>{NOT})?{_LEAD}(?:{one}\s+(?:us(?:er|ing\s+{PERSON})s?|redeemers?|clippers?|lovers?|hunters?|{PERSON})|(?:users?|redeemers?)\s+of\s+{one}s?)\b",
            rf"\b(?:who|that)\s+(?:have\s+|has\s+|ever\s+)*{negation}(?:ever\s+)?{using}\s+{things}",
            rf"(?<!likely )\b{negation}{using}\s+{things}",
        )
        for form in forms:
            while match := re.search(form, text, re.IGNORECASE):
                end = match.end()
                days = None
                if back := BACK.match(text, end + len(text[end:]) - len(text[end:].lstrip())):
                    spotted = back_in(back[0], card.as_of)
                    days, end = (spotted[0] if spotted else None), back.end()
                found.append(Behaviour(did=not match["negated"], what=ANYTHING, source=source, days=days))
                text = f"{text[: match.start()]} , {text[end:]}"
    return tuple(dict.fromkeys(found)), text


def read_memberships(text: str, saved: Sequence[str]) -> tuple[tuple[Membership, ...], str]:
    """Saved audiences that a text takes as a part, in quotes or by a known name, and the text without the words."""
    found = []
    known = "|".join(re.escape(name) for name in sorted(saved, key=len, reverse=True))
    by_name = rf"|(?-i:(?P<known>{known}))(?!\w)" if known else "|(?P<known>(?!))"
    names = rf"""(?:["“](?P<quoted>[^"”]+)["”]{by_name})"""
    lead = rf"(?:(?:those|anyone|everyone|{PERSON})\s+)?(?:(?:who|that)\s+(?:are|is)\s+)?(?:already\s+)?"
    place = r"(?:(?:in|from|part\s+of|on)\s+)?(?:the\s+|my\s+|our\s+)*(?:saved\s+)?(?:audience\s+|list\s+|segment\s+)?"
    clause = re.compile(
        rf"(?P<negated>\b{NOT}{lead}{place}|\b(?:who|that)\s+are(?:n't|\s+not)\s+{place})(?:{names})(?:\s+(?:audience|list|segment))?"
        rf"|\b(?P<inside>(?:who|that)\s+are\s+(?:also\s+|already\s+)?in|in|and\s+also\s+in)\s+(?:the\s+|my\s+|our\s+)*(?:saved\s+)?(?:audience|list|segment)\s+"
        rf"""["“'‘](?P<inner>[^"”'’]+)["”'’]"""
        rf"""|\b(?:{NOT}{lead})(?:in|from)\s+(?:the\s+|my\s+|our\s+)*['‘](?P<single>[^'’]+)['’]""",
        re.IGNORECASE,
    )
    while match := clause.search(text):
        name = match["inner"] or match["quoted"] or match["single"] or match["known"]
        found.append(Membership(audience=name[:200], member=bool(match["inside"])))
        text = f"{text[: match.start()]} , {text[match.end() :]}"
    return tuple(dict.fromkeys(found)), text

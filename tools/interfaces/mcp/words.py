"""Answers in words: one paragraph that a person can read, with everything that is needed to go on."""

import re
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

from pydantic import BaseModel

from tools.interfaces.mcp.answers import parts, rounded
from tools.operation_types import AudiencePage, GoalReached, Refreshed
from tools.types import (
    DataCard,
    ExportFile,
    GroupHit,
    ItemHit,
    SampleUser,
    SavedAudience,
    SizeEstimate,
)

_LONG = re.compile(r"\d+\.\d{5,}")
"""A number that was written out whole, as the cut of an audience is in its definition."""
_NOTHING: tuple[Any, ...] = (None, "", (), [])


def in_words(answer: Any, include: Sequence[str] = ()) -> str:
    """An answer in words.

    Args:
        answer: as the operation gave it.
        include: parts that are given on request, which follow in lines of their own.
    """
    said = sentence(answer)
    more = [f"{_label(each).capitalize()}: {_value(getattr(answer, each))}" for each in include]
    return _LONG.sub(lambda found: _number(float(found[0])), "\n".join([said, *more]))


@singledispatch
def sentence(answer: Any) -> str:
    """An answer of some type; of one that has no sentence of its own, every field by its name."""
    if answer is None:
        return "Nothing there."
    if isinstance(answer, Sequence) and not isinstance(answer, str):
        return "\n".join(f"{number}. {sentence(each)}" for number, each in enumerate(answer, 1)) or "None."
    if isinstance(answer, BaseModel):
        left_out = parts(type(answer))
        said = "; ".join(
            f"{_label(name)}: {_value(each)}" for name, each in answer if each not in _NOTHING and name not in left_out
        )
        return f"{said[:1].upper()}{said[1:]}."
    return f"{_value(answer)}."


@sentence.register
def _data(card: DataCard) -> str:
    units = card.unit_plural
    sources = "; ".join(
        f"{each.source} ({_count(each.events)} events of {_count(each.users)} {units}, {each.first} to {each.last})"
        for each in card.sources
    )
    fields = "; ".join(
        f"{each.field}: {', '.join(f'{one.value} ({_count(one.users)})' for one in each.values)}"
        for each in card.fields
    )
    return (
        f"{card.title}: {card.population:,} {units} as of {card.as_of}, forecast {card.horizon_days} days ahead. "
        f"Events: {sources}. Attributes: {fields or 'none'}. Common groups: {', '.join(card.top_groups)}. "
        f"Counts below {card.minimum_size} are withheld. {card.note} {card.notice}"
    ).strip()


@sentence.register
def _size(size: SizeEstimate) -> str:
    said = [
        f"{_count(size.users)} of {_count(size.eligible)} eligible users ({size.population:,} in all) at a cut of "
        f"{_number(size.cut)}; {_number(size.recommended_cut)} is recommended."
    ]
    if size.responders is not None:
        said.append(
            f"{_value(size.responders)} of them are expected to respond within {size.horizon_days} days of "
            f"{size.as_of}, a share of {_value(size.precision)}, {_value(size.lift)} times that of all eligible."
        )
    said.append(f"Read as: {', '.join(size.reads_as) or 'nothing in particular'}.")
    for each in size.conditions:
        said.append(f"Condition: {each.condition} (keeps {_count(each.kept)}, drops {_count(each.dropped)}).")
    return " ".join([f"{size.sentence or size.demand}:", *said, *size.warnings])


@sentence.register
def _goal(found: GoalReached) -> str:
    said = f"A cut of {_number(found.cut)} takes {_count(found.users)} users"
    said += f", of whom {_value(found.responders)} are expected to respond" if found.responders else ""
    said += f"; contacting them costs {_number(found.cost)}" if found.cost is not None else ""
    said += f", for a profit of {_value(found.profit)}" if found.profit else ""
    return f"{said}." if found.reached else f"{said}. The goal cannot be reached; this is the nearest there is."


@sentence.register
def _sample(user: SampleUser) -> str:
    return f"{user.masked_id} ({_number(user.probability)} likely): {user.why}"


@sentence.register
def _saved(saved: SavedAudience) -> str:
    said = (
        f"'{saved.name}' ({saved.id}, version {saved.version}): {_count(saved.users)} users, {_count(saved.holdout)} "
        f"of them held out, as of {saved.as_of}, approved by {saved.approved_by}. {saved.definition}"
    )
    forecast = f" Expected responders: {_value(saved.forecast)}." if saved.forecast else ""
    if saved.detects is not None:
        forecast += f" An effect of {_number(100 * saved.detects)} percentage points or more will be seen."
    return " ".join([said.rstrip(".") + "." + forecast, *saved.notes])


@sentence.register
def _page(page: AudiencePage) -> str:
    if not page.audiences:
        return "No audience is saved yet."
    more = f"\nMore with cursor {page.next_cursor}." if page.next_cursor else ""
    return sentence(page.audiences) + more


@sentence.register
def _refreshed(found: Refreshed) -> str:
    counts = f"{_count(found.stayed)} stayed, {_count(found.came)} came, {_count(found.left)} left."
    return f"{sentence(found.saved)} Since version {found.before.version}: {counts}"


@sentence.register
def _file(file: ExportFile) -> str:
    sent = f", sent to {file.platform} in {file.batches} batches" if file.batches else ""
    said = (
        f"{file.rows:,} rows of {file.audience_id} version {file.version} in {file.path}{sent}; {file.held_out:,} held "
        f"out. Columns: {', '.join(file.columns)}. SHA-256: {file.sha256}."
    )
    expires = f" The file is deleted on {file.expires}." if file.expires else ""
    return " ".join([said + expires, *file.warnings])


@sentence.register
def _group(hit: GroupHit) -> str:
    return f"{hit.group} ({hit.source}, {_count(hit.users)} users): {', '.join(hit.items)}"


@sentence.register
def _item(hit: ItemHit) -> str:
    return f"{hit.text} ({hit.group}, {hit.source}): {_count(hit.users)} users, {_count(hit.events)} events"


# --- parts of a sentence --------------------------------------------------------------------------


def _label(name: str) -> str:
    return name.replace("_", " ")


def _count(users: int | None) -> str:
    return "too few to say" if users is None else f"{users:,}"


def _number(number: float | None) -> str:
    if number is None:
        return "unknown"
    found = rounded(number)
    return f"{found:,.0f}" if found == int(found) else f"{found:,}"


def _value(value: Any) -> str:
    """A value inside a sentence: an interval as 'mid (low to high)', lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return _number(value)
    if isinstance(value, BaseModel):
        fields = {name: each for name, each in value if each not in _NOTHING}
        if fields.keys() == {"low", "mid", "high"}:
            return f"{_number(fields['mid'])} ({_number(fields['low'])} to {_number(fields['high'])})"
        return ", ".join(f"{_label(name)} {_value(each)}" for name, each in fields.items())
    if isinstance(value, Mapping):
        return ", ".join(f"{_label(str(name))} {_value(each)}" for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (" | " if value and isinstance(value[0], BaseModel) else ", ").join(_value(each) for each in value)
    return str(value)

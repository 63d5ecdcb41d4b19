"""What the profile of an audience says: angles for a message, and whom it takes more often than others."""

from collections.abc import Sequence
from string import Template

from agent.context import Context
from agent.guard.verdict import check, read_ahead
from agent.reading.wording import plain
from agent.replies import percent
from agent.reply_builder import Outcome, ReplyBuilder
from agent.state import Memory, Version
from agent.steps import Step
from prompts.loader import reply, table
from tools.audiences.profile import FOUR_FIFTHS
from tools.types import DataCard, ProfileRow, SkewField, SkewReport

_MOST = 5
_ATTRIBUTES = 2
"""Angles made of attributes at most: what people do says more than who they are."""


def message_angles(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Suggest angles for the audience on the page.

    Raises:
        TooSmallError: it is below the minimum size.
    """
    if memory.now is None:
        return speaker.say(memory, reply("no_draft"))
    spec, words = memory.now.draft.spec, {"unit_plural": speaker.card.unit_plural}
    found = angles(memory.now, speaker.service.profile(spec, 16), speaker.service.size(spec).reads_as)
    if not found:
        return speaker.say(memory, _filled("none", words))
    note = _filled("note", {"as_of": str(speaker.card.as_of)})
    return speaker.say(memory, "\n\n".join([_filled("head", words), "\n".join(f"- {each}" for each in found), note]))


def angles(version: Version, rows: Sequence[ProfileRow], reads_as: Sequence[str]) -> tuple[str, ...]:
    """Up to five angles; none about what may not be targeted.

    Args:
        version: the audience, for what its sentence offers.
        rows: its profile.
        reads_as: the groups its sentence is about.
    """
    new = bool(version.parts and version.parts.first_time)
    made = [_filled("first", {})] if new else []
    attributes = 0
    read_ahead(text for row in rows for text in _texts(row, version))
    for row in sorted(rows, key=lambda row: (row.value not in reads_as, -row.index)):
        if row.kind == "attribute":
            attributes += 1
            if attributes > _ATTRIBUTES:
                continue
        angle = _angle(row, reads_as)
        if _allowed(row, version):
            made.append(angle)
    return tuple(made[:_MOST])


def _allowed(row: ProfileRow, version: Version) -> bool:
    """Whether the guard lets the row be named, by itself and beside what is offered."""
    return all(check(text) is None for text in _texts(row, version))


def _texts(row: ProfileRow, version: Version) -> tuple[str, ...]:
    words = f"{row.field} {row.value}" if row.kind == "attribute" else row.value
    return words, f"people with {words}", f"{version.draft.spec.demand} ; {words}"


def _angle(row: ProfileRow, reads_as: Sequence[str]) -> str:
    key = "attribute" if row.kind == "attribute" else "known" if row.value in reads_as else "beside"
    words = {
        "value": plain(row.value),
        "share": percent(row.audience_share),
        "everyone": percent(row.everyone_share),
        "index": f"{row.index:.0f}",
    }
    return _filled(key, words | ({"field": plain(row.field)} if key == "attribute" else {}))


def _filled(key: str, words: dict[str, str]) -> str:
    return Template(table("angles")[key]).substitute(words)


def say_skew(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Say whom the audience on the page takes more often than others."""
    assert memory.now is not None
    return speaker.say(memory, skew_text(speaker.service.skew(memory.now.draft.spec), speaker.card))


def skew_text(report: SkewReport, card: DataCard) -> str:
    """One paragraph an attribute, the most skewed first."""
    if not report.fields:
        return reply("skew_nothing", unit_plural=card.unit_plural)
    fields = sorted(report.fields, key=lambda each: 2 if each.lowest_ratio is None else each.lowest_ratio)
    return "\n\n".join([reply("skew"), *(_field_text(each, card) for each in fields)])


def _field_text(field: SkewField, card: DataCard) -> str:
    judged = sorted((row for row in field.rows if row.ratio is not None), key=lambda row: row.ratio or 0)
    if not judged:
        return reply("skew_unknown", field=plain(field.field), unit_plural=card.unit_plural)
    least, most = judged[0], judged[-1]
    if least.verdict == "even" or least.interval is None:
        return reply("skew_even", field=plain(field.field), ratio=f"{least.ratio:.2f}")
    return reply(
        "skew_below",
        field=plain(field.field),
        most=plain(most.value),
        most_percent=percent(most.rate or 0),
        least=plain(least.value),
        least_percent=percent(least.rate or 0),
        ratio=f"{least.ratio:.2f}",
        low=f"{least.interval.low:.2f}",
        high=f"{least.interval.high:.2f}",
        sure=reply("skew_sure" if least.interval.high < FOUR_FIFTHS else "skew_unsure"),
    )

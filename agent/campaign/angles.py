"""What to say to an audience: angles that each rest on one row of its profile, and on nothing else."""

from collections.abc import Sequence
from string import Template

from agent.context import Context
from agent.guard import check
from agent.guarding.judging import read_ahead
from agent.replies import percent
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Version
from agent.steps import Step
from prompts.loader import reply, table
from tools.types import ProfileRow

_MOST = 5
_ATTRIBUTES = 2
"""Angles made of attributes at most: what people do says more than who they are."""


def message_angles(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
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

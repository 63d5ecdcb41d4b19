"""Which item groups of the data a phrase means.

A phrase is searched for inside a plain sentence (``framed``), since the encoders were made for sentences. The level of
the similarities depends on the encoder, so only the floor is absolute; everything else is relative to the best group.
Measured with the default encoders on the demo: the right group of a framed phrase lies at .40 to .86 (but "crisps" at
.36), the best group for nonsense or for what a grocer does not sell ("asdf qwer", "mortgage", "laptop") at .25 to .40.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from encoders.language.naming import names, parts_of, stems
from tools.types import GroupHit

FLOOR = 0.4
"""Below it, a group that shares no word with the phrase is not what was meant."""

NEAR = 0.85
"""A group is a candidate beside the best one when it is at least so similar, relative to the best: for the German word
for diapers, "baby diapers" has .55 and "deodorants" .40."""

KINDRED = 0.7
"""The same for a group that shares a word with the phrase."""

AT_MOST = 4
"""Candidates a person is asked to choose among."""


@dataclass(frozen=True)
class Grounded:
    """What a phrase means in this data.

    ``clear``: ``groups`` are what it names, and the phrase itself may stand in the demand. ``unclear``: ``groups`` are
    candidates, best first. ``unknown``: nothing in the data is near; ``groups`` holds the nearest, for saying so.
    """

    phrase: str
    kind: Literal["clear", "unclear", "unknown"]
    groups: tuple[str, ...]
    item: str = ""
    """How the demand names it: the phrase where the data uses the same word, the group's own name otherwise."""


def ground(phrase: str, hits: Sequence[GroupHit]) -> Grounded:
    """Decide what ``phrase`` means, given the groups that a search found near it."""
    ranked = sorted(_best(hits), key=lambda hit: -hit.similarity)
    if not ranked:
        return Grounded(phrase, "unknown", ())
    if names(phrase, ranked[0].group):
        named = [hit for hit in ranked if names(phrase, hit.group)]
        equal = [hit for hit in named if stems(hit.group) == stems(phrase)]
        return Grounded(phrase, "clear", tuple(hit.group for hit in equal or named)[:AT_MOST], phrase)
    top = ranked[0].similarity
    if top < FLOOR and not any(stems(phrase) <= stems(" ".join((hit.group, *hit.items))) for hit in ranked):
        return Grounded(phrase, "unknown", tuple(hit.group for hit in ranked[:3]))
    near = [hit for hit in ranked if hit.similarity >= NEAR * top]
    sharing = [hit for hit in ranked if hit.similarity >= KINDRED * top and _shares(phrase, hit)]
    groups = tuple(hit.group for hit in (sharing if len(sharing) > 1 else near)[:AT_MOST])
    return Grounded(phrase, "clear", groups, groups[0]) if len(groups) == 1 else Grounded(phrase, "unclear", groups)


def framed(phrase: str, verb: str = "buy") -> str:
    """The sentence a phrase is searched for in."""
    return f"people who will {verb} {phrase}"


def short_first(groups: Iterable[str]) -> tuple[str, ...]:
    """The groups in their order, those that list several things last: the others read better as examples."""
    return tuple(sorted(groups, key=lambda group: len(parts_of(group)) > 1))


def _shares(phrase: str, hit: GroupHit) -> bool:
    """Whether the group's name, or half of its items, use a word of the phrase; "baby crackers" alone do not count."""
    wanted = stems(phrase)
    return bool(wanted & stems(hit.group)) or 2 * sum(bool(wanted & stems(item)) for item in hit.items) > len(hit.items)


def _best(hits: Iterable[GroupHit]) -> list[GroupHit]:
    """One hit a group, the most similar."""
    best: dict[str, GroupHit] = {}
    for hit in hits:
        if hit.group not in best or best[hit.group].similarity < hit.similarity:
            best[hit.group] = hit
    return list(best.values())

"""Which groups and items the words of a request are, and how far ahead it looks."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from encoders.text.words import COUNT, LONGEST_HORIZON, SHORTEST_HORIZON, UNIT, days_of, names, parts_of, stems
from tools.types import GroupHit

SURE = 0.7
"""From here on, the best group is what was meant, unless its words name others too."""

FLOOR = 0.4
"""Below it, a group that shares no word with the phrase is not what was meant."""

GUESS = 0.33
"""The same where a question is being answered: then something in the data is meant."""

KINDRED = 0.7
"""Another group may be meant too when it is at least so similar, relative to the best: for the Spanish word for beer,
"beer and ale" has .59 and "soft drinks" .36; for "something to read", "books" .51 and "magazines" .41."""

NEAR = 0.85
"""Where two groups or more share a word with the phrase, others have to be so near, relative to the best. The same for
words of another language, for which the encoder is less sure of everything."""

_AS_GOOD = 0.9
"""The same for taking it without asking."""

AT_MOST = 6
"""Candidates a person is asked to choose among."""


@dataclass(frozen=True)
class GroundedPhrase:
    """What a phrase means in this data.

    ``clear``: ``groups`` are what it names, and the phrase itself may stand in the demand. ``broad``: likewise, but it
    names several things that could be told apart. ``unclear``: ``groups`` are candidates, best first. ``unknown``:
    nothing in the data is near; ``groups`` holds the nearest, for saying so.
    """

    phrase: str
    kind: Literal["clear", "broad", "unclear", "unknown"]
    groups: tuple[str, ...]
    item: str = ""
    """How the demand names it: the phrase where the data uses the same word, the group's own name otherwise."""
    read_as: tuple[str, ...] = ()
    """Those of the groups that the request as a whole was read as; they are meant until somebody says which."""

    @property
    def guess(self) -> tuple[str, ...]:
        """What the demand names where nobody is asked."""
        if self.item:
            return (self.item,)
        return self.read_as or self.groups[:2]


def ground(phrase: str, hits: Sequence[GroupHit], foreign: bool = False) -> GroundedPhrase:
    """Decide what ``phrase`` means, given the groups that a search found near it; ``foreign``: it is not English."""
    ranked = _ranked(hits)
    if not ranked:
        return GroundedPhrase(phrase, "unknown", ())
    named = [hit for hit in ranked if names(phrase, hit.group)]
    if equal := [hit for hit in named if stems(hit.group) == stems(phrase)]:
        return GroundedPhrase(phrase, "clear", (equal[0].group,), phrase)
    best = ranked[0]
    least = GUESS if foreign else FLOOR
    if best.similarity < least and not any(
        stems(phrase) <= stems(f"{hit.group} {' '.join(hit.items)}") for hit in ranked
    ):
        return GroundedPhrase(phrase, "unknown", tuple(hit.group for hit in ranked[:3]))
    kindred = [hit for hit in ranked if hit.similarity >= KINDRED * best.similarity]
    sharing = [hit for hit in kindred if shares(phrase, hit)]
    if best.similarity >= SURE:
        sharing, least = [] if named else sharing, _AS_GOOD
    else:
        least = NEAR if foreign or len(sharing) > 1 else KINDRED
    near = [hit for hit in kindred if hit in sharing or hit.similarity >= least * best.similarity]
    groups = tuple(hit.group for hit in (*named, *(hit for hit in near if hit not in named)))[:AT_MOST]
    if not groups or len(groups) == 1:
        return GroundedPhrase(phrase, "clear", groups or (best.group,), phrase if named else best.group)
    return GroundedPhrase(phrase, "broad", groups, phrase) if named else GroundedPhrase(phrase, "unclear", groups)


def ground_answer(phrase: str, hits: Sequence[GroupHit]) -> tuple[str, ...]:
    """The one or two groups that come nearest to what answers a question; none where nothing is near."""
    ranked = _ranked(hits)
    if not ranked or ranked[0].similarity < GUESS:
        return ()
    return tuple(hit.group for hit in ranked[:2] if hit.similarity >= _AS_GOOD * ranked[0].similarity)


def names_a_thing(grounded: GroundedPhrase, hits: Sequence[GroupHit]) -> bool:
    """Whether the data has the thing by its words, or by a meaning that cannot be mistaken."""
    best = max((hit.similarity for hit in hits), default=0.0)
    return best >= SURE or any(shares(grounded.phrase, hit) for hit in hits if hit.group in grounded.groups)


def framed(phrase: str, verb: str = "buy") -> str:
    """The sentence a phrase is searched for in."""
    return f"people who will {verb} {phrase}"


def short_first(groups: Iterable[str]) -> tuple[str, ...]:
    """The groups in their order, those that list several things last: the others read better as examples."""
    return tuple(sorted(groups, key=lambda group: len(parts_of(group)) > 1))


def shares(phrase: str, hit: GroupHit) -> bool:
    """Whether the group's name, or half of its items, use a word of the phrase; "baby carrots" alone do not count."""
    wanted = stems(phrase)
    return bool(wanted & stems(hit.group)) or 2 * sum(bool(wanted & stems(item)) for item in hit.items) > len(hit.items)


def _ranked(hits: Iterable[GroupHit]) -> list[GroupHit]:
    """One hit a group, the most similar first."""
    best: dict[str, GroupHit] = {}
    for hit in hits:
        if hit.group not in best or best[hit.group].similarity < hit.similarity:
            best[hit.group] = hit
    return sorted(best.values(), key=lambda hit: -hit.similarity)


_COUNT, _UNIT = rf"(?:a\s+)?(?P<count>{COUNT})", rf"(?P<unit>{UNIT})s?"
_AHEAD = re.compile(
    rf"\b(?:(?:in|over|within|during|for)\s+)?(?:(?:the|this|these|coming|next|following|upcoming|a)\s+)*"
    rf"(?:next|coming|following|upcoming|this|within|in)\s+(?:the\s+)?(?:{_COUNT}[\s-]+)?{_UNIT}\b(?:\s+ahead)?",
    re.IGNORECASE,
)
_BARE = re.compile(rf"\b{_COUNT}[\s-]+{_UNIT}\b(?!\s+ago)(?:\s+ahead)?", re.IGNORECASE)
_BARE_SPAN = re.compile(rf"(?<![\w-]){_COUNT}[\s-]+{_UNIT}\b", re.IGNORECASE)
_UNIT_ALONE = re.compile(r"\b(?P<count>)(?P<unit>week|fortnight|month|quarter|year)s?\b", re.IGNORECASE)
_HALF = re.compile(r"\b(?:half an?|half)[\s-]+(?P<unit>month|year)\b", re.IGNORECASE)
_THIS = re.compile(r"\b(?:so far\s+)?this\s+(?P<count>)(?P<unit>week|month|quarter|year)\b", re.IGNORECASE)
_SOON = re.compile(r"\b(?:this|next|coming|the)\s+weekend\b|\btomorrow\b", re.IGNORECASE)
_BACK = re.compile(
    rf"\b(?:(?:in|over|within|during)\s+)?(?:the\s+)?(?:last|past|previous|recent)\s+(?:{_COUNT}[\s-]+)?{_UNIT}\b(?:['’]s?)?",
    re.IGNORECASE,
)
_WITHIN = re.compile(
    rf"\b(?:in|within|over|during|for|since)\s+(?:the\s+)?{_COUNT}[\s-]+{_UNIT}\b(?:\s+now)?", re.IGNORECASE
)
_BACK_HALF = re.compile(
    r"\b(?:in|over|within|during|for)?\s*(?:the\s+)?(?:(?:last|past)\s+)?half[\s-]+(?:an?\s+)?(?P<unit>year|month)\b",
    re.IGNORECASE,
)
_STATED = re.compile(r"\bin the next \d+ days\b", re.IGNORECASE)


def ahead(text: str) -> tuple[int | None, str]:
    """Days ahead that ``text`` names (None: it names none), and the text without those words."""
    if match := _SOON.search(text):
        return SHORTEST_HORIZON, _cut(text, match)
    match = _AHEAD.search(text) or _BARE.search(text)
    if match is None:
        return None, text
    return max(days_of(match["count"], match["unit"]), 1), _cut(text, match)


def duration(text: str) -> int | None:
    """Days of the length of time that ``text`` names, whether ahead or back; None: it names none."""
    if match := _HALF.search(text):
        return days_of("half a", match["unit"])
    match = _BARE_SPAN.search(text) or _UNIT_ALONE.search(text)
    return None if match is None else days_of(match["count"], match["unit"])


def served(days: int) -> int:
    """The horizon that the model can serve, nearest to what was asked."""
    return min(max(days, SHORTEST_HORIZON), LONGEST_HORIZON)


def back(text: str) -> tuple[int | None, str]:
    """Days back that ``text`` names (None: it names none), and the text without those words."""
    if match := _BACK_HALF.search(text):
        return days_of("half a", match["unit"]), _cut(text, match)
    match = _BACK.search(text) or _WITHIN.search(text) or _THIS.search(text)
    return (None, text) if match is None else (days_of(match["count"], match["unit"]), _cut(text, match))


def restate(sentence: str, days: int) -> str:
    """The same sentence with another horizon, for sentences a person wrote."""
    phrase = f"in the next {days} days"
    if _STATED.search(sentence):
        return _STATED.sub(phrase, sentence)
    _, rest = ahead(sentence)
    return f"{' '.join(rest.split()).rstrip(' .')} {phrase}"


def _cut(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]} {text[match.end() :]}"

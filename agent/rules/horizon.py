"""Spans of time in words: how far ahead a demand looks, and how far back a condition does. All in days."""

import re

from encoders.language.spans import COUNT, LONGEST_HORIZON, SHORTEST_HORIZON, UNIT, days_of

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

"""Spans of time in words: how far ahead a demand looks, and how far back a condition does. All in days."""

import re

SHORTEST, LONGEST = 7, 91
"""A horizon is held within a week and a quarter: beyond that a year of history says too little."""

_UNITS = {"day": 1, "week": 7, "wk": 7, "fortnight": 14, "month": 30, "quarter": 91, "season": 91, "year": 365}
_HALVES = {"month": 15, "year": 180}
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "couple of": 2, "a couple of": 2, "three": 3, "few": 3, "a few": 3, "four": 4,
    "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12,
}  # fmt: skip
_COUNT = rf"(?P<count>\d{{1,4}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT = r"(?P<unit>day|week|wk|fortnight|month|quarter|season|year)s?"
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
        return SHORTEST, _cut(text, match)
    match = _AHEAD.search(text) or _BARE.search(text)
    if match is None:
        return None, text
    return max(_days(match), 1), _cut(text, match)


def duration(text: str) -> int | None:
    """Days of the length of time that ``text`` names, whether ahead or back; None: it names none."""
    if match := _HALF.search(text):
        return _HALVES[match["unit"].lower()]
    match = _BARE_SPAN.search(text) or _UNIT_ALONE.search(text)
    return None if match is None else _days(match)


def served(days: int) -> int:
    """The horizon that the model can serve, nearest to what was asked."""
    return min(max(days, SHORTEST), LONGEST)


def back(text: str) -> tuple[int | None, str]:
    """Days back that ``text`` names (None: it names none), and the text without those words."""
    if match := _BACK_HALF.search(text):
        return _HALVES[match["unit"].lower()], _cut(text, match)
    match = _BACK.search(text) or _WITHIN.search(text) or _THIS.search(text)
    return (None, text) if match is None else (_days(match), _cut(text, match))


def restate(sentence: str, days: int) -> str:
    """The same sentence with another horizon, for sentences a person wrote."""
    phrase = f"in the next {days} days"
    if _STATED.search(sentence):
        return _STATED.sub(phrase, sentence)
    _, rest = ahead(sentence)
    return f"{' '.join(rest.split()).rstrip(' .')} {phrase}"


def _days(match: re.Match[str]) -> int:
    count = (match["count"] or "1").lower()
    return (int(count) if count.isdigit() else _NUMBERS[count]) * _UNITS[match["unit"].lower()]


def _cut(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]} {text[match.end() :]}"

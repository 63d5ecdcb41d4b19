"""Spans of time in words: how far ahead a demand looks, and how far back a condition does. All in days."""

import re

SHORTEST, LONGEST = 7, 91
"""A horizon is held within a week and a quarter: beyond that a year of history says too little."""

_UNITS = {"day": 1, "week": 7, "fortnight": 14, "month": 28, "quarter": 91, "season": 91, "year": 364}
_NUMBERS = {"a": 1, "one": 1, "two": 2, "couple of": 2, "three": 3, "few": 3, "four": 4, "five": 5, "six": 6}
_COUNT = r"(?P<count>\d{1,4}|couple of|few|one|two|three|four|five|six|a)"
_UNIT = r"(?P<unit>day|week|fortnight|month|quarter|season|year)s?"
_AHEAD = re.compile(
    rf"\b(?:(?:in|over|within|during|for)\s+)?(?:(?:the|this|these|coming|next|following|upcoming|a)\s+)*"
    rf"(?:next|coming|following|upcoming|this|within|in)\s+(?:the\s+)?(?:{_COUNT}[\s-]+)?{_UNIT}\b(?:\s+ahead)?",
    re.IGNORECASE,
)
_BARE = re.compile(rf"\b{_COUNT}[\s-]+{_UNIT}\b(?!\s+ago)(?:\s+ahead)?", re.IGNORECASE)
_SOON = re.compile(r"\b(?:this|next|coming|the)\s+weekend\b|\btomorrow\b", re.IGNORECASE)
_BACK = re.compile(
    rf"\b(?:(?:in|over|within|during)\s+)?(?:the\s+)?(?:last|past|previous|recent)\s+(?:{_COUNT}[\s-]+)?{_UNIT}\b(?:['’]s?)?",
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
    return min(max(_days(match), SHORTEST), LONGEST), _cut(text, match)


def back(text: str) -> tuple[int | None, str]:
    """Days back that ``text`` names (None: it names none), and the text without those words."""
    match = _BACK.search(text)
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

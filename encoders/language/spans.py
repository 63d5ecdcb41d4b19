"""Lengths of time in words, in days: the same wherever a demand, a request or a condition names one.

A month is 30 days, a quarter 91, a year 365. They were 28 and 364 once: a saved demand that says months in words is of
that time, for since then demands are kept with their days.
"""

import re
from collections.abc import Mapping

SHORTEST_HORIZON, LONGEST_HORIZON = 7, 91
"""A conversation holds a horizon within a week and a quarter, a demand within the quarter: beyond that a year of
history says too little."""

UNITS = {
    "day": 1, "night": 1, "week": 7, "wk": 7, "weekend": 7, "fortnight": 14, "month": 30, "mth": 30, "quarter": 91,
    "season": 91, "year": 365, "yr": 365,
}  # fmt: skip
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "couple": 2, "couple of": 2, "two": 2, "three": 3, "few": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "twenty": 20, "thirty": 30, "half a": 0.5,
}  # fmt: skip
COUNT = r"(?:\d{1,4}|half an?|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + ")"
UNIT = "|".join(sorted(UNITS, key=len, reverse=True))

AHEAD = re.compile(
    r"\b(?:(?:with)?in|over|during|for)?\s*(?:the\s+)?(?:next|coming|following|upcoming|this)\s+"
    rf"(?:(?:a\s+)?(?P<count>{COUNT})\s+)?(?P<unit>{UNIT})s?\b"
    rf"|\bwithin\s+(?:a\s+)?(?P<count2>{COUNT})\s+(?P<unit2>{UNIT})s?\b"
    r"|\btomorrow\b",
    re.IGNORECASE,
)
"""The words of a demand that say how far it looks ahead."""

_DIFFERED = {"month": 28, "mth": 28, "year": 364, "yr": 364}
"""The units that once stood for other days."""


def number_of(words: str) -> float:
    """The number that digits or words stand for."""
    folded = " ".join(words.lower().split())
    if folded.startswith("half"):
        return 0.5
    return float(folded) if folded.isdigit() else float(NUMBERS[folded])


def days_of(count: str | None, unit: str, units: Mapping[str, int] = UNITS) -> int:
    """The days of a span, at least one: "2 months" are 60."""
    return max(1, round(number_of(count or "1") * units[unit.lower()]))


def horizon_in(text: str) -> int | None:
    """The number of days a demand looks ahead, at most ``LONGEST_HORIZON``; None where it does not say."""
    match = AHEAD.search(text)
    if match is None:
        return None
    unit = match["unit"] or match["unit2"]
    return min(days_of(match["count"] or match["count2"], unit), LONGEST_HORIZON) if unit else 1


def in_days(demand: str) -> str:
    """The same demand with its months or years said in days, so that it is kept with what they stand for today."""
    return _with_days(demand, UNITS)


def as_it_was_saved(demand: str) -> str:
    """A saved demand in days: one that still says months or years means those of the time when it was saved."""
    return _with_days(demand, _DIFFERED)


def _with_days(demand: str, units: Mapping[str, int]) -> str:
    match = AHEAD.search(demand)
    unit = (match["unit"] or match["unit2"] or "").lower() if match else ""
    if match is None or unit not in _DIFFERED:
        return demand
    days = days_of(match["count"] or match["count2"], unit, units)
    before = demand[: match.start()].rstrip()
    return f"{before} in the next {days} days{demand[match.end() :]}".lstrip()

"""Spans of time in words, against the as-of date: how far back a condition looks, how far ahead a demand does.

Units are those of ``encoders.text.words``. What is named by the calendar ("in December", "before Halloween", "this
year") is counted in days from, or to, the as-of date.
"""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from encoders.text.words import COUNT, UNIT, UNITS, days_of, in_days

SPAN = rf"(?:(?:a\s+)?(?P<count>{COUNT})[\s-]+)?(?:full\s+|whole\s+|good\s+|solid\s+)?(?P<unit>{UNIT})s?\b"
COUNTED = SPAN.replace(")?(?:full", ")(?:full", 1)
"""A span with its number."""

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_MONTH = "|".join([*_MONTHS, *(name[:3] for name in _MONTHS if len(name) > 3), "sept"])
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_PERIOD = r"(?P<period>year|quarter|month|week|season)"
BACK = re.compile(
    r"\b(?:(?:at any time\s+)?(?:(?:with)?in|over|during|for|across|in the course of)\s+)?"
    r"(?:the\s+|these\s+|those\s+|this\s+|our\s+)?"
    rf"(?:last|past|previous|prior|preceding|latest|most\s+recent)\s+(?!time)(?:{SPAN})(?:['’]s?)?"
    rf"|\b(?:(?:so\s+far|in|during)\s+)?this\s+{_PERIOD}\b(?:\s+so\s+far|\s+alone)?|\byear\s+to\s+date\b"
    rf"|\bsince\s+(?:(?:the\s+)?(?:start|beginning)\s+of\s+the\s+(?P<start>year|quarter|month)|(?:last\s+)?(?P<month>{_MONTH})\b"
    r"|(?P<iso>\d{4}(?:-\d{2}){1,2}))|\byesterday\b",
    re.IGNORECASE,
)
LOOSE_BACK = re.compile(rf"\b(?:(?:with)?in|over|for|during|inside)\s+(?:the\s+space\s+of\s+)?{COUNTED}", re.IGNORECASE)
"""Words that look back within a clause about the past alone: "in 90 days"."""

_SINGLE = r"(?:coming|next|following|upcoming|this\s+coming)"
AHEAD = re.compile(
    rf"\b(?:(?:in|over|within|during|for|inside)\s+)?(?:the\s+|these\s+)?{_SINGLE}\s+(?:{SPAN})(?:\s+or\s+so)?"
    rf"|\b(?:within|inside|in)\s+(?:the\s+)?(?:{COUNTED.replace('count>', 'count2>').replace('unit>', 'unit2>')})"
    r"(?:\s+from\s+now)?|\btomorrow\b|\b(?:this|the)\s+(?:week(?:end)?|month)\b(?!['’]s)",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"\b(?:{COUNTED}|fortnight\b)(?!\s+ago|\s+old|[\s-]+olds?\b)(?:\s+(?:ahead|tops|max(?:imum)?|from\s+now))?",
    re.IGNORECASE,
)
"""Words that look ahead where nothing else is said: "60 days instead of 28"."""
_SHIFTING: Mapping[str, tuple[int, int, int]] = {
    "thanksgiving": (11, 3, 4),
    "labor day": (9, 0, 1),
    "mother's day": (5, 6, 2),
    "father's day": (6, 6, 3),
    "memorial day": (5, 0, -1),
    "black friday": (11, 3, 4),
}
"""Month, weekday (Monday is 0) and which one of that month."""
_FIXED: Mapping[str, tuple[int, int]] = {
    "christmas": (12, 25),
    "christmas eve": (12, 24),
    "xmas": (12, 25),
    "new year": (1, 1),
    "new year's": (1, 1),
    "new year's eve": (12, 31),
    "halloween": (10, 31),
    "valentine's day": (2, 14),
    "valentine's": (2, 14),
    "st patrick's day": (3, 17),
    "independence day": (7, 4),
    "fourth of july": (7, 4),
    "4th of july": (7, 4),
    "bonfire night": (11, 5),
    "guy fawkes night": (11, 5),
    "boxing day": (12, 26),
    "super bowl": (2, 7),
}
_FEASTS = "|".join(
    name.replace("'", "['’]?") for name in sorted([*_FIXED, *_SHIFTING, "easter"], key=len, reverse=True)
)
_BY = r"(?P<by>by|before|until|till|up\s+to|ahead\s+of|in\s+time\s+for|(?:up\s+)?to)"
_CALENDAR = re.compile(
    rf"\b(?:by\s+|before\s+|until\s+)(?:the\s+)?end\s+of\s+(?:the\s+|this\s+)?(?P<end>week|month|quarter|year)\b"
    rf"|\b(?P<in>in|during|by|before|until|through(?:out)?|over)\s+(?:next\s+)?(?P<month>{_MONTH})\b(?!\s+\d)"
    rf"|\b{_BY}\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<dmonth>{_MONTH})\b"
    rf"|\b{_BY.replace('by>', 'by2>')}\s+(?P<month2>{_MONTH})\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\b"
    rf"|\b{_BY.replace('by>', 'by3>')}\s+(?:the\s+)?(?P<feast>{_FEASTS})\b"
    rf"|\bby\s+(?:next\s+|this\s+)?(?P<weekday>{'|'.join(_WEEKDAYS)})\b",
    re.IGNORECASE,
)


class Horizon(NamedTuple):
    """How far ahead a text looks, and the words that say so."""

    days: int
    start: int
    end: int


def back_in(text: str, as_of: date, loosely: bool = False) -> tuple[int, int, int] | None:
    """Days back that a text names, and where; ``loosely`` in a clause that is about the past anyhow."""
    match = BACK.search(text)
    if match is None and loosely:
        match = LOOSE_BACK.search(text)
        return None if match is None else (days_of(match["count"], match["unit"]), *match.span())
    if match is None:
        return None
    if match["unit"]:
        return days_of(match["count"], match["unit"]), *match.span()
    return _since(match, as_of), *match.span()


def ahead_in(text: str, as_of: date) -> Horizon | None:
    """How far ahead a text looks, however far the model can; None where it does not say."""
    if calendar := _calendar(text, as_of):
        return calendar
    if match := AHEAD.search(text):
        words = match[0].lower()
        if words == "tomorrow":
            return Horizon(1, *match.span())
        count, unit = match["count"] or match["count2"], match["unit"] or match["unit2"]
        if unit is None:
            unit = "month" if "month" in words else "week"
        return Horizon(days_of(count, unit), *match.span())
    said_back = [match.span() for match in BACK.finditer(text)]
    match = next(
        (each for each in _BARE.finditer(text) if not any(a < each.end() and each.start() < b for a, b in said_back)),
        None,
    )
    if match:
        return Horizon(days_of(match["count"], match["unit"] or "fortnight"), *match.span())
    return None


def ahead_in_place(text: str, as_of: date) -> str:
    """The same text with words of the calendar ("by Christmas") and months said in days."""
    found = _calendar(text, as_of)
    if found is None:
        return in_days(text)
    return f"{text[: found.start]}in the next {found.days} days{text[found.end :]}"


def _since(match: re.Match[str], as_of: date) -> int:
    """Days from the beginning of a calendar period to the as-of date; the whole length where that has hardly begun."""
    if match["iso"]:
        parts = [int(part) for part in match["iso"].split("-")]
        try:
            return max(1, (as_of - date(parts[0], parts[1], parts[2] if len(parts) > 2 else 1)).days)
        except ValueError:
            return UNITS["year"]
    if match["month"]:
        number = _month(match["month"])
        year = as_of.year if (number, 1) < (as_of.month, as_of.day) else as_of.year - 1
        return max(1, (as_of - date(year, number, 1)).days)
    if "yesterday" in match[0].lower():
        return 1
    period = (match["period"] or match["start"] or "year").lower()
    begun = {
        "year": date(as_of.year, 1, 1),
        "month": as_of.replace(day=1),
        "quarter": date(as_of.year, 3 * ((as_of.month - 1) // 3) + 1, 1),
        "season": as_of - timedelta(days=UNITS["season"]),
        "week": as_of - timedelta(days=as_of.weekday()),
    }[period]
    days, whole = (as_of - begun).days, UNITS[period]
    return days if 2 * days >= whole else whole


def _calendar(text: str, as_of: date) -> Horizon | None:
    for match in _CALENDAR.finditer(text):
        day = _day_named(match, as_of)
        if day is not None and day > as_of:
            return Horizon((day - as_of).days, *match.span())
    return None


def _day_named(match: re.Match[str], as_of: date) -> date | None:
    """The first day that is no longer meant; None where no day is named."""
    if match["end"]:
        return _end_of(match["end"].lower(), as_of)
    if match["month"]:
        number, through = _month(match["month"]), match["in"].lower() not in ("by", "before", "until")
        start = _next(number, 1, as_of)
        if through and number == as_of.month:
            start = as_of.replace(day=1)
        return _first_of_next(start) if through and start else start
    for day, month in (("day", "dmonth"), ("day2", "month2")):
        if match[day]:
            return _next(_month(match[month]), int(match[day]), as_of)
    if match["weekday"]:
        ahead = (_WEEKDAYS.index(match["weekday"].lower()) - as_of.weekday()) % 7 or 7
        return as_of + timedelta(days=ahead)
    return _feast(match["feast"], as_of)


def _end_of(period: str, as_of: date) -> date:
    """The day after the period that the as-of date is in."""
    if period == "week":
        return as_of + timedelta(days=7 - as_of.weekday())
    if period == "year":
        return date(as_of.year + 1, 1, 1)
    months = 1 if period == "month" else 3 - (as_of.month - 1) % 3
    day = as_of
    for _ in range(months):
        day = _first_of_next(day)
    return day


def _feast(name: str, as_of: date) -> date | None:
    folded = " ".join(name.lower().replace("’", "'").split())
    folded = next((each for each in (*_FIXED, *_SHIFTING) if each.replace("'", "") == folded.replace("'", "")), folded)
    if folded in _FIXED:
        return _next(*_FIXED[folded], as_of)
    if folded == "easter":
        found = [_easter(year) for year in (as_of.year, as_of.year + 1)]
        return next(day for day in found if day > as_of)
    if folded in _SHIFTING:
        month, weekday, which = _SHIFTING[folded]
        found = [_nth(year, month, weekday, which) for year in (as_of.year, as_of.year + 1)]
        if folded == "black friday":
            found = [day + timedelta(days=1) for day in found]
        return next(day for day in found if day > as_of)
    return None


def _nth(year: int, month: int, weekday: int, which: int) -> date:
    if which < 0:
        last = _first_of_next(date(year, month, 1)) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))


def _easter(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian algorithm."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = b // 4, b % 4
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _next(month: int, day: int, as_of: date) -> date | None:
    """The next time that day comes, after the as-of date; None where no month has it."""
    for year in range(as_of.year, as_of.year + 5):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found > as_of:
            return found
    return None


def _month(name: str) -> int:
    return 1 + next(place for place, month in enumerate(_MONTHS) if month.startswith(name.lower()[:3]))


def _first_of_next(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)

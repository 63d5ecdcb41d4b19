"""Times that cannot be right: in another unit, in another layout, or far from all others."""

import re
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from encoders.data import columns as col
from encoders.data.events import ACTIVE_DAYS
from encoders.data.source_tables import FLAW, SourceTable
from encoders.data.spec import UNIX, SourceSpec
from encoders.errors import DataError

PLAUSIBLE = (date(1980, 1, 1), date(2100, 1, 1))
"""A column of times whose middle lies outside is read in a wrong unit."""
_BACK_DAYS = 2 * 365
"""After a silence longer than ACTIVE_DAYS, the population would be the few who come after it; what lies before a
silence only makes histories longer."""
_RHYTHMS = 4
"""A silence is none that is not so many times the longest one amid the events."""
_FEW, _ENOUGH = 0.1, 5
"""The events beyond a silence are far from the rest where they are so small a share of it, and it has so many."""
_SEVERAL = 2
"""So many days show which of two dates is the unknown one."""
_DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%y", "%m/%d/%y"),
    *("%d/%m/%y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", ", %H:%M", ", %H:%M:%S"),
    *(", %I:%M %p", ", %I:%M:%S %p"),
)
LAYOUTS = tuple(day + clock for day in _DAYS for clock in _CLOCKS)
"""Patterns that times are written in, beside ISO 8601 and those counted from 1970 on."""
_MOST_SUGGESTED = 2
_DAY_OR_MONTH = re.compile(r"%[-_0]?[dem]")


def check_unit(source: SourceSpec, table: SourceTable) -> None:
    """See that times that are counted from 1970 on are counted in the unit that the spec names.

    Raises:
        DataError: they can only be right in another one.
    """
    if source.time_format not in UNIX or table.schema[source.time].is_temporal():
        return
    number = pl.col(source.time).cast(pl.String, strict=False).cast(pl.Float64, strict=False)
    median = table.collect(table.frame.select(number.filter(number.is_finite()).median())).item()
    read = {unit: _day(median, unit) for unit in UNIX} if median is not None else {}
    right = [unit for unit, day in read.items() if day and PLAUSIBLE[0] <= day < PLAUSIBLE[1]]
    if right and source.time_format not in right:
        said = read[source.time_format] or "beyond every calendar"
        raise DataError(
            f"{table.name}, column '{source.time}': {median:.0f} is {said} as '{source.time_format}' and "
            f"{read[right[0]]} as '{right[0]}'; write time_format = \"{right[0]}\" for source '{source.name}'."
        )


def in_other_unit(source: SourceSpec, kind: pl.DataType) -> pl.Expr:
    """Whether a time can only be right in another unit than the spec names: 1970 as ``unix_ms``, 2026 as ``unix``."""
    if source.time_format not in UNIX or kind.is_temporal():
        return pl.lit(False)
    days = {unit: col.from_unix(pl.col(source.time), unit).dt.date() for unit in UNIX}
    right = {unit: day.is_between(*PLAUSIBLE, closed="left").fill_null(False) for unit, day in days.items()}
    return ~right.pop(source.time_format) & pl.any_horizontal(right.values())


def check_order(source: SourceSpec, table: SourceTable, rows: pl.LazyFrame) -> None:
    """See that the day and the month of a pattern are not the other way round in a file.

    Args:
        source: names the pattern.
        table: the file.
        rows: its rows with ``raw_time``, as it is written.

    Raises:
        DataError: with the two exchanged, it reads all times that it reads as it is, and others.
    """
    said = source.time_format
    if said in ("iso", *UNIX) or table.schema[source.time].is_temporal():
        return
    parts = _DAY_OR_MONTH.findall(said)
    order = _DAY_OR_MONTH.sub(lambda _: parts.pop(), said)
    written = pl.col("raw_time")
    as_said, as_ordered = (written.str.to_datetime(each, strict=False).dt.date() for each in (said, order))
    reads, right = as_said.is_not_null(), as_ordered.is_between(*PLAUSIBLE, closed="left").fill_null(False)
    found = rows.filter(pl.col(FLAW).is_null()).select(
        written.filter(reads & (as_said != as_ordered)).first().alias("misread"),
        written.filter(~reads & right).first().alias("missed"),
        (right | ~reads).all(),
    )
    misread, missed, reads_more = table.collect(found).row(0)
    if reads_more and misread and missed:
        shown = [pl.Series([misread]).str.to_datetime(each).dt.date()[0] for each in (said, order)]
        raise DataError(
            f"{table.name}, column '{source.time}': '{missed}' is no '{said}', and '{misread}' is {shown[0]} as "
            f"'{said}' and {shown[1]} as '{order}', which reads more; write time_format = \"{order}\" for source "
            f"'{source.name}', or mend the file."
        )


def _day(ticks: float, unit: str) -> date | None:
    try:
        return date(1970, 1, 1) + timedelta(seconds=ticks / UNIX[unit])
    except OverflowError:
        return None


def layouts_of(written: pl.Series) -> list[str]:
    """The entries ``time_format`` that read all of some times as they are written; none where nothing does."""
    texts = written.drop_nulls().str.strip_chars().filter(written.drop_nulls().str.strip_chars() != "")
    if texts.is_empty():
        return []
    frame = texts.to_frame("time")
    found = [unit for unit in UNIX if _all_plausible(frame.select(col.from_unix(pl.col("time"), unit)).to_series())]
    for day in _DAYS:
        reads = (day + clock for clock in _CLOCKS if not texts.str.to_datetime(day + clock, strict=False).null_count())
        if len(found) < _MOST_SUGGESTED and (layout := next(reads, "")):
            found.append(layout)
    if not found and not frame.select(col.iso_time(pl.col("time"), "UTC", "UTC")).to_series().null_count():
        found.append("iso")
    return found


def _all_plausible(times: pl.Series) -> bool:
    days = times.dt.date()
    return not days.null_count() and bool(days.is_between(*PLAUSIBLE, closed="left").all())


def usual_days(counted: pl.DataFrame) -> tuple[date, date]:
    """The first and last day of all events but those that are few and far from the rest.

    Args:
        counted: day, rows, and whether all its rows have one time; at least one row, each day once, sorted.
    """
    counted = _without_placeholders(counted)
    days, rows = counted["day"].to_list(), counted["rows"].to_list()
    gaps = [(after - before).days for before, after in pairwise(days)]
    longest = max(_inner(gaps, rows), default=0) * _RHYTHMS
    ahead, back = max(ACTIVE_DAYS, longest), max(_BACK_DAYS, longest)
    edges = [0, *(number + 1 for number, gap in enumerate(gaps) if gap > ahead), len(days)]
    spans = list(pairwise(edges))
    start, end = max(spans, key=lambda span: sum(rows[slice(*span)]))
    for first, last in spans:
        if first >= end and not _far(rows, (start, end), (end, len(rows))):
            end = last
    for first, last in reversed(spans):
        if last <= start and (gaps[start - 1] <= back or not _far(rows, (start, end), (0, start))):
            start = first
    return days[start], days[end - 1]


def _without_placeholders(counted: pl.DataFrame) -> pl.DataFrame:
    """All days but a first or last one that stands for an unknown date, such as 1970-01-01, however many rows it has.

    It is one time for all of its rows, with years of silence before the others.
    """
    alone = counted["one_time"].to_list()
    for first, last in ((1, 1), (0, 1), (1, 0)):
        kept = counted[first : counted.height - last]
        if kept.height < _SEVERAL or kept["rows"].sum() < _ENOUGH:
            continue
        days = kept["day"].to_list()
        gaps = [(after - before).days for before, after in pairwise(days)]
        silence = max(_BACK_DAYS, _RHYTHMS * max(_inner(gaps, kept["rows"].to_list()), default=0))
        before = not first or (alone[0] and (days[0] - counted["day"][0]).days > silence)
        after = not last or (alone[-1] and (counted["day"][-1] - days[-1]).days > silence)
        if before and after:
            return kept
    return counted


def _inner(gaps: list[int], rows: list[int]) -> list[int]:
    """The silences with many events on either side."""
    total, passed, inner = sum(rows), 0, []
    for gap, before in zip(gaps, rows, strict=False):
        passed += before
        if not _few(min(passed, total - passed), max(passed, total - passed)):
            inner.append(gap)
    return inner


def _far(rows: list[int], kept: tuple[int, int], beyond: tuple[int, int]) -> bool:
    return _few(sum(rows[slice(*beyond)]), sum(rows[slice(*kept)]))


def _few(outside: int, inside: int) -> bool:
    return inside >= _ENOUGH and outside <= max(1, _FEW * inside)

"""Outcome files: who responded, as a table that comes back from a shop, a mailing or an ad platform.

A row is one response: ``user_id``, and where the file has them ``date`` and ``value``. A row with a value of zero or
less is no response (a table of everybody with 0 and 1 reads as expected).
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from encoders.errors import RequestError
from tools.table_file import read_columns

COLUMN = "user_id"

_NEEDED = (COLUMN, "date", "value")


@dataclass(frozen=True)
class Responses:
    """Who responded, each once."""

    values: dict[str, float | None]
    """Per user the sum of the values; None where the file has no values."""
    notes: tuple[str, ...]
    """What was left out, for people."""


def read_outcome(path: Path, start: date, end: date) -> Responses:
    """Read the responses from ``start`` up to, not including, ``end``.

    Raises:
        RequestError: the file cannot be read, or has no column of users.
    """
    table, columns = read_columns(path, _NEEDED)
    if COLUMN not in columns:
        named = ", ".join(columns[:8])
        raise RequestError(f"{path.name} has no column '{COLUMN}' (it has {named}); name the column of the users so.")
    rows, notes = table.height, []
    table = table.with_columns(pl.col(COLUMN).cast(pl.String).str.strip_chars())
    table = table.filter(pl.col(COLUMN).is_not_null() & (pl.col(COLUMN) != ""))
    if left := rows - table.height:
        notes.append(f"{left:,} rows name no user and were left out.")
    if "date" in table.columns:
        days = _days(table["date"])
        if unreadable := days.null_count():
            notes.append(f"{unreadable:,} rows have no date that can be read (as 2017-10-01) and were left out.")
        inside = ((days >= start) & (days < end)).fill_null(False)
        if outside := table.height - unreadable - int(inside.sum()):
            notes.append(f"{outside:,} rows lie outside {start} to before {end} and were left out.")
        table = table.filter(inside)
    if "value" not in table.columns:
        return Responses(dict.fromkeys(table[COLUMN].unique().sort()), tuple(notes))
    before = table.height
    table = table.with_columns(pl.col("value").cast(pl.Float64, strict=False)).filter(pl.col("value").is_finite())
    if left := before - table.height:
        notes.append(f"{left:,} rows have no number as their value and were left out.")
    summed = table.filter(pl.col("value") > 0).group_by(COLUMN).agg(pl.col("value").sum()).sort(COLUMN)
    return Responses(dict(zip(summed[COLUMN], summed["value"], strict=True)), tuple(notes))


def _days(column: pl.Series) -> pl.Series:
    if column.dtype.is_temporal():
        return column.cast(pl.Date)
    return column.cast(pl.String).str.strip_chars().str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)

"""What a column of one's own tables means: expressions for words, times, values and item texts."""

from string import Formatter

import polars as pl

from encoders.data.spec import SourceSpec, template_columns

_MICROSECONDS = pl.Datetime("us")
_UNIX = {"unix": 1_000_000, "unix_ms": 1_000}
_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z")


def words(column: str) -> pl.Expr:
    """A column as one line of text; null where it is blank."""
    return _one_line(pl.col(column).cast(pl.String))


def number(column: str) -> pl.Expr:
    """A column as a finite number; null where it is none."""
    value = pl.col(column).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def text(template: str) -> pl.Expr:
    """An item text from its template; null where every column in it is blank."""
    parts = []
    for literal, column, _, _ in Formatter().parse(template):
        parts.append(pl.lit(literal))
        if column is not None:
            parts.append(words(column).fill_null(""))
    filled = pl.any_horizontal(words(column).is_not_null() for column in template_columns(template))
    return pl.when(filled).then(_one_line(pl.concat_str(parts).str.strip_chars(" ,;:/|-")))


def time(source: SourceSpec, kind: pl.DataType, zone: str) -> pl.Expr:
    """The time of an event on the clocks of ``zone``; null where it cannot be read or never was on the clock."""
    column, own_zone = pl.col(source.time), source.time_zone or zone
    if isinstance(kind, pl.Datetime | pl.Date):
        return _local(column.cast(pl.Datetime("us", getattr(kind, "time_zone", None))), kind, own_zone, zone)
    if source.time_format in _UNIX:
        ticks = column.cast(pl.String).cast(pl.Float64, strict=False) * _UNIX[source.time_format]
        return _moved(ticks.cast(pl.Int64, strict=False).cast(_MICROSECONDS).dt.replace_time_zone("UTC"), zone)
    written = column.cast(pl.String).str.strip_chars()
    if source.time_format != "iso":
        zoned = "%z" in source.time_format or "%:z" in source.time_format
        read = written.str.to_datetime(source.time_format, strict=False, time_unit="us")
        return _moved(read, zone) if zoned else _moved(_on_clock(read, own_zone), zone)
    written = written.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    zoned_reads = [_moved(written.str.to_datetime(form, strict=False, time_unit="us"), zone) for form in _ZONED]
    local_reads = [written.str.to_datetime(form, strict=False, time_unit="us") for form in _LOCAL]
    local_reads.append(written.str.to_date("%Y-%m-%d", strict=False).cast(_MICROSECONDS))
    return pl.coalesce(*zoned_reads, *(_moved(_on_clock(read, own_zone), zone) for read in local_reads))


def _local(column: pl.Expr, kind: pl.DataType, own_zone: str, zone: str) -> pl.Expr:
    aware = isinstance(kind, pl.Datetime) and kind.time_zone is not None
    return _moved(column if aware else _on_clock(column, own_zone), zone)


def _on_clock(local: pl.Expr, zone: str) -> pl.Expr:
    """Local times in their zone: the earlier one where clocks were put back, none where they jumped over it."""
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")


def _moved(aware: pl.Expr, zone: str) -> pl.Expr:
    return aware.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _one_line(column: pl.Expr) -> pl.Expr:
    line = column.str.replace_all(r"[\s\p{C}]+", " ").str.strip_chars()
    return pl.when(line != "").then(line)

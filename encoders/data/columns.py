"""What a column of one's own tables means: expressions for words, ids, times, values and item texts."""

from datetime import date, datetime
from string import Formatter

import polars as pl

from encoders.data.spec import UNIX, SourceSpec, template_columns

_MICROSECONDS = pl.Datetime("us")
_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M", "%Y-%m-%d", "%Y%m%d")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z", "%Y%m%dT%H%M%S%z")
_ONE_DAY = datetime(2026, 7, 14), datetime(2026, 7, 14, 15, 24, 36)
EARLIEST, LATEST = date(1900, 1, 1), date(2199, 12, 31)
"""Nothing anybody did lies outside."""

BLANKS = ("n/a", "#n/a", "na", "<na>", "nan", "null", "(null)", "none", "nil", "undefined", "-", "--", "?", "\\n")
"""What programs and people write where they know nothing, in lower case."""
_LONGEST_DIGITS = 15
"""Digits that a number with a decimal point surely keeps."""
_FLOAT_ID, _ROUNDED_ID = r"^-?\d+\.0+$", r"^-?\d(?:\.\d+)?[eE]\+\d+$"
_WHOLE = rf"^(-?\d{{1,{_LONGEST_DIGITS}}})\.0$"
_SAFE_MARK = r"^'\s*([-=+@＝＋－＠].*)$"
"""How our own exports write an id that a spreadsheet would take for a formula."""


def words(column: str) -> pl.Expr:
    """A column as one line of text; null where it is blank."""
    return _one_line(pl.col(column).cast(pl.String, strict=False))


def plain(column: str) -> pl.Expr:
    """Words in which a whole number is written as one: programs make 34.0 of 34 where its column has a gap."""
    return words(column).str.replace(_WHOLE, "$1")


def known(text: pl.Expr, blanks: tuple[str, ...] = ()) -> pl.Expr:
    """A text, or null where it is a word for something unknown."""
    unknown = sorted({*BLANKS, *(each.strip().lower() for each in blanks)})
    return pl.when(~text.str.to_lowercase().is_in(unknown)).then(text)


def identity(column: str, kind: pl.DataType) -> tuple[pl.Expr, pl.Expr]:
    """The id of a user, and whether there was one whose digits are lost.

    Programs turn a column of whole numbers with a gap into decimals: 12 becomes 12.0, and of 17 digits 16 are left.
    """
    if kind.is_float():
        number = pl.col(column)
        there = number.is_not_null() & number.is_not_nan()
        exact = there & (number == number.round()) & (number.abs() < (2**24 if kind == pl.Float32 else 2**53))
        return pl.when(exact).then(number.cast(pl.Int64, strict=False).cast(pl.String)), there & ~exact
    written = known(words(column)).str.replace(_SAFE_MARK, "$1")
    whole = written.str.contains(_FLOAT_ID)
    digits = written.str.replace(r"\.0+$", "")
    lost = written.str.contains(_ROUNDED_ID) | (whole & (digits.str.len_chars() > _LONGEST_DIGITS))
    return pl.when(~lost).then(pl.when(whole).then(digits).otherwise(written)), lost.fill_null(False)


def spelling(user: pl.Expr) -> pl.Expr:
    """What an id has in common with its other spellings: 00001 and 1, u1, U1 and ="U1", one letter in two codes."""
    plain = user.str.normalize("NFC").str.to_lowercase().str.replace(r"^[='\"]+", "").str.replace(r"['\"]+$", "")
    return pl.coalesce(pl.when(plain != "").then(plain.str.replace(r"^0+(.)", "$1")), user)


def number(column: str, decimal: str | None = None) -> pl.Expr:
    """A column as a finite number; null where it is none.

    A currency before or behind it is left out; book-keepers write -5 as (5) or 5-, and price tags 5.00 as 5.- or 5,-.
    """
    written = pl.col(column).cast(pl.String, strict=False).str.strip_chars().str.replace("\u2212", "-", literal=True)
    written = written.str.replace(r"(\d[.,])[-\u{2013}\u{2014}]{1,2}(\D*)$", "${1}00$2")
    written = written.str.replace(r"^\((.+)\)$", "-$1").str.replace(r"^([^-]+)-$", "-$1")
    written = written.str.replace(r"^([-+]?)\s*(?:\p{Sc}|[A-Z]{3}\s)\s*([-+]?)", "$1$2")
    written = written.str.replace(r"\s*(?:\p{Sc}|\s[A-Z]{3})$", "")
    if decimal is not None:
        thousands = r"[.'\s\u{2019}]" if decimal == "," else r"[,'\s\u{2019}]"
        grouped = rf"^[-+]?\d{{1,3}}(?:{thousands}\d{{3}})+(?:{'[,]' if decimal == ',' else '[.]'}\d*)?$"
        plain = pl.when(written.str.contains(grouped)).then(written.str.replace_all(thousands, "")).otherwise(written)
        foreign = plain.str.contains(r"[.]" if decimal == "," else ",")
        written = pl.when(~foreign).then(plain.str.replace(decimal, ".", literal=True))
    value = written.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def text(template: str) -> pl.Expr:
    """An item text from its template; null where every column in it is blank."""
    parts = []
    for literal, column, _, _ in Formatter().parse(template):
        parts.append(pl.lit(literal))
        if column is not None:
            parts.append(known(plain(column)).fill_null(""))
    filled = pl.any_horizontal(known(words(column)).is_not_null() for column in template_columns(template))
    return pl.when(filled).then(_one_line(pl.concat_str(parts).str.strip_chars(" ,;:/|-")))


def time(source: SourceSpec, kind: pl.DataType, zone: str) -> pl.Expr:
    """The time of an event on the clocks of ``zone``; null where it cannot be read or never was on the clock."""
    column, own_zone = pl.col(source.time), source.time_zone or zone
    if isinstance(kind, pl.Datetime | pl.Date):
        return _local(column.cast(pl.Datetime("us", getattr(kind, "time_zone", None))), kind, own_zone, zone)
    if source.time_format in UNIX:
        return _moved(_possible(from_unix(column, source.time_format)).dt.replace_time_zone("UTC"), zone)
    written = column.cast(pl.String, strict=False).str.strip_chars()
    if source.time_format != "iso":
        own_zone = own_zone if _has_clock(source.time_format) else zone
        zoned = "%z" in source.time_format or "%:z" in source.time_format
        read = written.str.to_datetime(source.time_format, strict=False, time_unit="us")
        return _moved(read, zone) if zoned else _moved(_on_clock(_possible(read), own_zone), zone)
    return iso_time(written, own_zone, zone)


def iso_time(written: pl.Expr, own_zone: str, zone: str) -> pl.Expr:
    """ISO 8601, and what databases make of it: a blank for the T, "UTC" for the Z, an offset of hours alone."""
    written = written.str.replace(r"(?i)\s*(?:UTC|GMT|Z)$", "+00:00").str.replace(r"^([\d-]+)\s+", "${1}T")
    written = written.str.replace(r"\s+([-+]\d)", "$1").str.replace(r"(T[\d:.]+[-+]\d\d)$", "${1}:00")
    zoned = [_moved(written.str.to_datetime(form, strict=False, time_unit="us"), zone) for form in _ZONED]
    local = [_possible(written.str.to_datetime(form, strict=False, time_unit="us")) for form in _LOCAL]
    zones = [own_zone if _has_clock(form) else zone for form in _LOCAL]
    return pl.coalesce(*zoned, *(_moved(_on_clock(read, own), zone) for read, own in zip(local, zones, strict=True)))


def from_unix(column: pl.Expr, layout: str) -> pl.Expr:
    """A time that is counted from 1970 on, in UTC; null where it is no number or beyond every calendar."""
    ticks = column.cast(pl.String, strict=False).cast(pl.Float64, strict=False)
    return (ticks * (1_000_000 / UNIX[layout])).cast(pl.Int64, strict=False).cast(_MICROSECONDS)


def _has_clock(layout: str) -> bool:
    """Whether a layout tells more than a day of the calendar, which is the same day in every zone."""
    return pl.Series(_ONE_DAY).dt.replace_time_zone("UTC").dt.strftime(layout).n_unique() > 1


def _possible(read: pl.Expr) -> pl.Expr:
    """Times in years that zones are known for; the others are brought to the first of those years or the last."""
    return read.clip(pl.lit(EARLIEST).cast(_MICROSECONDS), pl.lit(LATEST).cast(_MICROSECONDS))


def _local(column: pl.Expr, kind: pl.DataType, own_zone: str, zone: str) -> pl.Expr:
    aware = isinstance(kind, pl.Datetime) and kind.time_zone is not None
    own_zone = zone if kind == pl.Date else own_zone
    return _moved(column if aware else _on_clock(_possible(column), own_zone), zone)


def _on_clock(local: pl.Expr, zone: str) -> pl.Expr:
    """Local times in their zone: the earlier one where clocks were put back, none where they jumped over it.

    A midnight that they jumped over stands for its day, which began an hour later.
    """
    there = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    later = local.dt.offset_by("1h").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(there, pl.when(local == local.dt.truncate("1d")).then(later))


def _moved(aware: pl.Expr, zone: str) -> pl.Expr:
    return aware.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _one_line(column: pl.Expr) -> pl.Expr:
    line = column.str.replace_all(r"[\s\p{C}]+", " ").str.strip_chars()
    return pl.when(line != "").then(line)

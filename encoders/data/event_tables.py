"""The events of one source: its rows as the spec means them, without those that cannot be used or come again."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from encoders.data import columns as col
from encoders.data.contacts import NO_CONSENT, NO_USER
from encoders.data.dates import check_order, check_unit, in_other_unit, layouts_of, usual_days
from encoders.data.files import Files
from encoders.data.rejections import Check, Tally
from encoders.data.source_tables import FILE, FLAW, LINE, ROW, SourceTable
from encoders.data.spec import SourceSpec, returns_of, template_columns

BROKEN = Check(
    pl.col(FLAW).is_not_null(),
    "broken row",
    "",
    pl.col(FLAW),
    "put a field that holds the separator, a quote or a line break in quotes, or name the encoding in the spec",
)
ROUNDED = "user id lost digits"
ROUNDED_REMEDY = "write ids as text: a program made decimals of them, and their last digits are gone"
_COLUMNS = ["user_id", "time", "source", "action", "value", "text", "group"]
_SAMPLE = 1_000
"""So many values that cannot be read are looked at for how they are written."""


@dataclass(frozen=True)
class SourceEvents:
    """What was read of one source."""

    source: str
    events: pl.LazyFrame
    users: pl.DataFrame
    """user_id: everybody who has a row, usable or not."""
    rows: int
    returned: int
    """Events that are returns; their source is ``returns_of(source)``."""
    notes: tuple[str, ...]


def read_events(source: SourceSpec, zone: str, files: Files, agreed: pl.LazyFrame | None, tally: Tally) -> SourceEvents:
    """Read one source.

    Args:
        source: what its tables mean.
        zone: of the data set, whose clocks the times are moved to.
        files: opens them.
        agreed: the users who consented; None where nobody is asked.
        tally: counts what is left out.

    Raises:
        DataError: a file cannot be used, or (strict) a row.
    """
    read = []
    for table in files.open(source, _uses(source)):
        check_unit(source, table)
        read.append(table.write(_meant(source, zone, table), files.new_file()))
        check_order(source, table, read[-1])
    rows = pl.concat(read)
    users = rows.select("user_id").drop_nulls().unique().collect(engine="streaming")
    judged, checks = rows, _checks(source, rows)
    if agreed is not None:
        known = agreed.select("user_id", pl.lit(True).alias("agreed"))
        judged = rows.join(known, on="user_id", how="left", maintain_order="left")
        user = pl.col("user_id")
        checks.append(Check(pl.col("agreed").is_null(), NO_CONSENT, source.user_id, user, is_fault=False))
    usable = tally.sift(judged, source.name, checks)
    usable = tally.sift(usable, source.name, [_outside(source, usable)])
    usable = tally.sift(usable, source.name, [_repeated(source)])
    back = (pl.col("value") < 0) & (source.returns == "negative")
    returned = int(usable.select(back.sum()).collect().item() or 0)
    events = usable.with_columns(
        source=pl.when(back).then(pl.lit(returns_of(source.name))).otherwise("source"),
        action=pl.when(back).then(pl.lit("return")).otherwise("action"),
    )
    total = int(rows.select(pl.len()).collect().item())
    notes = (f"{returned:,} rows of {source.name} with a negative value are returns, and no events of it",)
    return SourceEvents(source.name, events.select(_COLUMNS), users, total, returned, notes if returned else ())


def _uses(source: SourceSpec) -> dict[str, str]:
    """The columns that are read, and what for."""
    uses = {source.user_id: "user_id", source.time: "time", **dict.fromkeys(template_columns(source.item), "item")}
    uses |= dict.fromkeys(template_columns(source.group or ""), "group")
    uses |= {source.value: "value"} if source.value else {}
    uses = dict.fromkeys(source.row_key or (), "row_key") | uses
    return {column: f"{use} of source '{source.name}'" for column, use in uses.items()}


def _meant(source: SourceSpec, zone: str, table: SourceTable) -> pl.LazyFrame:
    """One file with its columns as the spec means them; ``raw_*`` keep what was written there."""
    text = col.text(source.item)
    user, lost = col.identity(source.user_id, table.schema[source.user_id])
    value = col.number(source.value, source.decimal) if source.value else pl.lit(None, pl.Float64)
    written = col.known(col.words(source.value)) if source.value else pl.lit(None, pl.String)
    kind = table.schema[source.time]
    return table.frame.select(
        FILE,
        LINE,
        FLAW,
        _row_key(source),
        user.alias("user_id"),
        lost.alias("lost"),
        pl.when(~in_other_unit(source, kind)).then(col.time(source, kind, zone)).alias("time"),
        pl.lit(source.name).alias("source"),
        pl.lit(source.action).alias("action"),
        pl.when(written.is_not_null()).then(value).alias("value"),
        text.alias("text"),
        (pl.coalesce(col.text(source.group), text) if source.group else text).alias("group"),
        col.words(source.user_id).alias("raw_user"),
        col.words(source.time).alias("raw_time"),
        col.words(template_columns(source.item)[0]).alias("raw_text"),
        written.alias("raw_value"),
    )


def _row_key(source: SourceSpec) -> pl.Expr:
    """What rows share that are one and the same; null for a row that is like no other."""
    if source.row_key is None:
        return pl.col(ROW).cast(pl.String)
    key = [col.known(col.plain(column)) for column in source.row_key]
    return (pl.concat_str(key, separator="\x1f") if key else pl.lit(None, pl.String)).alias(ROW)


def _checks(source: SourceSpec, rows: pl.LazyFrame) -> list[Check]:
    no_time, no_value = pl.col("time").is_null(), pl.col("value").is_null() & pl.col("raw_value").is_not_null()
    item = template_columns(source.item)[0]
    whole = rows.filter(pl.col(FLAW).is_null())
    times, values = (_sample(whole.filter(bad), raw) for bad, raw in ((no_time, "raw_time"), (no_value, "raw_value")))
    return [
        BROKEN,
        Check(pl.col("lost"), ROUNDED, source.user_id, pl.col("raw_user"), ROUNDED_REMEDY),
        Check(pl.col("user_id").is_null(), NO_USER, source.user_id, pl.col("raw_user")),
        Check(no_time, "unreadable time", source.time, pl.col("raw_time"), _time_remedy(times)),
        Check(pl.col("text").is_null(), "empty item text", item, pl.col("raw_text")),
        Check(no_value, "unreadable value", source.value or "", pl.col("raw_value"), _value_remedy(values)),
    ]


def _sample(rows: pl.LazyFrame, column: str) -> pl.Series:
    return rows.select(pl.col(column).drop_nulls().head(_SAMPLE)).collect().to_series()


def _time_remedy(written: pl.Series) -> str:
    read = [f'time_format = "{layout}"' for layout in layouts_of(written)]
    return f"{' or '.join(read)} would read {'it' if len(read) == 1 else 'them'}" if read else ""


def _value_remedy(written: pl.Series) -> str:
    frame = written.to_frame("value")
    for decimal in (",", "."):
        if len(written) and not frame.select(col.number("value", decimal)).to_series().null_count():
            return f'decimal = "{decimal}" would read them'
    return ""


def _outside(source: SourceSpec, usable: pl.LazyFrame) -> Check:
    """Days that the spec rules out, or where it says nothing those that cannot be meant."""
    day = pl.col("time").dt.date()
    known = usable.filter(day.is_between(col.EARLIEST, col.LATEST, closed="none"))
    one_time = pl.col("time").min() == pl.col("time").max()
    counted = known.group_by(day.alias("day")).agg(pl.len().alias("rows"), one_time=one_time).sort("day").collect()
    first, last = usual_days(counted) if counted.height else (date.min, date.max)
    first, last = source.first_day or first, source.last_day or last
    said = source.first_day or source.last_day
    return Check(
        (day < first) | (day > last) | (day <= col.EARLIEST) | (day >= col.LATEST),
        "outside first_day to last_day" if said else "date far from the rest",
        source.time,
        pl.col("raw_time"),
        "" if said else f"the rest is from {first} to {last}; where such dates are right, name first_day and last_day",
    )


def _repeated(source: SourceSpec) -> Check:
    """Rows that come again. With a key the last one counts, and else they are equal, so that it does not matter."""
    if source.row_key:
        first = pl.col(ROW).is_last_distinct()
    else:
        first = pl.struct(ROW, "user_id", "time", "text").is_first_distinct()
    again = pl.col(ROW).is_not_null() & ~first
    remedy = "where each is an event of its own, name the columns that tell rows apart in row_key"
    return Check(again, "repeated row", source.user_id, pl.col("user_id"), remedy, is_fault=False)

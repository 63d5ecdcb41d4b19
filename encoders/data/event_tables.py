"""The events of one source: its rows as the spec means them, without those that cannot be used or come again."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from encoders.data import columns as col
from encoders.data.contacts import NO_CONSENT, NO_USER
from encoders.data.dates import check_order, check_unit, in_other_unit, layouts_of, usual_days
from encoders.data.erasing import REASON as FORGOTTEN
from encoders.data.erasing import Forgotten
from encoders.data.files import Files, Piece, without_rows
from encoders.data.kept_files import FileFacts, FileRows, KeptFiles
from encoders.data.rejections import Check, Tally
from encoders.data.source_tables import FILE, FLAW, LINE, ROW, SHAPE, SourceTable, same_in_all
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
    columns: dict[str, str]
    """Every column of the last file, and what it holds."""
    erased: frozenset[str]
    """Keyed hashes of users with rows who were erased."""


@dataclass
class Delivery:
    """What all sources of a data set are read with."""

    zone: str
    """Of the data set, whose clocks the times are moved to."""
    files: Files
    """Opens them."""
    agreed: pl.DataFrame | None
    """user_id of those who consented; None where nobody is asked."""
    tally: Tally
    """Counts what is left out."""
    forgotten: Forgotten | None = None
    """Users who were erased."""
    kept: KeptFiles | None = None
    """What was read of the same files before."""


def read_events(source: SourceSpec, delivery: Delivery) -> SourceEvents:
    """Read one source.

    Raises:
        DataError: a file cannot be used, or (strict) a row.
    """
    tally, pieces = delivery.tally, delivery.files.pieces(source, _uses(source))
    found = [(piece.name, _read_file(source, piece, delivery)) for piece in pieces]
    read = [each for _, each in found if each is not None]
    delivery.files.note_empty(source, [name for name, each in found if each is None], len(found))
    if not any(each.facts.rows for each in read):
        raise without_rows(source)
    rows = pl.concat([each.rows for each in read], how="diagonal")
    users = pl.concat([each.users for each in read]).unique()
    usable = tally.sift(rows, source.name, _checks(source, rows))
    usable = tally.sift(usable, source.name, [_outside(source, usable)])
    usable = tally.sift(_marked(usable) if source.row_key is None else usable, source.name, [_repeated(source)])
    back = (pl.col("value") < 0) & (source.returns == "negative")
    returned = int(usable.select(back.sum()).collect().item() or 0)
    events = usable.with_columns(
        source=pl.when(back).then(pl.lit(returns_of(source.name))).otherwise("source"),
        action=pl.when(back).then(pl.lit("return")).otherwise("action"),
    )
    total, notes = sum(each.facts.rows for each in read), []
    if returned:
        notes.append(f"{returned:,} rows of {source.name} with a negative value are returns, and no events of it")
    return SourceEvents(
        source.name, events.select(_COLUMNS), users, total, returned, tuple(notes),
        read[-1].facts.columns, frozenset(user for each in read for user in each.facts.erased),
    )  # fmt: skip


def _read_file(source: SourceSpec, piece: Piece, delivery: Delivery) -> FileRows | None:
    """The rows of one file, as they were kept or as they are read now; None where it is empty."""
    kept, tally, files = delivery.kept, delivery.tally, delivery.files
    key = kept.key(piece, _settings(source, delivery)) if kept else ""
    if kept and key and (there := kept.find(key, delivery.agreed)):
        files.notes += there.facts.notes
        kept.again.append(piece.name)
        tally.add(there.facts.left_out)
        return there
    noted = len(files.notes)
    table = piece.open()
    if table is None:
        return None
    check_unit(source, table)
    rows = table.write(_meant(source, delivery.zone, table), files.new_file())
    check_order(source, table, rows)
    users = rows.select("user_id").drop_nulls().unique().collect(engine="streaming")
    counted = Tally(strict=False)
    erased = delivery.forgotten.hashes(users["user_id"]) if delivery.forgotten else {}
    used, withheld = _without_withheld(source, rows, sorted(erased), delivery.agreed, counted)
    used = rows if used is rows else table.write(used, files.new_file())
    facts = FileFacts(
        rows=int(rows.select(pl.len()).collect().item()),
        left_out=dict(counted.counts),
        erased=tuple(sorted(erased.values())),
        columns=dict(table.columns),
        notes=tuple(files.notes[noted:]),
    )
    tally.merge(counted)
    if kept and key:
        kept.keep(key, used, withheld, facts)
    return FileRows(used, users.filter(~pl.col("user_id").is_in(sorted(erased))), facts)


def _settings(source: SourceSpec, delivery: Delivery) -> str:
    """What the rows of a file hang on beside itself."""
    said = source.model_dump_json(exclude={"files", "database", "wording", "first_day", "last_day", "returns"})
    erased = delivery.forgotten.digest if delivery.forgotten else ""
    return "\x1f".join((said, delivery.zone, erased, str(delivery.agreed is not None)))


def _without_withheld(
    source: SourceSpec, rows: pl.LazyFrame, erased: list[str], agreed: pl.DataFrame | None, counted: Tally
) -> tuple[pl.LazyFrame, pl.DataFrame | None]:
    """The rows without those of users who were erased or did not consent, and who the latter are."""
    user, used, withheld = pl.col("user_id"), rows, None
    if erased:
        gone = user.is_in(erased).fill_null(False)
        counted.add({f"{source.name}: {FORGOTTEN}": int(rows.select(gone.sum()).collect().item())})
        used = used.filter(~gone)
    if agreed is not None:
        others = used.filter(user.is_not_null()).join(agreed.lazy(), on="user_id", how="anti", maintain_order="left")
        refused = Check(pl.lit(True), NO_CONSENT, source.user_id, user, is_fault=False)
        counted.sift(others, source.name, [*_checks(source, others), refused])
        withheld = others.select("user_id").unique().collect(engine="streaming")
        if withheld.height:
            used = used.join(withheld.lazy(), on="user_id", how="anti", maintain_order="left")
    return used, withheld


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
        SHAPE,
        *_row_keys(source, table),
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


def _row_keys(source: SourceSpec, table: SourceTable) -> list[pl.Expr]:
    """What rows share that are one and the same; null for a row that is like no other."""
    if source.row_key is None:
        return [pl.col(name) for name in table.schema if name.startswith(ROW)]
    key = [col.known(same_in_all(column, table.schema[column])) for column in source.row_key]
    key = [pl.when(each != "").then(each) for each in key]
    return [(pl.concat_str(key, separator="\x1f") if key else pl.lit(None, pl.String)).alias(ROW)]


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


_MEANT = ["user_id", "time", "text", "group", "value"]
"""What is compared as it is meant, however it is written; whatever else a row has is compared by ``ROW``."""
_COVERED = "covered"


def _marked(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows with a mark on those that come again with more columns, which tell more: a delivery gets a new column."""
    wide = [name for name in rows.collect_schema() if name.startswith(ROW) and name != ROW]
    more = [
        rows.filter(pl.col(name).is_not_null())
        .select(*_MEANT, pl.col(name).alias(ROW), pl.lit(name.removeprefix(ROW)).alias(SHAPE))
        .unique()
        for name in wide
    ]
    if not more:
        return rows.with_columns(pl.lit(None, pl.Boolean).alias(_COVERED))
    covered = pl.concat(more).with_columns(pl.lit(True).alias(_COVERED))
    return rows.join(covered, on=[*_MEANT, ROW, SHAPE], how="left", nulls_equal=True, maintain_order="left")


def _repeated(source: SourceSpec) -> Check:
    """Rows that come again. With a key the last one counts, and else they are equal, so that it does not matter."""
    if source.row_key is None:
        again = ~pl.struct(ROW, SHAPE, *_MEANT).is_first_distinct() | pl.col(_COVERED).is_not_null()
    else:
        again = pl.col(ROW).is_not_null() & ~pl.col(ROW).is_last_distinct()
    remedy = "where each is an event of its own, name the columns that tell rows apart in row_key"
    return Check(again, "repeated row", source.user_id, pl.col("user_id"), remedy, is_fault=False)

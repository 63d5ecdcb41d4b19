"""Leaving out users who were erased: while tables are prepared, and from folders that are prepared already."""

import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from encoders.checksums import CHECKSUMS, damaged_files, write_checksums
from encoders.contacts import KINDS, ContactFormat
from encoders.errors import DataError
from encoders.forgotten import Forgotten
from encoders.history.events import DatasetCard
from encoders.sources.write import About, Tables, version_of_tables
from encoders.workspace import atomic_file, plain_faults

REASON = "forgotten"
_USER = "user_id"


def without_forgotten(tables: Tables, about: About, forgotten: Forgotten | None) -> tuple[Tables, About]:
    """The tables without users who were erased, and the counts of what that left out."""
    if not forgotten:
        return tables, about
    frames = [tables.events, tables.users, *([] if tables.contacts is None else [tables.contacts])]
    ids = pl.concat([frame.select(pl.col(_USER).cast(pl.String)) for frame in frames]).unique()
    gone = sorted(forgotten.among(ids.collect(engine="streaming")[_USER].drop_nulls()))
    if not gone:
        return tables, about
    left_out = tables.events.filter(pl.col(_USER).is_in(gone)).group_by("source").len().sort("source").collect()
    counts = {f"{source}: {REASON}": rows for source, rows in left_out.iter_rows()}
    counts["users: " + REASON] = int(tables.users.filter(pl.col(_USER).is_in(gone)).select(pl.len()).collect().item())
    counts = {reason: rows for reason, rows in counts.items() if rows}
    rest = replace(
        tables,
        events=_without(tables.events, gone),
        users=_without(tables.users, gone),
        contacts=None if tables.contacts is None else _without(tables.contacts, gone),
        side_tables={name: _without(table, gone) for name, table in tables.side_tables.items()},
    )
    return rest, replace(about, rejected=dict(sorted({**about.rejected, **counts}.items())))


def without_contacts_of(barred: pl.DataFrame, contacts: pl.DataFrame, form: ContactFormat) -> pl.DataFrame:
    """Contacts without those that are also contacts of somebody who must not be reached, however they are written.

    Args:
        barred: contact columns of people who must not be reached.
        contacts: user_id and contact columns.
        form: how both are written.
    """
    for kind in KINDS:
        if kind not in contacts.columns or not barred.height:
            continue
        rough = _rough(kind)
        near = contacts.join(barred.select(rough.alias("rough")).unique(), left_on=rough, right_on="rough", how="semi")
        never = {form.same(kind, each) for each in barred[kind].drop_nulls()} if near.height else set()
        hit = [each for each in near[kind].drop_nulls().unique() if form.same(kind, each) in never - {None}]
        contacts = contacts.with_columns(pl.when(~pl.col(kind).is_in(hit)).then(pl.col(kind)).alias(kind))
    return contacts


def prepared_folders(data: Path) -> Iterator[Path]:
    """Every prepared data folder at or below ``data``, whatever its version."""
    for card in sorted(data.resolve().rglob("dataset.json")):
        yield card.parent


def erase_from_folder(folder: Path, users: Collection[str]) -> int:
    """Write a prepared folder anew without some users; how many rows that left out, 0 where nothing was written.

    Each table is replaced as a whole. The checksums go first and come back last, so that a run that is killed leaves a
    folder that can be read, and the next one goes on.

    Raises:
        DataError: a table cannot be read, or is not what was written.
        WorkspaceError: the disk is full or may not be written; what is not written yet is as it was.
    """
    gone = sorted(users)
    if damaged := damaged_files(folder):  # new checksums must not vouch for it
        raise DataError(f"{folder / damaged[0]} is damaged: it is not what was written; run 'audience prepare' again.")
    try:
        tables = [path for path in sorted(folder.glob("*.parquet")) if _USER in pl.read_parquet_schema(path)]
        mine = pl.col(_USER).cast(pl.String).is_in(gone)
        rows = {path.name: int(pl.scan_parquet(path).filter(mine).select(pl.len()).collect().item()) for path in tables}
        if not any(rows.values()) and (folder / CHECKSUMS).is_file():
            return 0
        with plain_faults(folder):
            (folder / CHECKSUMS).unlink(missing_ok=True)
        for path in (path for path in tables if rows[path.name]):
            with atomic_file(path) as part:
                pl.scan_parquet(path).filter(~mine.fill_null(False)).sink_parquet(part)
        _rewrite_version(folder)
        write_checksums(folder)
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DataError(f"{folder} cannot be read ({type(error).__name__}); prepare the data again.") from error
    return sum(rows.values())


def _rewrite_version(folder: Path) -> None:
    """Give the folder the version of what it holds; its card stays the same file, which whoever reads it has locked."""
    path = folder / "dataset.json"
    before = path.read_text("utf-8")
    old = DatasetCard.model_validate_json(before).version
    made = before.replace(f'"{old}"', f'"{version_of_tables(folder)}"').encode()
    with plain_faults(path), path.open("r+b", buffering=0) as file:
        file.write(made)  # as long as before, in one call
        file.truncate()
        os.fsync(file.fileno())


def _without(table: pl.LazyFrame, users: Collection[str]) -> pl.LazyFrame:
    if _USER not in table.collect_schema():
        return table
    return table.filter(~pl.col(_USER).cast(pl.String).is_in(users).fill_null(False))


def _rough(kind: str) -> pl.Expr:
    """What equal contacts surely share; spelling all of them out takes a minute for a million of phone numbers."""
    written = pl.col(kind).str.strip_chars().str.to_lowercase()
    if kind == "email":
        return written.str.replace("googlemail", "gmail").str.replace_all(r"\+[^@]*|[.\s]", "")
    return written.str.replace(r"\.0$", "").str.replace_all(r"[^0-9a-f]", "").str.tail(6)

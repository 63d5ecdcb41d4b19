"""Writes a prepared data folder, completely or not at all.

Every source ends here. A killed or failed preparation leaves the folder that was there before.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import IO, cast

import polars as pl
from filelock import FileLock, Timeout

from encoders.checksums import write_checksums
from encoders.data.events import EVENT_SCHEMA, ITEM_SCHEMA, DatasetCard
from encoders.errors import DataError, WorkspaceError
from encoders.workspace import PRIVATE, Progress, atomic_folder, plain_faults, silent

ITEM_KEY = ["source", "text", "group"]
"""What makes an item: the same words for the same kind of doing are one item."""

_ORDER = ["time", "user_id", "item_id", "action", "value"]


@dataclass(frozen=True)
class Tables:
    """What a source has read, ready to be written.

    ``events`` has user_id, time, source, action, value, text and group; ``users`` has user_id and text attributes;
    a side table with source, text and group has them replaced by the item_id they stand for.
    """

    events: pl.LazyFrame
    users: pl.LazyFrame
    contacts: pl.LazyFrame | None = None
    side_tables: Mapping[str, pl.LazyFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """The part of a ``DatasetCard`` that a source knows before anything is written."""

    name: str
    title: str
    note: str
    unit: str
    unit_plural: str
    main_source: str
    default_as_of: date | None
    """None: the day after the last event of the main source."""
    wordings: dict[str, str]
    rejected: dict[str, int]
    recipe: str = ""
    benchmark_levels: list[str] = field(default_factory=list)
    phone_country: str = ""
    hashed_contacts: list[str] = field(default_factory=list)
    contacts_compared: bool = False
    returns: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)


def write_folder(folder: Path, tables: Tables, about: About, progress: Progress = silent) -> DatasetCard:
    """Write ``tables`` as the prepared data folder ``folder``, replacing what was there in one step.

    Raises:
        DataError: there is no event of the main source, or the default as-of date lies outside them.
        WorkspaceError: the disk is full or read-only, or another preparation is writing the same folder.
    """
    with plain_faults(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0, mode=PRIVATE)
        with lock, atomic_folder(folder) as building:
            card = _write_tables(building, tables, about, progress)
            progress("Checking and storing the prepared data", 0.9)
            (building / "dataset.json").write_text(card.model_dump_json(indent=2), "utf-8")
            write_checksums(building)
    except Timeout:
        raise WorkspaceError(f"Another preparation is writing {folder}; wait until it has finished.") from None
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The source tables cannot be read ({error}).") from error
    progress("Data is ready", 1.0)
    return card


def _write_tables(building: Path, tables: Tables, about: About, progress: Progress) -> DatasetCard:
    progress("Collecting the items", 0.2)
    items = (
        tables.events.select(ITEM_KEY).unique().sort(ITEM_KEY).with_row_index("item_id").collect(engine="streaming")
    ).select(pl.col(name).cast(kind) for name, kind in ITEM_SCHEMA.items())
    items.write_parquet(building / "items.parquet")
    progress("Writing the events", 0.4)
    numbered = tables.events.join(items.lazy(), on=ITEM_KEY)
    events = numbered.select(pl.col(name).cast(kind) for name, kind in EVENT_SCHEMA.items()).sort(_ORDER)
    events.sink_parquet(building / "events.parquet")
    progress("Writing the users", 0.7)
    tables.users.sort("user_id").sink_parquet(building / "users.parquet")
    if tables.contacts is not None:
        tables.contacts.sort("user_id").sink_parquet(building / "contacts.parquet")
    for name, table in tables.side_tables.items():
        about_items = set(ITEM_KEY) <= set(table.collect_schema())
        side = items.lazy().join(table, on=ITEM_KEY).drop(ITEM_KEY) if about_items else table
        side.sort(pl.all()).sink_parquet(building / name)
    first, last = _span(building / "events.parquet", about)
    default_as_of = about.default_as_of or last + timedelta(days=1)
    if not first < default_as_of <= last + timedelta(days=1):
        raise DataError(f"default_as_of {default_as_of} is outside the data, which runs from {first} to {last}.")
    return DatasetCard(
        **{**vars(about), "default_as_of": default_as_of}, first=first, last=last, version=version_of_tables(building)
    )


def _span(events: Path, about: About) -> tuple[date, date]:
    """First and last day of the main source: the time in which the population can be seen."""
    times = pl.scan_parquet(events).filter(pl.col("source") == about.main_source).select("time")
    first, last = times.select(pl.col("time").min().alias("first"), pl.col("time").max().alias("last")).collect().row(0)
    if first is None:
        raise DataError(f"No event of the main source '{about.main_source}' is left, so there is nothing to prepare.")
    return first.date(), last.date()


class _Digest(io.RawIOBase):
    """A file that keeps only the hash of what is written to it."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        """Let polars write here."""
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Feed the hash; returns the number of bytes taken."""
        self.hash.update(data)
        return len(data)


def version_of_tables(building: Path) -> str:
    """Digest of the rows themselves, so that neither the file layout nor the hour of writing matters."""
    digest = _Digest()
    for path in sorted(building.glob("*.parquet")):
        digest.write(path.name.encode())
        pl.scan_parquet(path).sink_csv(cast(IO[bytes], digest), maintain_order=True)
    return digest.hash.hexdigest()[:16]

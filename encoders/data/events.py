"""Users, their events, and the wall between past and future.

The as-of date is enforced here and nowhere else: the only ways to an event are ``Dataset.before(as_of)``, which
ends where the as-of date begins, and ``Dataset.outcome(as_of, days)``, which is for measuring afterwards.

A prepared data folder holds

    events.parquet    user_id, time, source, action, item_id, value        one row per thing a user did
    items.parquet     item_id, source, text, group                         what it was done with, in words
    users.parquet     user_id and one text column per attribute, null where unknown
    contacts.parquet  user_id and contact columns; read by exports and erasure alone; only where there are any;
                      and ``withheld`` where some were taken away (see ``encoders.data.contacts.WITHHELD``)
    dataset.json      DatasetCard
    checksums.json    SHA-256 of each of them

and may hold topics.parquet, campaigns.parquet and campaign_items.parquet, which only the benchmark reads (see
``benchmarks.forecasts.demands`` and ``benchmarks.forecasts.tasks.campaigns``).
"""

import os
import weakref
from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from encoders.checksums import CHECKSUMS, adopt, has_checksums, sha256_of
from encoders.data.contacts import NO_CONSENT, NO_USER, WITHHELD
from encoders.data.versions import damaged_data, hold
from encoders.errors import DataError
from encoders.workspace import Workspace

ACTIVE_DAYS = 91
"""Users with an event of the main source in so many days before the as-of date are the population."""

HORIZON_DAYS = 28
"""How far ahead a demand looks unless its sentence says otherwise."""

EVENT_SCHEMA = pl.Schema(
    {
        "user_id": pl.String(),
        "time": pl.Datetime("us"),
        "source": pl.String(),
        "action": pl.String(),
        "item_id": pl.UInt32(),
        "value": pl.Float64(),
    }
)
ITEM_SCHEMA = pl.Schema({"item_id": pl.UInt32(), "source": pl.String(), "text": pl.String(), "group": pl.String()})


_CONTACTS = "contacts.parquet"


class DatasetCard(BaseModel):
    """What a data folder says about itself."""

    model_config = ConfigDict(extra="forbid")

    name: str
    title: str
    note: str
    unit: str
    unit_plural: str
    main_source: str
    default_as_of: date
    first: date
    last: date
    version: str
    """Digest of the prepared tables: equal data has an equal version."""
    wordings: dict[str, str] = {}
    """Per source, how a sentence says what the user does: "buy {items}"."""
    rejected: dict[str, int] = {}
    """Rows left out while preparing, by reason."""
    recipe: str = ""
    """Digest of what built-in data was made from and by; empty for one's own tables."""
    benchmark_levels: list[str] = []
    """Levels of topics.parquet that the benchmark makes a demand of each topic of; empty for all of them."""
    phone_country: str = ""
    """Two-letter country of phone numbers without a country code; empty: those are no contacts."""
    hashed_contacts: list[str] = []
    """Contacts that came as SHA-256 already."""
    contacts_compared: bool = False
    """Contacts of people without consent were taken from everybody; 0.1 did not, and kept none of theirs."""
    returns: dict[str, str] = {}
    """Per source, the source that its returns are events of: their values are below zero, and they are no purchases."""
    columns: dict[str, dict[str, str]] = {}
    """Per table, every column of its last file, read or not, and whether it holds numbers, texts or times."""


@dataclass(frozen=True)
class Window:
    """One training or calibration example of the calendar: a past, and what came right after it."""

    past: "Past"
    future: pl.DataFrame


@dataclass(frozen=True)
class Past:
    """Everything that had happened before ``as_of``; later events cannot be reached from here."""

    dataset: "Dataset"
    as_of: date

    def events(self, days: int | None = None) -> pl.LazyFrame:
        """Events before the as-of date, at most ``days`` old, as a lazy frame of ``EVENT_SCHEMA``."""
        start = None if days is None else self.as_of - timedelta(days=days)
        return self.dataset._between(start, self.as_of)

    @cached_property
    def population(self) -> list[str]:
        """Ids of the users active in the last ``ACTIVE_DAYS`` days, sorted."""
        active = self.events(ACTIVE_DAYS).filter(pl.col("source") == self.dataset.card.main_source)
        return active.select("user_id").unique().sort("user_id").collect()["user_id"].to_list()

    @property
    def is_sample(self) -> bool:
        """Whether this is of some users alone."""
        return self.dataset.is_sample

    def sample(self, most: int, days: int) -> "Past":
        """The same of at most ``most`` users, drawn once from those active in the main source in the last ``days``.

        Everybody where there are no more.
        """
        main = pl.col("source") == self.dataset.card.main_source
        active = self.events(days).filter(main).select(pl.col("user_id").unique().sort()).collect(engine="streaming")
        if len(active) <= most:
            return self
        chosen = np.random.default_rng(0).choice(len(active), most, replace=False)
        return Past(self.dataset.of_users(active["user_id"].gather(np.sort(chosen)).to_list()), self.as_of)

    def windows(self, days: int = HORIZON_DAYS, count: int = 6, step: int = 28, margin: int = 28) -> Iterator[Window]:
        """Earlier windows whose future of ``days`` had ended by the as-of date, latest first.

        A window is left out when fewer than ``margin`` days of history lie before it.
        """
        for number in range(count):
            start = self.as_of - timedelta(days=days + number * step)
            if start < self.dataset.card.first + timedelta(days=margin):
                return
            future = self.dataset._between(start, start + timedelta(days=days)).collect()
            yield Window(Past(self.dataset, start), future)


class Dataset:
    """A prepared data folder, read lazily; it stays as it is for as long as this object is there."""

    def __init__(self, folder: Path) -> None:
        """Open ``folder``.

        Raises:
            DataError: the folder is missing or its card cannot be read.
        """
        self.folder = Path(folder)
        self._checked: set[str] = set()
        self._events: pl.LazyFrame | None = None
        self._whole: Dataset | None = None
        try:
            weakref.finalize(self, os.close, hold(self.folder))
            self._check("dataset.json")
            self.card = DatasetCard.model_validate_json((self.folder / "dataset.json").read_text("utf-8"))
        except FileNotFoundError:
            raise DataError(f"No prepared data in {self.folder}; run 'audience demo' or 'audience prepare'.") from None
        except (ValidationError, OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{self.folder / 'dataset.json'} cannot be read ({type(error).__name__}); prepare the data again."
            ) from error

    @classmethod
    def current(cls, workspace: Workspace) -> "Dataset":
        """The data of a workspace that was prepared last.

        Raises:
            DataError: there is none, or its card cannot be read.
        """
        folder = workspace.data
        while True:
            try:
                found = cls(folder)
            except DataError:
                before, folder = folder, workspace.data
                if folder == before:
                    raise
                continue  # other data was prepared in between
            adopt(folder)
            return found

    @cached_property
    def items(self) -> pl.DataFrame:
        """The item vocabulary, sorted by item_id; item_id equals the row number."""
        return self._read("items.parquet")

    @cached_property
    def sources(self) -> list[str]:
        """Names of the sources that items belong to, the main one first."""
        main = self.card.main_source
        return [main, *sorted(set(self.items["source"]) - {main})]

    @cached_property
    def groups(self) -> pl.DataFrame:
        """The groups of items, one row each: source, group; an item without a group is its own."""
        return self._grouped.select("source", "group").unique().sort("source", "group")

    @cached_property
    def group_of(self) -> npt.NDArray[np.int64]:
        """Row of ``groups`` per item, [V]."""
        numbered = self.groups.with_row_index("group_id")
        joined = self._grouped.join(numbered, on=["source", "group"], maintain_order="left")
        return np.array(joined["group_id"], np.int64)

    def with_returns(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Some items, and those that returns of them are events of: their values add up to what was kept."""
        returned = self._returned[items]
        return np.concatenate([items, returned[returned >= 0]])

    @cached_property
    def _returned(self) -> npt.NDArray[np.int64]:
        """[V], the item that the returns of an item are events of; -1 where it has none."""
        back = {returns: source for source, returns in self.card.returns.items()}
        of = self.items.filter(pl.col("source").is_in(list(back))).with_columns(pl.col("source").replace(back))
        key = ["source", "text", "group"]
        joined = self.items.join(of, on=key, how="left", nulls_equal=True, maintain_order="left")
        return np.array(joined["item_id_right"].cast(pl.Int64).fill_null(-1), np.int64)

    @property
    def _grouped(self) -> pl.DataFrame:
        return self.items.with_columns(group=pl.coalesce("group", "text"))

    @cached_property
    def users(self) -> pl.DataFrame:
        """Users and their attributes, sorted by user_id."""
        return self._read("users.parquet")

    @property
    def attributes(self) -> list[str]:
        """Names of the attribute columns."""
        return [name for name in self.users.columns if name != "user_id"]

    @cached_property
    def contacts(self) -> pl.DataFrame | None:
        """Users and their contacts; None where the data was prepared without any."""
        return self._read(_CONTACTS) if self._has(_CONTACTS) else None

    @property
    def contact_columns(self) -> list[str]:
        """Columns of the contacts beside the id; none where there are no contacts."""
        found = self._scan(_CONTACTS).collect_schema().names() if self._has(_CONTACTS) else []
        return [name for name in found if name != "user_id"]

    @property
    def contacts_compared(self) -> bool:
        """Whether nobody's contact here is also that of somebody without consent, as far as preparing can tell."""
        barred = any(self.card.rejected.get(f"users: {reason}") for reason in (NO_CONSENT, NO_USER))
        return self.card.contacts_compared or not barred or WITHHELD in self.contact_columns

    def user_ids(self) -> set[str]:
        """Everybody in the data: who has attributes, and who has any event.

        Raises:
            DataError: a table cannot be read.
        """
        seen = self._scan("events.parquet").select(pl.col("user_id").cast(pl.String).unique())
        try:
            found = set(seen.collect(engine="streaming")["user_id"].drop_nulls())
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._unreadable("events.parquet", error) from error
        return found | set(self.users["user_id"].cast(pl.String).drop_nulls())

    def reach_digest(self) -> str:
        """Stands for all that the data says about who may be reached; empty where it was written without checksums.

        Raises:
            DataError: the users or contacts are not what was written.
        """
        self._check("users.parquet")
        self._check(_CONTACTS)
        return sha256_of(self.folder / CHECKSUMS) if has_checksums(self.folder) else ""

    def among(self, users: Collection[str]) -> set[str]:
        """Those of some users who are in the data, by their attributes or, where they have none, by any event."""
        found = set(self.users.filter(pl.col("user_id").is_in(sorted(users)))["user_id"])
        if rest := sorted(set(users) - found):
            seen = self._scan("events.parquet").filter(pl.col("user_id").is_in(rest)).select("user_id").unique()
            try:
                found |= set(seen.collect()["user_id"])
            except (OSError, pl.exceptions.PolarsError) as error:
                raise self._unreadable("events.parquet", error) from error
        return found

    @property
    def is_sample(self) -> bool:
        """Whether only the events of some users are there."""
        return self._events is not None

    @property
    def is_unchanged(self) -> bool:
        """Whether the folder still holds what was opened: erasing users gives it another version."""
        try:
            card = DatasetCard.model_validate_json((self.folder / "dataset.json").read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return card.version == self.card.version

    def before(self, as_of: date) -> Past:
        """The past as it was known on the morning of ``as_of``.

        Raises:
            DataError: no event lies before the date, or it is later than the day after the last event.
        """
        if not self.card.first < as_of <= self.card.last + timedelta(days=1):
            raise DataError(
                f"The as-of date {as_of} is outside the data, which runs from {self.card.first} to {self.card.last}; "
                f"choose a date after {self.card.first} and at most {self.card.last + timedelta(days=1)}."
            )
        return Past(self, as_of)

    def of_users(self, users: Collection[str]) -> "Dataset":
        """The same data with the events of some users alone, which are kept in memory."""
        few = copy(self)
        few._whole = self  # which has the folder
        mine = self._scan("events.parquet").filter(pl.col("user_id").is_in(sorted(users)))
        few._events = mine.collect(engine="streaming").lazy()
        return few

    def outcome(self, as_of: date, days: int = HORIZON_DAYS) -> pl.DataFrame:
        """What users did in the ``days`` from ``as_of`` on: for measuring what then happened, never for scoring."""
        end = as_of + timedelta(days=days)
        if end > self.card.last + timedelta(days=1):
            raise DataError(f"The {days} days from {as_of} are not over in this data, which ends on {self.card.last}.")
        return self._between(as_of, end).collect()

    def _between(self, start: date | None, end: date) -> pl.LazyFrame:
        condition = pl.col("time") < datetime.combine(end, datetime.min.time())
        if start is not None:
            condition &= pl.col("time") >= datetime.combine(start, datetime.min.time())
        events = self._scan("events.parquet") if self._events is None else self._events
        return events.filter(condition)

    def _check(self, name: str) -> None:
        """Compare a file with its checksum, once.

        Raises:
            DataError: it is not what was written.
        """
        if name not in self._checked and (damaged := damaged_data(self.folder, name)):
            raise DataError(
                f"{self.folder / damaged[0]} is damaged: it is not what was written; run 'audience prepare' (or "
                "'audience demo') again, which keeps everything else."
            )
        self._checked.add(name)

    def _has(self, name: str) -> bool:
        """Whether the data has a table; one that was written and is gone counts as damaged."""
        self._check(name)
        return (self.folder / name).exists()

    def _unreadable(self, name: str, error: Exception) -> DataError:
        return DataError(f"{self.folder / name} cannot be read ({error}); prepare the data again.")

    def _scan(self, name: str) -> pl.LazyFrame:
        self._check(name)
        try:
            table = pl.scan_parquet(self.folder / name)
            table.collect_schema()  # reads the footer, so that a broken file is found here
            return table
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._unreadable(name, error) from error

    def _read(self, name: str) -> pl.DataFrame:
        self._check(name)
        try:
            return pl.read_parquet(self.folder / name)
        except (OSError, pl.exceptions.PolarsError) as error:
            raise self._unreadable(name, error) from error

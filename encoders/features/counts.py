"""What each user did before the as-of date, as sparse counts and overall activity."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from encoders.data.events import Past
from encoders.errors import DataError
from encoders.features.sparse import Family, with_values

Matrix = npt.NDArray[np.float32]

_WINDOWS = (14, 28, 91, 366)
_HALF_LIVES = (7, 30, 90)
_NEVER = 366.0
"""Days since the last event, and days of history, of a user without an event of the main source."""

ACTIVITY = (
    *(f"days active in {days}" for days in _WINDOWS),
    *(f"things done, half-life {days}" for days in _HALF_LIVES),
    "things done",
    "groups touched",
    "value",
    "months since the last event",
    "months since the first event",
)


def read_activity(days: pl.DataFrame, users: int) -> Matrix:
    """What each of N users did in the main source, all items together.

    Args:
        days: row, age, item_id, group_id and value per user (a row number), item and day, sorted by row and age;
            only the main source.
        users: N.

    Returns:
        [N, len(ACTIVITY)]: counts and value as logarithms, ages in months of 30 days.
    """
    age = pl.col("age")
    features = days.group_by("row", maintain_order=True).agg(
        *(age.filter(age <= window).n_unique().log1p().alias(f"days{window}") for window in _WINDOWS),
        *((2.0 ** (-age / half)).sum().log1p().alias(f"things{half}") for half in _HALF_LIVES),
        pl.len().log1p().alias("things"),
        pl.col("group_id").n_unique().log1p().alias("groups"),
        pl.col("value").sum().clip(0).log1p().alias("value"),
        (age.min() / 30).alias("last"),
        (age.max() / 30).alias("first"),
    )
    table = np.zeros((users, len(ACTIVITY)), np.float32)
    table[:, ACTIVITY.index("months since the last event")] = _NEVER / 30
    table[features["row"].to_numpy()] = features.drop("row").to_numpy()
    return table


HALF_LIVES: tuple[float | None, ...] = (7.0, 30.0, 90.0, None)
"""Of the counts of items, in days; None never forgets."""

GROUP_HALF_LIVES: tuple[float | None, ...] = (14.0, 90.0, None)
"""Of the counts of days with a group."""

_LAST_HALF_LIFE = 30.0

SLOTS = (7, 28, 56, 91, 182)
"""Ends of the time slots of a history, in days before the user's own last event; what is older is the last slot."""


@dataclass(frozen=True)
class UserFeatures:
    """Counts of N users over V items in G groups as of one date."""

    past: Past
    user_ids: list[str]
    counts: tuple[sp.csr_matrix, ...]
    """One [N, V] matrix per half-life, all with the same sparsity."""
    value: sp.csr_matrix
    """[N, V]: log of one plus the value of all events with the item; the same sparsity."""
    age: sp.csr_matrix
    """[N, V]: days since the last event with the item, 1 for yesterday; the same sparsity."""
    group_days: tuple[sp.csr_matrix, ...]
    """One [N, G] matrix per group half-life: days with anything of the group, all with the same sparsity."""
    group_last: sp.csr_matrix
    """[N, G]: one where the group was touched today, half of it after 30 days; the same sparsity."""
    slots: tuple[sp.csr_matrix, ...]
    """One [N * (len(SLOTS) + 1), V] matrix per source, the main one first: log counts of each time slot of each user,
    latest first."""
    activity: Matrix
    """[N, len(ACTIVITY)]"""
    regularity: tuple[Matrix, ...]
    """One [N, FEATURES] matrix per source, the main one first, see ``read_regularity``; none where nobody asked."""
    totals: pl.DataFrame | None
    """``source_totals``; None where nobody asked."""
    in_population: npt.NDArray[np.bool_]
    """[N]: active in the main source shortly before the as-of date."""

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Row number by user id."""
        return {user: row for row, user in enumerate(self.user_ids)}

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """[V]: whether anybody had done it; an item that comes up later is not known of yet."""
        return np.asarray(self.counts[-1].getnnz(axis=0) > 0)

    @cached_property
    def seen_groups(self) -> npt.NDArray[np.bool_]:
        """[G]: whether anybody had done anything of the group."""
        return np.asarray(self.group_last.getnnz(axis=0) > 0)

    @cached_property
    def logged(self) -> sp.csr_matrix:
        """Logarithm of one plus the never-forgetting count, [N, V]."""
        return log_counts(self.counts[-1])

    def done_within(self, days: int | None) -> sp.csr_matrix:
        """Which user did something with which item in the last ``days`` (None: ever): [N, V], ones."""
        recent = self.age.data <= (np.inf if days is None else days)
        ends = np.append(0, np.cumsum(recent))[self.age.indptr].astype(self.age.indptr.dtype)
        ones = np.ones(int(ends[-1]), np.float32)
        return sp.csr_matrix((ones, self.age.indices[recent], ends), shape=self.age.shape)

    def reach(self) -> npt.NDArray[np.int64]:
        """Users of the population per item, [V]."""
        return np.asarray(self.counts[-1][self.in_population].getnnz(axis=0), np.int64)


def log_counts(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Logarithm of one plus each count; zeros stay zeros."""
    logged = counts.copy()
    logged.data = np.log1p(logged.data)
    return logged


class CountedEvents(NamedTuple):
    """What can be counted of some users without looking at any other; see ``UserFeatures`` for what it means."""

    items: Family
    """One [N, V] matrix per half-life, then the value, then the days since the last event."""
    groups: Family
    """One [N, G] matrix per group half-life, then how lately."""
    slots: Family
    activity: Matrix


def read_user_features(past: Past) -> UserFeatures:
    """Count what every user did before the as-of date.

    Raises:
        DataError: nobody was active in the weeks before the as-of date.
    """
    population = population_of(past)
    lines = lines_of(past, past.events())
    user_ids = lines["user_id"].unique(maintain_order=True).to_list()
    here = set(population)
    return features_of(past, user_ids, np.array([user in here for user in user_ids]), count_events(past, lines))


def source_totals(past: Past) -> pl.DataFrame:
    """Per source: its actions, its events, the first and the last day, and whether any event has a value."""
    return (
        past.events()
        .group_by("source")
        .agg(
            pl.col("action").unique().sort().alias("actions"),
            pl.len().alias("events"),
            pl.col("time").min().dt.date().alias("first"),
            pl.col("time").max().dt.date().alias("last"),
            (pl.col("value").fill_null(0.0) != 0.0).any().alias("valued"),
        )
        .sort("events", "source", descending=[True, False])
        .collect(engine="streaming")
    )


def population_of(past: Past) -> list[str]:
    """Ids of the users active shortly before the as-of date, sorted.

    Raises:
        DataError: there is nobody.
    """
    if not past.population:
        raise DataError(
            f"Nobody has an event of '{past.dataset.card.main_source}' in the weeks before {past.as_of}; "
            "choose another date."
        )
    return past.population


def features_of(
    past: Past,
    user_ids: list[str],
    in_population: npt.NDArray[np.bool_],
    counted: CountedEvents,
    regularity: tuple[Matrix, ...] = (),
    totals: pl.DataFrame | None = None,
) -> UserFeatures:
    """The features of N users, from what was counted of them."""
    *counts, value, age = counted.items
    *group_days, group_last = counted.groups
    return UserFeatures(
        past=past,
        user_ids=user_ids,
        counts=tuple(counts),
        value=value,
        age=age,
        group_days=tuple(group_days),
        group_last=group_last,
        slots=counted.slots,
        activity=counted.activity,
        regularity=regularity,
        totals=totals,
        in_population=in_population,
    )


def count_events(past: Past, lines: pl.DataFrame) -> CountedEvents:
    """Count the events of the users who have any among ``lines``, in the order in which these come.

    Args:
        past: whose items and groups these are.
        lines: as ``lines_of`` gives them, all that there are of each of the users.
    """
    lines = lines.with_columns(pl.col("user_id").rle_id().alias("row"))
    users = lines["row"].n_unique()
    items, groups = len(past.dataset.items), len(past.dataset.groups)
    of_item = [pl.col("value").sum().clip(0).log1p(), pl.col("age").min()]
    by_item = _matrices(lines, "item_id", [*_decays(HALF_LIVES), *of_item], (users, items))
    days = lines.select("row", "group_id", "age").unique().sort("row", "group_id", "age")
    last = (2.0 ** (-pl.col("age").min() / _LAST_HALF_LIFE)).cast(pl.Float32)
    by_group = _matrices(days, "group_id", [*_decays(GROUP_HALF_LIVES), last], (users, groups))
    since = pl.col("age") - pl.col("age").min().over("row")
    slot = pl.sum_horizontal((since >= end).cast(pl.UInt32) for end in SLOTS)
    slotted = lines.with_columns(row=pl.col("row") * (len(SLOTS) + 1) + slot).sort("row", "item_id")
    shape = (users * (len(SLOTS) + 1), items)
    by_source = (slotted.filter(pl.col("source") == source) for source in past.dataset.sources)
    slots = tuple(_matrices(few, "item_id", [pl.len().log1p()], shape)[0] for few in by_source)
    main = lines.filter(pl.col("source") == past.dataset.card.main_source).sort("row", "age", "item_id")
    return CountedEvents(by_item, by_group, slots, read_activity(main, users))


def lines_of(past: Past, events: pl.LazyFrame) -> pl.DataFrame:
    """One row per user, item and day, in a fixed order: the last bit of a sum depends on the order of its terms."""
    today = datetime.combine(past.as_of, datetime.min.time())
    age = (pl.lit(today) - pl.col("time").dt.truncate("1d")).dt.total_days().cast(pl.Float32).alias("age")
    groups = pl.LazyFrame({"item_id": past.dataset.items["item_id"], "group_id": past.dataset.group_of})
    return (
        events.group_by("user_id", "source", "item_id", age, maintain_order=True)
        .agg(pl.col("value").sum())
        .join(groups, on="item_id", maintain_order="left")
        .sort("user_id", "item_id", "age")
        .collect()
    )


def _decays(half_lives: tuple[float | None, ...]) -> list[pl.Expr]:
    return [pl.len() if half is None else (2.0 ** (-pl.col("age") / half)).sum() for half in half_lives]


def _matrices(table: pl.DataFrame, key: str, cells: list[pl.Expr], shape: tuple[int, int]) -> Family:
    """One matrix per expression over the rows of each (row, ``key``); all with the same sparsity."""
    named = [cell.cast(pl.Float32).alias(f"cell{number}") for number, cell in enumerate(cells)]
    found = table.group_by("row", key, maintain_order=True).agg(named)
    rows, columns = found["row"].to_numpy(), found[key].to_numpy()
    places = sp.csr_matrix((np.arange(len(found)), (rows, columns)), shape=shape)
    cells_of = (found[f"cell{k}"].to_numpy()[places.data] for k in range(len(cells)))
    return tuple(with_values(places, cell) for cell in cells_of)


def done_in(future: pl.DataFrame, user_ids: list[str], items: int) -> sp.csr_matrix:
    """Which user did something with which item in a future frame: [N, V], ones and zeros."""
    rows = {user: row for row, user in enumerate(user_ids)}
    pairs = future.select("user_id", "item_id").unique().filter(pl.col("user_id").is_in(user_ids))
    row = (
        pairs["user_id"].replace_strict(rows, return_dtype=pl.Int64).to_numpy() if len(pairs) else np.zeros(0, np.int64)
    )
    ones = np.ones(len(pairs), np.float32)
    return sp.csr_matrix((ones, (row, pairs["item_id"].to_numpy())), shape=(len(user_ids), items))


def did_any(done: sp.csr_matrix, items: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which users of ``done`` [N, V] did something with any of ``items``, [N]."""
    return np.asarray(np.asarray(done[:, items].sum(axis=1)).ravel() > 0)


def level(doers: npt.NDArray[np.bool_]) -> float:
    """Share of [N] users who did it, pulled slightly off zero."""
    return float((doers.sum() + 0.5) / (len(doers) + 1))

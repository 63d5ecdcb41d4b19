"""What each user did before the as-of date, as sparse counts, ready for both towers.

A count decays with age: an event ``age`` days old weighs 2^(-age / half-life). Several half-lives side by side let
the model tell a habit from a whim. Repeats of one item on one day count once, so that a bulk purchase is one event.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from encoders.errors import DataError
from encoders.history.activity import read_activity
from encoders.history.events import Past

Matrix = npt.NDArray[np.float32]

HALF_LIVES: tuple[float | None, ...] = (7.0, 30.0, 90.0, None)
"""Of the counts of items, in days; None never forgets."""

GROUP_HALF_LIVES: tuple[float | None, ...] = (14.0, 90.0, None)
"""Of the counts of days with a group."""

_LAST_HALF_LIFE = 30.0

SLOTS = (7, 28, 56, 91, 182)
"""Ends of the time slots of a history, in days before the user's own last event; what is older is the last slot."""


@dataclass(frozen=True)
class Histories:
    """Counts of N users over V items in G groups as of one date."""

    past: Past
    user_ids: list[str]
    counts: tuple[sp.csr_matrix, ...]
    """One [N, V] matrix per half-life, all with the same sparsity."""
    value: sp.csr_matrix
    """[N, V]: log of one plus the value of all events with the item; the same sparsity."""
    group_days: tuple[sp.csr_matrix, ...]
    """One [N, G] matrix per group half-life: days with anything of the group, all with the same sparsity."""
    group_last: sp.csr_matrix
    """[N, G]: one where the group was touched today, half of it after 30 days; the same sparsity."""
    slots: sp.csr_matrix
    """[N * (len(SLOTS) + 1), V]: log counts of each time slot of each user, latest first."""
    activity: Matrix
    """[N, len(ACTIVITY)]"""
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

    def reach(self) -> npt.NDArray[np.int64]:
        """Users of the population per item, [V]."""
        return np.asarray(self.counts[-1][self.in_population].getnnz(axis=0), np.int64)


def log_counts(counts: sp.csr_matrix) -> sp.csr_matrix:
    """Logarithm of one plus each count; zeros stay zeros."""
    logged = counts.copy()
    logged.data = np.log1p(logged.data)
    return logged


def read_histories(past: Past) -> Histories:
    """Count what every user did before the as-of date.

    Raises:
        DataError: nobody was active in the weeks before the as-of date.
    """
    population = set(past.population)
    if not population:
        raise DataError(
            f"Nobody has an event of '{past.dataset.card.main_source}' in the weeks before {past.as_of}; "
            "choose another date."
        )
    lines = _lines(past)
    user_ids = lines["user_id"].unique(maintain_order=True).to_list()
    users, items, groups = len(user_ids), len(past.dataset.items), len(past.dataset.groups)
    lines = lines.with_columns(pl.col("user_id").rle_id().alias("row"))
    value = pl.col("value").sum().clip(0).log1p()
    *counts, spent = _matrices(lines, "item_id", [*_decays(HALF_LIVES), value], (users, items))
    days = lines.select("row", "group_id", "age").unique().sort("row", "group_id", "age")
    last = (2.0 ** (-pl.col("age").min() / _LAST_HALF_LIFE)).cast(pl.Float32)
    *group_days, group_last = _matrices(days, "group_id", [*_decays(GROUP_HALF_LIVES), last], (users, groups))
    since = pl.col("age") - pl.col("age").min().over("row")
    slot = pl.sum_horizontal((since >= end).cast(pl.UInt32) for end in SLOTS)
    slotted = lines.with_columns(row=pl.col("row") * (len(SLOTS) + 1) + slot).sort("row", "item_id")
    (slots,) = _matrices(slotted, "item_id", [pl.len().log1p()], (users * (len(SLOTS) + 1), items))
    main = lines.filter(pl.col("source") == past.dataset.card.main_source).sort("row", "age", "item_id")
    return Histories(
        past=past,
        user_ids=user_ids,
        counts=tuple(counts),
        value=spent,
        group_days=tuple(group_days),
        group_last=group_last,
        slots=slots,
        activity=read_activity(main, users),
        in_population=np.array([user in population for user in user_ids]),
    )


def _lines(past: Past) -> pl.DataFrame:
    """One row per user, item and day, in a fixed order: the last bit of a sum depends on the order of its terms."""
    today = datetime.combine(past.as_of, datetime.min.time())
    age = (pl.lit(today) - pl.col("time").dt.truncate("1d")).dt.total_days().cast(pl.Float32).alias("age")
    groups = pl.LazyFrame({"item_id": past.dataset.items["item_id"], "group_id": past.dataset.group_of})
    return (
        past.events()
        .group_by("user_id", "source", "item_id", age, maintain_order=True)
        .agg(pl.col("value").sum())
        .join(groups, on="item_id", maintain_order="left")
        .sort("user_id", "item_id", "age")
        .collect()
    )


def _decays(half_lives: tuple[float | None, ...]) -> list[pl.Expr]:
    return [pl.len() if half is None else (2.0 ** (-pl.col("age") / half)).sum() for half in half_lives]


def _matrices(table: pl.DataFrame, key: str, cells: list[pl.Expr], shape: tuple[int, int]) -> list[sp.csr_matrix]:
    """One matrix per expression over the rows of each (row, ``key``); all with the same sparsity."""
    named = [cell.cast(pl.Float32).alias(f"cell{number}") for number, cell in enumerate(cells)]
    found = table.group_by("row", key, maintain_order=True).agg(named)
    rows, columns = found["row"].to_numpy(), found[key].to_numpy()
    return [sp.csr_matrix((found[f"cell{k}"].to_numpy(), (rows, columns)), shape=shape) for k in range(len(cells))]


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

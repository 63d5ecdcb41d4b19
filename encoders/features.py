"""What each user did before the as-of date, as sparse counts, and what goes together in it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from encoders.data.events import Past
from encoders.errors import DataError

# --- What goes together: how events with some things speak for others that a user has not touched yet


MOST_THINGS = 4096
"""So many things take part, the most common ones; the others keep no neighbours."""
_RANK = 16


@dataclass(frozen=True)
class Structure:
    """Weights between V things, for the K of them that take part."""

    kept: Tensor
    """[K]: which of the V things."""
    weights: Tensor
    """[K, K], zero on the diagonal: row i says what having done thing i adds to every other thing."""

    def spread(self, attention: Tensor) -> Tensor:
        """What having done each of V things adds to demands that attend to some of them, [B, V] -> [B, V]."""
        return torch.zeros_like(attention).index_copy(1, self.kept, attention[:, self.kept] @ self.weights.T)


@dataclass(frozen=True)
class Factors:
    """The main directions of what users do."""

    users: Tensor
    """[N, R]"""
    things: Tensor
    """[V, R]"""

    def match(self, rows: npt.NDArray[np.int64] | None, attention: Tensor) -> Tensor:
        """How much demands lie in the directions of users: attention [B, V] -> [N, B]."""
        users = self.users if rows is None else self.users[torch.from_numpy(rows)]
        return users @ (attention @ self.things).T


def ease(logged: sp.csr_matrix, population: npt.NDArray[np.bool_], penalty: float) -> Structure:
    """EASE: weights that predict one thing from the others (Steck 2019, arXiv 1905.03375).

    Args:
        logged: [N, V] log counts.
        population: [N]; things that only one of them did are left out.
        penalty: ridge penalty, in squared log counts.
    """
    reach = np.asarray(logged[population].getnnz(axis=0))
    kept = np.sort(np.argsort(-reach, kind="stable")[:MOST_THINGS])
    kept = kept[reach[kept] > 1]
    columns = logged[:, kept].astype(np.float64)  # a sum over a million users needs the digits
    gram = torch.from_numpy((columns.T @ columns).toarray().astype(np.float32))
    gram.diagonal().add_(penalty)
    inverse = torch.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0.0)
    return Structure(torch.from_numpy(kept), weights)


def factors(logged: sp.csr_matrix) -> Factors:
    """A truncated singular value decomposition of log counts [N, V]."""
    rank = min(_RANK, *logged.shape)
    left, sizes, right = randomized_svd(logged, rank, random_state=0)
    return Factors(torch.from_numpy(left * sizes), torch.from_numpy(np.ascontiguousarray(right.T)))


# --- What each user did before the as-of date, as sparse counts and overall activity --------------


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


def read_user_features(past: Past) -> UserFeatures:
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
    return UserFeatures(
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


Rows = npt.NDArray[np.int64]
Family = tuple[sp.csr_matrix, ...]
"""Matrices with the same sparsity."""


@dataclass(frozen=True)
class Counted:
    """Counts of N users over V items in G groups; see ``UserFeatures`` for what they mean."""

    rows: Rows | None
    """[N]: which users of the histories; None for all."""
    counts: Family
    logged: sp.csr_matrix
    kinds: sp.csr_matrix
    """[N, V]: one where the user did anything with the item."""
    value: sp.csr_matrix
    group_days: Family
    group_last: sp.csr_matrix
    group_logged: Family
    """[N, G] twice: logs of one plus the days with a group, ever and lately."""


def count_all(histories: UserFeatures) -> Counted:
    """The forms of all users."""
    return _forms(None, (*histories.counts, histories.value), (*histories.group_days, histories.group_last))


def count_some(everything: Counted, rows: Rows) -> Counted:
    """The forms of some users, in the order of ``rows``."""
    items = take_rows((*everything.counts, everything.value), rows)
    return _forms(rows, items, take_rows((*everything.group_days, everything.group_last), rows))


def take_rows(family: Family, rows: Rows) -> Family:
    """Some rows of matrices with the same sparsity; their places are looked up once for all of them."""
    first = family[0]
    numbered = sp.csr_matrix((np.arange(first.nnz), first.indices, first.indptr), shape=first.shape)[rows]
    places, shape = numbered.data, numbered.shape
    return tuple(
        sp.csr_matrix((matrix.data[places], numbered.indices, numbered.indptr), shape=shape) for matrix in family
    )


def _forms(rows: Rows | None, items: Family, groups: Family) -> Counted:
    *counts, value = items
    *days, last = groups
    return Counted(
        rows=rows,
        counts=tuple(counts),
        logged=_with(counts[-1], np.log1p(counts[-1].data)),
        kinds=_with(counts[-1], np.ones_like(counts[-1].data)),
        value=value,
        group_days=tuple(days),
        group_last=last,
        group_logged=tuple(_with(matrix, np.log1p(matrix.data)) for matrix in (days[-1], days[-2])),
    )


def _with(matrix: sp.csr_matrix, data: npt.NDArray[np.float32]) -> sp.csr_matrix:
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)

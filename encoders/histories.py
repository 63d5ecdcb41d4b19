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
from encoders.events import Past

Matrix = npt.NDArray[np.float32]

HALF_LIVES: tuple[float | None, ...] = (7.0, 30.0, 90.0, None)
"""In days; None never forgets."""

ACTIVITY_WINDOWS = (14, 91, 366)
ACTIVITY_FEATURES = len(ACTIVITY_WINDOWS) + 1


@dataclass(frozen=True)
class Histories:
    """Counts of N users over V items as of one date."""

    past: Past
    user_ids: list[str]
    counts: tuple[sp.csr_matrix, ...]
    """One [N, V] matrix per half-life, all with the same sparsity."""
    activity: Matrix
    """[N, ACTIVITY_FEATURES]: log active days in each window, and months since the last event."""
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
    def logged(self) -> sp.csr_matrix:
        """Logarithm of one plus the never-forgetting count, [N, V]."""
        matrix = self.counts[-1].copy()
        matrix.data = np.log1p(matrix.data)
        return matrix

    def reach(self) -> npt.NDArray[np.int64]:
        """Users of the population per item, [V]."""
        return np.asarray(self.counts[-1][self.in_population].getnnz(axis=0), np.int64)


def read_histories(past: Past) -> Histories:
    """Count what every user did before the as-of date.

    Raises:
        DataError: nobody was active in the weeks before the as-of date.
    """
    card, as_of = past.dataset.card, past.as_of
    today = datetime.combine(as_of, datetime.min.time())
    age = (pl.lit(today) - pl.col("time").dt.truncate("1d")).dt.total_days().cast(pl.Float32).alias("age")
    days = past.events().select("user_id", "item_id", age).unique()
    decayed = [
        pl.len().cast(pl.Float32) if half is None else (2.0 ** (-pl.col("age").sort() / half)).sum()
        for half in HALF_LIVES
    ]  # sorted, because the last bit of a sum depends on the order of its terms
    cells = (
        days.group_by("user_id", "item_id")
        .agg(expression.alias(str(number)) for number, expression in enumerate(decayed))
        .sort("user_id", "item_id")
        .collect()
    )
    population = past.population
    if not population:
        raise DataError(
            f"Nobody has an event of '{card.main_source}' in the weeks before {as_of}; choose another date."
        )
    user_ids = cells["user_id"].unique(maintain_order=True).to_list()
    rows = cells["user_id"].rle_id().to_numpy()
    columns = cells["item_id"].to_numpy()
    shape = (len(user_ids), len(past.dataset.items))
    counts = tuple(
        sp.csr_matrix((cells[str(number)].to_numpy().astype(np.float32), (rows, columns)), shape=shape)
        for number in range(len(HALF_LIVES))
    )
    active = set(population)
    return Histories(
        past,
        user_ids,
        counts,
        _activity(past, user_ids),
        np.array([user in active for user in user_ids]),
    )


def _activity(past: Past, user_ids: list[str]) -> Matrix:
    today = datetime.combine(past.as_of, datetime.min.time())
    days = (
        past.events()
        .filter(pl.col("source") == past.dataset.card.main_source)
        .select("user_id", (pl.lit(today) - pl.col("time").dt.truncate("1d")).dt.total_days().alias("age"))
        .unique()
    )
    features = days.group_by("user_id").agg(
        *(
            (pl.col("age") <= window).sum().cast(pl.Float32).log1p().alias(f"days{window}")
            for window in ACTIVITY_WINDOWS
        ),
        (pl.col("age").min().cast(pl.Float32) / 30).alias("recency"),
    )
    table = (
        pl.LazyFrame({"user_id": user_ids}).join(features, on="user_id", how="left", maintain_order="left").collect()
    )
    filled = table.drop("user_id").with_columns(pl.col("recency").fill_null(12.0)).fill_null(0.0)
    return filled.to_numpy().astype(np.float32)


def done_in(future: pl.DataFrame, user_ids: list[str], items: int) -> sp.csr_matrix:
    """Which user did something with which item in a future frame: [N, V], ones and zeros."""
    rows = {user: row for row, user in enumerate(user_ids)}
    pairs = future.select("user_id", "item_id").unique().filter(pl.col("user_id").is_in(user_ids))
    row = (
        pairs["user_id"].replace_strict(rows, return_dtype=pl.Int64).to_numpy() if len(pairs) else np.zeros(0, np.int64)
    )
    ones = np.ones(len(pairs), np.float32)
    return sp.csr_matrix((ones, (row, pairs["item_id"].to_numpy())), shape=(len(user_ids), items))


def level(done: sp.csr_matrix, items: npt.NDArray[np.int64]) -> float:
    """Share of the users of ``done`` [N, V] who did something with any of ``items``, pulled slightly off zero."""
    doers = int((np.asarray(done[:, items].sum(axis=1)).ravel() > 0).sum()) if len(items) else 0
    return float((doers + 0.5) / (done.shape[0] + 1))

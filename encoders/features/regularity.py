"""How often, how lately and how regularly users do things of one source."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.data.events import Past
from encoders.text.words import LONGEST_HORIZON

_WINDOWS = (7, 14, 28, 56, 91, 182)
FEATURES = len(_WINDOWS) + 6
"""Of one source; see ``read_regularity``."""


class Reach(NamedTuple):
    """How far ahead and how far back one can look, from the as-of date and from an earlier one that is as far away."""

    ahead: int
    """Days."""
    then: date
    """The earlier date, from which it is known what happened in the days ahead."""
    back: int
    """Days of history before the earlier date; both dates look back as far."""


def reach_of(past: Past) -> Reach:
    """The reach of the data before the as-of date of ``past``."""
    first = past.dataset.card.first
    ahead = max(1, min(LONGEST_HORIZON, (past.as_of - first).days // 2))
    then = past.as_of - timedelta(days=ahead)
    return Reach(ahead, then, (then - first).days)


def read_regularity(
    past: Past, events: pl.LazyFrame, user_ids: Sequence[str], source: str, back: int
) -> npt.NDArray[np.float32]:
    """Days active in six windows and in all, days since the last and the first, usual and longest gap, how late.

    Args:
        past: its as-of date counts.
        events: of these users, or of more.
        user_ids: N.
        source: of the events that count.
        back: days that are looked at.

    Returns:
        [N, FEATURES]: all as logarithms of one plus the number, but for the last: time since the last by the usual gap.
    """
    never = float(np.log1p(back + 1))
    day = pl.col("time").dt.date()
    age = (pl.lit(past.as_of) - day).dt.total_days().alias("age")
    mine = (pl.col("source") == source) & (day >= past.as_of - timedelta(days=back))
    days = events.filter(mine).select("user_id", age).unique().sort("user_id", "age")
    gaps = days.with_columns(gap=pl.col("age").diff().over("user_id"))
    counted = gaps.group_by("user_id").agg(
        *((pl.col("age") <= window).sum().cast(pl.Float64).alias(f"in {window}") for window in _WINDOWS),
        pl.len().cast(pl.Float64).alias("in all"),
        pl.col("age").min().cast(pl.Float64).alias("last"),
        pl.col("age").max().cast(pl.Float64).alias("first"),
        pl.col("gap").mean().alias("usual"),
        pl.col("gap").max().cast(pl.Float64).alias("longest"),
    )
    logs = by_user(counted, user_ids).select(pl.all().log1p())
    filled = logs.select(pl.col(name).fill_null(0.0 if name.startswith("in ") else never) for name in logs.columns)
    return filled.with_columns(late=pl.col("last") - pl.col("usual")).to_numpy().astype(np.float32)


def by_user(table: pl.LazyFrame, user_ids: Sequence[str]) -> pl.DataFrame:
    """The rows of some users in their order, without their ids."""
    joined = pl.LazyFrame({"user_id": list(user_ids)}).join(table, on="user_id", how="left", maintain_order="left")
    return joined.collect().drop("user_id")

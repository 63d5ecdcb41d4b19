"""What every user did of some items before the as-of date: on how many days, how often, worth how much."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.forecast import Forecaster, Items

Numbers = npt.NDArray[np.float64]

_REMEMBERED = 32
_FEWEST_GAPS = 2
"""Breaks between the days of a user from which on they have a usual one."""


class Rhythm(NamedTuple):
    """When N users did something, in days before the as-of date; NaN where they never did."""

    days: Numbers
    """[N], on how many days; 0 where never."""
    first: Numbers
    """[N], how long ago for the first time."""
    last: Numbers
    """[N], how long ago for the last time: 1 is the day before the as-of date."""
    usual: Numbers
    """[N], the median number of days between two of a user's own days; NaN for fewer than three days."""
    stretched: Numbers
    """Every such break over the usual one of its user, sorted: how far people stray from their rhythm."""
    weights: Numbers
    """What each of these counts: the breaks of one user together 1."""


class Deeds:
    """The past of the users of one forecaster; answers are remembered."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Read nothing yet."""
        self._histories = forecaster.scene.histories
        self._days = lru_cache(maxsize=_REMEMBERED)(self._count_days)
        self._values = lru_cache(maxsize=_REMEMBERED)(self._add_up)
        self._rhythms = lru_cache(maxsize=_REMEMBERED)(self._find_rhythm)

    @property
    def reaches_back(self) -> int:
        """Days of data before the as-of date."""
        past = self._histories.past
        return (past.as_of - past.dataset.card.first).days

    def days(self, items: Items, within: int | None) -> Numbers:
        """[N], on how many days each user did any of the items in the last ``within`` days (None: ever)."""
        return self._days(items.tobytes(), within)

    def value(self, items: Items, within: int | None) -> Numbers:
        """[N], what each user's events with the items are worth together."""
        return self._values(items.tobytes(), within)

    def rhythm(self, items: Items) -> Rhythm:
        """When each user did any of the items."""
        return self._rhythms(items.tobytes())

    def _events(self, items: bytes, within: int | None) -> pl.LazyFrame:
        wanted = pl.Series(np.frombuffer(items, np.int64)).cast(pl.UInt32).implode()
        today = pl.lit(self._histories.past.as_of)
        age = (today - pl.col("time").dt.date()).dt.total_days().alias("age")
        return self._histories.past.events(within).filter(pl.col("item_id").is_in(wanted)).with_columns(age)

    def _count_days(self, items: bytes, within: int | None) -> Numbers:
        counted = self._events(items, within).group_by("user_id").agg(pl.col("age").n_unique().alias("days"))
        return self._by_user(counted, "days", 0.0)

    def _add_up(self, items: bytes, within: int | None) -> Numbers:
        return self._by_user(self._events(items, within).group_by("user_id").agg(pl.col("value").sum()), "value", 0.0)

    def _find_rhythm(self, items: bytes) -> Rhythm:
        days = self._events(items, None).select("user_id", "age").unique().sort("user_id", "age")
        gaps = days.with_columns(gap=pl.col("age").diff().over("user_id")).collect()
        usual = pl.col("gap").median().alias("usual")
        enough = pl.col("gap").count() >= _FEWEST_GAPS
        found = (
            gaps.lazy()
            .group_by("user_id")
            .agg(
                pl.len().alias("days"),
                pl.col("age").max().alias("first"),
                pl.col("age").min().alias("last"),
                pl.when(enough).then(usual).alias("usual"),
            )
            .collect()
        )
        each = gaps.join(found.select("user_id", "usual"), on="user_id").drop_nulls(["gap", "usual"])
        each = each.select(stretched=pl.col("gap") / pl.col("usual"), weight=1 / pl.len().over("user_id"))
        stretched, weights = each.sort("stretched").cast(pl.Float64).to_numpy().T
        columns = {name: self._by_user(found.lazy(), name, np.nan) for name in ("first", "last", "usual")}
        return Rhythm(days=self._by_user(found.lazy(), "days", 0.0), stretched=stretched, weights=weights, **columns)

    def _by_user(self, table: pl.LazyFrame, column: str, missing: float) -> Numbers:
        """[N] in the order of the users."""
        users = pl.LazyFrame({"user_id": self._histories.user_ids})
        joined = users.join(table, on="user_id", how="left", maintain_order="left").collect()
        numbers = joined[column].cast(pl.Float64).fill_null(missing).to_numpy()
        return np.asarray(numbers, np.float64)

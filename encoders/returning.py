"""Whether a user will do anything at all: how soon users like them came back from an earlier date.

From a date that lies as far before the as-of date as one can look ahead, it is known who did something again and after
how many days. A logistic model of how often and how lately users did things says who is likelier to; an isotonic
regression per horizon says how likely. Isotonic regression keeps the order of its targets, and whoever is back after
a week is back after a month: so a longer horizon never has the lower probability.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from encoders.data.events import HORIZON_DAYS, Past
from encoders.text.words import LONGEST_HORIZON

Vector = npt.NDArray[np.float64]

_FEWEST_USERS, _FEWEST_OF_A_KIND = 100, 10
"""Users of the earlier date, and those of them who came back or did not, below which nothing can be learned."""
_WINDOWS = (7, 14, 28, 56, 91, 182)
_REGULARISATION = 0.1


@dataclass(frozen=True)
class ReturnForecast:
    """When N users will do something again, whatever it is."""

    scores: Vector
    """[N]: the higher, the likelier."""
    learned: bool
    """False where the data is too small or too short: then everybody has the share of the days before."""
    _earlier: Vector
    """[M] scores of the users of the earlier date; without any, of those of today."""
    _after: Vector
    """[M] days until their next event, infinite where it had not come by the as-of date."""
    _reach: int
    """Days that ``_after`` covers."""

    def within(self, days: int) -> Vector:
        """[N]: the probability of an event within so many days, strictly between 0 and 1."""
        if days > self._reach:  # as many more stay away in each further stretch
            return np.asarray(1.0 - (1.0 - self.within(self._reach)) ** (days / self._reach), np.float64)
        came, count = (self._after <= days).astype(np.float64), len(self._after)
        level = IsotonicRegression(out_of_bounds="clip").fit(self._earlier, came).predict(self.scores)
        return np.asarray(np.clip(level, 0.5 / (count + 1), 1.0 - 0.5 / (count + 1)), np.float64)


def fit_returning(past: Past, user_ids: list[str], population: npt.NDArray[np.bool_], source: str) -> ReturnForecast:
    """Learn from an earlier date when users do something of ``source`` again.

    Args:
        past: everything before the as-of date; nothing else is read.
        user_ids: the N users to be scored.
        population: [N], those who were active lately.
        source: of the events that count.
    """
    reach = max(1, min(LONGEST_HORIZON, (past.as_of - past.dataset.card.first).days // 2))
    then = past.as_of - timedelta(days=reach)
    if then > past.dataset.card.first:
        earlier = past.dataset.before(then)
        users = earlier.population
        after = _days_until(past, then, users, source)
        back = after <= min(HORIZON_DAYS, reach)
        if len(users) >= _FEWEST_USERS and _FEWEST_OF_A_KIND <= back.sum() <= len(users) - _FEWEST_OF_A_KIND:
            back_to = (then - past.dataset.card.first).days  # both dates look back as far
            known, now = _features(earlier, users, source, back_to), _features(past, user_ids, source, back_to)
            middle, wide = known.mean(0), known.std(0) + 1e-9
            model = LogisticRegression(C=_REGULARISATION, max_iter=1000).fit((known - middle) / wide, back)
            scores, earlier_scores = (model.decision_function((each - middle) / wide) for each in (now, known))
            return ReturnForecast(np.asarray(scores, np.float64), True, earlier_scores, after, reach)
    ago = _days_since(past, user_ids, source)
    here = population if population.any() else np.ones(len(user_ids), bool)
    return ReturnForecast(-np.minimum(ago, 1e6), False, np.zeros(int(here.sum())), ago[here], LONGEST_HORIZON)


def _features(past: Past, users: list[str], source: str, back_to: int) -> npt.NDArray[np.float64]:
    """[N, F] how often, how lately and how regularly, in the main source and in ``source``; all as logarithms."""
    card, never = past.dataset.card, float(np.log1p(back_to + 1))
    age = (pl.lit(past.as_of) - pl.col("time").dt.date()).dt.total_days().alias("age")
    tables = []
    for each in dict.fromkeys((card.main_source, source)):
        days = (
            past.events(back_to).filter(pl.col("source") == each).select("user_id", age).unique().sort("user_id", "age")
        )
        gaps = days.with_columns(gap=pl.col("age").diff().over("user_id"))
        counted = gaps.group_by("user_id").agg(
            *((pl.col("age") <= window).sum().cast(pl.Float64).alias(f"in {window}") for window in _WINDOWS),
            pl.len().cast(pl.Float64).alias("in all"),
            pl.col("age").min().cast(pl.Float64).alias("last"),
            pl.col("age").max().cast(pl.Float64).alias("first"),
            pl.col("gap").mean().alias("usual"),
            pl.col("gap").max().cast(pl.Float64).alias("longest"),
        )
        logs = _by_user(counted, users).select(pl.all().log1p())
        filled = logs.select(pl.col(name).fill_null(0.0 if name.startswith("in ") else never) for name in logs.columns)
        tables.append(filled.with_columns(late=pl.col("last") - pl.col("usual")).to_numpy())
    return np.hstack(tables).astype(np.float64)


def _days_until(past: Past, then: date, users: list[str], source: str) -> Vector:
    """[M] days from ``then`` to the next event before the as-of date, 1 for the same day; infinite without any."""
    day = pl.col("time").dt.date()
    later = past.events((past.as_of - then).days).filter(pl.col("source") == source)
    next_one = later.group_by("user_id").agg(((day.min() - pl.lit(then)).dt.total_days() + 1).alias("days"))
    return _by_user(next_one, users)["days"].cast(pl.Float64).fill_null(np.inf).to_numpy()


def _days_since(past: Past, users: list[str], source: str) -> Vector:
    """[N] days since the last event; infinite without any."""
    age = (pl.lit(past.as_of) - pl.col("time").dt.date()).dt.total_days()
    last = past.events().filter(pl.col("source") == source).group_by("user_id").agg(age.min().alias("days"))
    return _by_user(last, users)["days"].cast(pl.Float64).fill_null(np.inf).to_numpy()


def _by_user(table: pl.LazyFrame, users: list[str]) -> pl.DataFrame:
    """The rows of some users in their order, without their ids."""
    joined = pl.LazyFrame({"user_id": users}).join(table, on="user_id", how="left", maintain_order="left")
    return joined.collect().drop("user_id")

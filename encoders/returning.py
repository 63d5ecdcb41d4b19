"""Whether a user will do anything at all: how soon users like them came back from an earlier date.

From a date that lies as far before the as-of date as one can look ahead, it is known who did something again and after
how many days. A logistic model of how often and how lately users did things says who is likelier to; an isotonic
regression per horizon says how likely. Isotonic regression keeps the order of its targets, and whoever is back after
a week is back after a month: so a longer horizon never has the lower probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from encoders.data.events import HORIZON_DAYS, Past
from encoders.features.counts import Matrix
from encoders.features.regularity import by_user, reach_of, read_regularity
from encoders.features.structure import MOST_USERS
from encoders.text.words import LONGEST_HORIZON

Vector = npt.NDArray[np.float64]

_FEWEST_USERS, _FEWEST_OF_A_KIND = 100, 10
"""Users of the earlier date, and those of them who came back or did not, below which nothing can be learned."""
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


def fit_returning(
    past: Past,
    user_ids: Sequence[str],
    population: npt.NDArray[np.bool_],
    source: str,
    known: Mapping[str, Matrix] | None = None,
) -> ReturnForecast:
    """Learn from an earlier date when users do something of ``source`` again.

    Args:
        past: everything before the as-of date; nothing else is read.
        user_ids: the N users to be scored.
        population: [N], those who were active lately.
        source: of the events that count.
        known: how regularly they do things, by source, where it was counted already; see ``read_regularity``.
    """
    reach, main = reach_of(past), past.dataset.card.main_source
    if reach.then > past.dataset.card.first:
        earlier = past.dataset.before(reach.then)
        users = _sampled(earlier.population)
        after = _days_until(past, reach.then, users, source)
        back = after <= min(HORIZON_DAYS, reach.ahead)
        if len(users) >= _FEWEST_USERS and _FEWEST_OF_A_KIND <= back.sum() <= len(users) - _FEWEST_OF_A_KIND:
            sources = tuple(dict.fromkeys((main, source)))
            events = _of_users(earlier.events(), users)
            then = np.hstack([read_regularity(earlier, events, users, each, reach.back) for each in sources])
            now = np.hstack(
                [
                    known[each] if known else read_regularity(past, past.events(), user_ids, each, reach.back)
                    for each in sources
                ]
            ).astype(np.float64)
            middle, wide = then.mean(0, dtype=np.float64), then.std(0, dtype=np.float64) + 1e-9
            model = LogisticRegression(C=_REGULARISATION, max_iter=1000).fit((then - middle) / wide, back)
            scores, earlier_scores = (model.decision_function((each - middle) / wide) for each in (now, then))
            return ReturnForecast(np.asarray(scores, np.float64), True, earlier_scores, after, reach.ahead)
    ago = _days_since(past, user_ids, source)
    here = population if population.any() else np.ones(len(user_ids), bool)
    return ReturnForecast(-np.minimum(ago, 1e6), False, np.zeros(int(here.sum())), ago[here], LONGEST_HORIZON)


def _sampled(users: list[str]) -> list[str]:
    """Users of the earlier date that are learned from."""
    if len(users) <= MOST_USERS:
        return users
    return [users[row] for row in np.sort(np.random.default_rng(0).choice(len(users), MOST_USERS, replace=False))]


def _of_users(events: pl.LazyFrame, users: list[str]) -> pl.LazyFrame:
    return events.join(pl.LazyFrame({"user_id": users}), on="user_id", how="semi")


def _days_until(past: Past, then: date, users: list[str], source: str) -> Vector:
    """[M] days from ``then`` to the next event before the as-of date, 1 for the same day; infinite without any."""
    day = pl.col("time").dt.date()
    later = _of_users(past.events((past.as_of - then).days).filter(pl.col("source") == source), users)
    next_one = later.group_by("user_id").agg(((day.min() - pl.lit(then)).dt.total_days() + 1).alias("days"))
    return by_user(next_one, users)["days"].cast(pl.Float64).fill_null(np.inf).to_numpy()


def _days_since(past: Past, users: Sequence[str], source: str) -> Vector:
    """[N] days since the last event; infinite without any."""
    age = (pl.lit(past.as_of) - pl.col("time").dt.date()).dt.total_days()
    last = past.events().filter(pl.col("source") == source).group_by("user_id").agg(age.min().alias("days"))
    return by_user(last, users)["days"].cast(pl.Float64).fill_null(np.inf).to_numpy()

"""One supervised model per demand, trained on what came of that very demand in the earlier windows.

The ceiling of classical practice: it needs the labels of every demand it is asked for, and a model for each. A model is
a strongly penalised logistic regression and shallow boosted trees that are also told its log-odds; the score is the
mean of both log-odds. Alone, the trees are behind the logistic regression, which is behind the two together.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.forecasts.demands import BenchmarkDemand, Items
from benchmarks.forecasts.references.simple import ease, ease_and_counts
from benchmarks.forecasts.study import Scores, Study
from encoders.model.users import FeatureSnapshot
from encoders.training.labels import TrainingExample

Matrix = npt.NDArray[np.float32]
Truth = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.float64]

_HALF_LIVES = (7.0, 14.0, 30.0, 60.0, 120.0, np.inf)
"""Of the days with an event, in days."""
_PERIOD = 28
_PERIODS = 6
_LONG_AGO = 365.0
_INVERSE_PENALTY = 0.01
_TREES = {
    "learning_rate": 0.05,
    "max_iter": 80,
    "max_leaf_nodes": 4,
    "min_samples_leaf": 60,
    "l2_regularization": 10.0,
    "max_bins": 64,
    "early_stopping": False,
}
_FADING = 0.7
"""Weight of a window as a share of that of the next later one."""
_FEWEST = 3
"""With fewer responders in all earlier windows there is nothing to learn from."""


def boosting(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Log-odds of every demand by its own model; EASE and own counts where too few ever responded."""
    parts = _parts(demands)
    snapshots = [study.snapshot, *(example.snapshot for example in study.examples)]
    now, *windows = (_read(study, snapshot, list(parts.values())) for snapshot in snapshots)
    active = [example.snapshot.histories.in_population for example in study.examples]
    past = _Facts.of([facts.among(users) for facts, users in zip(windows, active, strict=True)])
    weights = np.repeat([_FADING**age for age in range(len(active))], [int(users.sum()) for users in active])
    place = {key: number for number, key in enumerate(parts)}
    columns = []
    for demand in demands:
        truth = np.concatenate([_responded(demand, example) for example in study.examples])
        if truth.sum() < _FEWEST or truth.all():
            columns.append(ease_and_counts(study, [demand])[:, 0])
        else:
            own = [place[items.tobytes()] for items in (*demand.all_of, demand.none_of) if len(items)]
            columns.append(_learn(now, past, own, truth, weights / weights.mean(), study.seed))
    return np.stack(columns, axis=1)


def _parts(demands: Sequence[BenchmarkDemand]) -> dict[bytes, Items]:
    """The distinct sets of items of all demands."""
    parts = [items for demand in demands for items in (*demand.all_of, demand.none_of) if len(items)]
    return {items.tobytes(): items for items in parts}


def _responded(demand: BenchmarkDemand, example: TrainingExample) -> Truth:
    """Who of the population of a window responded to the demand."""
    done = example.done[example.snapshot.histories.in_population]

    def did(items: Items) -> Truth:
        return np.asarray(done[:, items].sum(axis=1)).ravel() > 0

    return np.asarray(np.all([did(items) for items in demand.all_of], axis=0) & ~did(demand.none_of))


class _Facts(NamedTuple):
    """What is known of N users and P sets of items."""

    own: Matrix
    """[N, P, features]: how often, how regularly and how lately each user did anything with the set."""
    ease: Matrix
    """[N, P]: EASE from the groups outside the set."""
    user: Matrix
    """[N, features]: the same as ``own`` for anything at all, and how much it was."""
    attributes: Matrix
    """[N, attributes]: codes, NaN where unknown."""

    @staticmethod
    def of(windows: list["_Facts"]) -> "_Facts":
        """The users of several windows, one after the other."""
        return _Facts(*(np.concatenate(each) for each in zip(*windows, strict=True)))

    def among(self, users: Truth) -> "_Facts":
        """Some of the users, [N]."""
        return _Facts(*(each[users] for each in self))

    def plain(self, parts: list[int]) -> Matrix:
        """Features of a demand that has these ``parts``."""
        own = [self.own[:, part] for part in parts]
        return np.concatenate([*own, self.ease[:, parts], self.user], axis=1)

    def crossed(self, parts: list[int]) -> Matrix:
        """The same, and what a linear model cannot put together: who has done it already is another kind of user."""
        ever, ease = self.own[:, parts, _EVER], self.ease[:, parts]
        activity = (ever[:, :, None] * self.user[:, None, :_EVER]).reshape(len(ever), -1)
        return np.concatenate([self.plain(parts), ever * ease, ease**2, activity], axis=1)


def _learn(now: _Facts, past: _Facts, parts: list[int], truth: Truth, weights: Vector, seed: int) -> Vector:
    """Train both models on the R users of ``past``, and give the mean of their log-odds for the N users of ``now``.

    Args:
        now: N users.
        past: R users of earlier windows.
        parts: places of the demand's sets of items.
        truth: [R], who then responded.
        weights: [R], for the logistic regression.
        seed: of the trees.
    """
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=_INVERSE_PENALTY, max_iter=500))
    crossed = past.crossed(parts)
    linear.fit(crossed, truth, logisticregression__sample_weight=weights)
    trees = HistGradientBoostingClassifier(**_TREES, random_state=seed)
    trees.fit(np.column_stack([past.plain(parts), past.attributes, linear.decision_function(crossed)]), truth)
    first = linear.decision_function(now.crossed(parts))
    second = trees.decision_function(np.column_stack([now.plain(parts), now.attributes, first]))
    return np.asarray((first + second) / 2, np.float64)


def _read(study: Study, snapshot: FeatureSnapshot, parts: list[Items]) -> _Facts:
    histories, main = snapshot.histories, np.flatnonzero(snapshot.vocabulary.main_items)
    own = _summaries(snapshot, [*parts, main])
    volume = [np.log1p(np.asarray(counts[:, main].sum(axis=1))) for counts in histories.counts]
    singles = [BenchmarkDemand("", (items,)) for items in parts]
    return _Facts(
        own=own[:, :-1],
        ease=ease(replace(study, snapshot=snapshot), singles).astype(np.float32),
        user=np.concatenate([own[:, -1], *volume], axis=1, dtype=np.float32),
        attributes=_attributes(snapshot),
    )


_EVER = len(_HALF_LIVES)
"""Place of the feature that says whether there was any event at all."""


def _summaries(snapshot: FeatureSnapshot, sets: list[Items]) -> Matrix:
    """Frequency, regularity and recency of every user's days with each of P sets of items, [N, P, features]."""
    histories = snapshot.histories
    today = datetime.combine(histories.past.as_of, datetime.min.time())
    age = (pl.lit(today) - pl.col("time").dt.truncate("1d")).dt.total_days().alias("age")
    row = pl.col("user_id").cast(pl.Enum(histories.user_ids)).to_physical().cast(pl.Int64)
    members = pl.LazyFrame(
        {"item_id": np.concatenate(sets), "set": np.repeat(np.arange(len(sets)), [len(items) for items in sets])}
    )
    days = histories.past.events().select(pl.col("item_id").cast(pl.Int64), (row * len(sets)).alias("user"), age)
    cells = days.unique().join(members, on="item_id").select(pl.col("user") + pl.col("set"), "age").unique()
    table = cells.sort("user", "age").collect()
    cell, start = np.unique(table["user"].to_numpy(), return_index=True)
    ages = table["age"].to_numpy().astype(np.float64)
    found = np.zeros((len(histories.user_ids) * len(sets), _EVER + 8), np.float32)
    found[:, _EVER + 1] = np.log1p(_LONG_AGO)
    found[cell] = _summary(ages, start)
    return found.reshape(len(histories.user_ids), len(sets), -1)


def _summary(ages: Vector, start: npt.NDArray[np.int64]) -> Matrix:
    """Features of C histories, [C, features]; history c has the ascending ``ages`` from ``start[c]`` on, in days."""
    end = np.append(start[1:], len(ages))
    days, last = end - start, ages[start]
    gap = (ages[end - 1] - last) / np.maximum(days - 1, 1)
    due = np.where(days > 1, np.minimum(last / np.maximum(gap, 1.0), 5.0), 0.0)
    period = (ages - 1) // _PERIOD
    new_period = np.append(True, np.diff(period) != 0)
    new_period[start] = True
    regular = np.add.reduceat((new_period & (period < _PERIODS)).astype(np.float64), start)
    return np.stack(
        [
            *(np.log1p(np.add.reduceat(np.exp2(-ages / half_life), start)) for half_life in _HALF_LIVES),
            np.ones(len(days)),
            np.log1p(np.minimum(last, _LONG_AGO)),
            np.exp(-last / 14),
            np.exp(-last / 45),
            regular,
            np.log1p(gap),
            due,
            (due > 0.5) & (due < 1.5),
        ],
        axis=1,
    ).astype(np.float32)


def _attributes(snapshot: FeatureSnapshot) -> Matrix:
    """A code per value of every attribute, [N, attributes]; NaN where it is unknown."""
    histories = snapshot.histories
    users = histories.past.dataset.users
    codes = users.select("user_id", pl.exclude("user_id").rank("dense").cast(pl.Float32))
    known = pl.DataFrame({"user_id": histories.user_ids}).join(codes, on="user_id", how="left", maintain_order="left")
    return known.drop("user_id").fill_null(np.nan).to_numpy().reshape(len(known), -1).astype(np.float32)

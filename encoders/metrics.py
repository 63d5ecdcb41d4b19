"""The figures a targeting model is judged by, and who responded to a demand."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import rankdata
from sklearn.metrics import roc_curve

from encoders.data.events import Dataset
from encoders.text.demand import Demand

Vector = npt.NDArray[np.floating]
Truth = npt.NDArray[np.bool_]


def auc(scores: Vector, truth: Truth) -> float:
    """Area under the ROC curve; ties count half. NaN where all or none came true."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def ks(scores: Vector, truth: Truth) -> float:
    """Kolmogorov-Smirnov: how far responders get ahead of the others at the best cut. NaN where all or none did."""
    if truth.all() or not truth.any():
        return float("nan")
    false, true, _ = roc_curve(truth, scores)
    return float((true - false).max())


def lift(scores: Vector, truth: Truth, share: float = 0.1, seed: int = 0) -> float:
    """Share of responders among the top ``share`` of users over their share in all. NaN where none responded."""
    if not truth.any():
        return float("nan")
    return float(_top(scores, truth, max(1, int(len(scores) * share)), seed).mean() / truth.mean())


def precision_and_recall(scores: Vector, truth: Truth, size: int, seed: int = 0) -> tuple[float, float]:
    """Share of responders in the audience of the best ``size`` users, and share of all responders that it catches."""
    caught = int(_top(scores, truth, size, seed).sum())
    return caught / size, caught / int(truth.sum()) if truth.any() else float("nan")


def best_size(probabilities: Vector, smallest: int) -> int:
    """Size of the audience with the highest expected F1: neither a handful of sure users nor everybody.

    Args:
        probabilities: of all users that could be in it, in any order; at least one.
        smallest: the audience has at least so many users where there are so many.
    """
    caught = np.cumsum(-np.sort(-np.asarray(probabilities)))
    sizes = np.arange(1, len(caught) + 1)
    best = int(np.argmax(2 * caught / (sizes + caught[-1]))) + 1
    return min(len(caught), max(best, smallest))


def calibration_bins(probabilities: Vector, truth: Truth, bins: int = 15) -> tuple[Vector, Vector]:
    """Predicted minus real responders, and users, in each of ``bins`` bins of equal width of the probability."""
    place = np.clip((np.asarray(probabilities) * bins).astype(int), 0, bins - 1)
    gap = np.bincount(place, weights=np.asarray(probabilities) - truth, minlength=bins)
    users = np.bincount(place, minlength=bins).astype(np.float64)
    return np.asarray(gap, np.float64), users


def calibration_error(probabilities: Vector, truth: Truth, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width, weighted by their size."""
    gap, users = calibration_bins(probabilities, truth, bins)
    return float(np.abs(gap).sum() / users.sum())


def _top(scores: Vector, truth: Truth, size: int, seed: int) -> Truth:
    """Which of the best ``size`` users responded."""
    order = np.lexsort((np.random.default_rng(seed).random(len(scores)), -np.asarray(scores)))
    return np.asarray(truth[order[:size]])


def responders(dataset: Dataset, as_of: date, demand: Demand, items: Sequence[npt.NDArray[np.int64]]) -> set[str]:
    """Ids of the users who did it in the horizon from ``as_of`` on.

    Args:
        dataset: where the events are.
        as_of: the day the demand was made on.
        demand: taken apart; every part must hold, and for the first time means nothing of it before ``as_of``.
        items: per part, the items that it means.

    Raises:
        DataError: the horizon is not over in this data.
    """
    then = dataset.outcome(as_of, demand.horizon_days)
    did = [_users(dataset, then, meant) for meant in items]
    wanted = [each for each, part in zip(did, demand.parts, strict=True) if not part.negated]
    everyone = set(dataset.before(as_of).events().select("user_id").collect()["user_id"]) if not wanted else set()
    found = set.intersection(*wanted) if wanted else everyone
    found = found.difference(*(each for each, part in zip(did, demand.parts, strict=True) if part.negated))
    if demand.first_time:
        known = [meant for meant, part in zip(items, demand.parts, strict=True) if not part.negated]
        before = dataset.before(as_of).events().collect()
        found -= _users(dataset, before, np.concatenate([np.zeros(0, np.int64), *known]))
    return found


def _users(dataset: Dataset, events: pl.DataFrame, items: npt.NDArray[np.int64]) -> set[str]:
    """Who did something with one of the items and did not give all of it back."""
    did = events.filter(pl.col("item_id").is_in(items.tolist()))["user_id"].unique()
    with_returns = dataset.with_returns(items)
    if len(with_returns) == len(items):
        return set(did)
    net = events.filter(pl.col("item_id").is_in(with_returns.tolist())).group_by("user_id").agg(
        pl.col("value").sum(), pl.col("source").is_in(list(dataset.card.returns.values())).any().alias("returned")
    )  # fmt: skip
    return set(did) - set(net.filter(pl.col("returned") & (pl.col("value") <= 0))["user_id"])

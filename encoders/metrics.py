"""The figures a targeting model is judged by, for one demand each; the tests check them against other libraries.

Ties are broken at random with a seed, so that the order of the users in a table decides nothing.
"""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata
from sklearn.metrics import roc_curve

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

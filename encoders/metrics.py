"""The figures a targeting model is judged by. Each is checked against scikit-learn in the tests where it has one."""

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

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


def lift(scores: Vector, truth: Truth, share: float = 0.1, seed: int = 0) -> float:
    """Share of responders among the top ``share`` of users over their share in all; ties are broken at random."""
    if not truth.any():
        return float("nan")
    order = np.lexsort((np.random.default_rng(seed).random(len(scores)), -np.asarray(scores)))
    top = order[: max(1, int(len(scores) * share))]
    return float(truth[top].mean() / truth.mean())


def calibration_error(probabilities: Vector, truth: Truth, bins: int = 15) -> float:
    """Expected calibration error over bins of equal width, weighted by their size."""
    place = np.clip((np.asarray(probabilities) * bins).astype(int), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    gap = np.bincount(place, weights=probabilities, minlength=bins) - np.bincount(place, weights=truth, minlength=bins)
    return float(np.abs(gap).sum() / count.sum())


def bootstrap_interval(values: Vector, level: float = 0.95, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Percentile interval of the mean when the ``values`` (one per demand) are drawn again with replacement."""
    values = np.asarray(values)
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

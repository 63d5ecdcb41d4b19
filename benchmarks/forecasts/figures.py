"""Macro figures: one value per demand, averaged, with 95 % bootstrap intervals over the demands."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

from encoders.records import Record

Vector = npt.NDArray[np.float64]
Statistic = Callable[..., Any]
"""Of one or more samples, along ``axis``."""

_LEVEL = 0.95
_DRAWS = 2000
_SEED = 0


class Figure(Record):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def figure(*samples: Vector, statistic: Statistic = np.mean) -> Figure | None:
    """A statistic of one or more independent samples of demands, which are drawn again with replacement.

    Args:
        samples: one value per demand each; NaN where a demand has none.
        statistic: called with as many arrays as there are samples, and an ``axis``.

    Returns:
        None where a sample has no value; where one has a single value, nothing can be drawn and the interval is empty.
    """
    known = [np.asarray(sample, np.float64)[~np.isnan(sample)] for sample in samples]
    if not all(len(sample) for sample in known):
        return None
    value = float(statistic(*known, axis=-1))
    if any(len(sample) < 2 for sample in known):
        return Figure(value=value, low=value, high=value)
    drawn = bootstrap(
        known, statistic, n_resamples=_DRAWS, confidence_level=_LEVEL, method="percentile", batch=200, rng=_SEED
    ).confidence_interval
    return Figure(value=value, low=float(drawn.low), high=float(drawn.high))


def difference(first: Vector, second: Vector) -> Figure | None:
    """Mean of the first minus the second, demand by demand: the same demands are drawn for both."""
    return figure(first - second)


def calibration_figure(gaps: Vector, users: Vector) -> Figure | None:
    """Expected calibration error of all demands together.

    Args:
        gaps: [B, bins], predicted minus real responders.
        users: [B, bins].
    """

    def error(chosen: Any, axis: int) -> Any:
        drawn = np.asarray(chosen, np.int64)
        return np.abs(gaps[drawn].sum(-2)).sum(-1) / users[drawn].sum((-2, -1))

    return figure(np.arange(len(gaps), dtype=np.float64), statistic=error)

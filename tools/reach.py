"""The reach curve: how large an audience is at every cut, and how good it is expected to be."""

import numpy as np

from encoders.calibration.spread import Vector, responders
from encoders.metrics import best_size
from tools.types import Bucket, CurvePoint, Interval

CUTS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BUCKETS = 20


def users_at(cut: float, eligible: int) -> int:
    """How many of the eligible users a cut keeps; at least one where there is any."""
    return min(eligible, max(1, round(cut * eligible))) if eligible else 0


def recommended_cut(probabilities: Vector, smallest: int) -> float:
    """The share at which the expected F1 is highest: neither a handful of sure ones nor everybody.

    Args:
        probabilities: of the eligible users, highest first.
        smallest: the recommendation keeps at least so many users where there are so many.
    """
    if not len(probabilities):
        return 0.0
    return best_size(probabilities, smallest) / len(probabilities)


def curve_point(cut: float, probabilities: Vector, spread: float) -> CurvePoint:
    """What to expect of the best ``cut`` of the eligible users (``probabilities``, highest first)."""
    users = users_at(cut, len(probabilities))
    if not users:
        nothing = Interval(low=0.0, mid=0.0, high=0.0)
        return CurvePoint(cut=cut, users=0, precision=nothing, responders=nothing, lift=0.0)
    low, mid, high = responders(probabilities[:users], spread)
    average = float(probabilities.mean())
    return CurvePoint(
        cut=cut,
        users=users,
        responders=Interval(low=low, mid=mid, high=high),
        precision=Interval(low=low / users, mid=mid / users, high=high / users),
        lift=mid / users / average if average > 0 else 0.0,
    )


def reach_curve(probabilities: Vector, spread: float, cuts: set[float]) -> tuple[CurvePoint, ...]:
    """Points at the usual ``CUTS`` and at the ``cuts`` in use, from small to large."""
    points = [curve_point(cut, probabilities, spread) for cut in sorted({*CUTS, *cuts} - {0.0})]
    return tuple({point.users: point for point in points}.values())


def histogram(probabilities: Vector) -> tuple[Bucket, ...]:
    """Users by probability in ``BUCKETS`` buckets from zero to the highest."""
    top = float(probabilities.max()) if len(probabilities) and probabilities.max() > 0 else 1.0
    counts, edges = np.histogram(probabilities, bins=BUCKETS, range=(0.0, top))
    return tuple(
        Bucket(low=float(low), high=float(high), users=int(count))
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    )

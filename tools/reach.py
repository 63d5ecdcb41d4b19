"""The reach curve: how large an audience is at every cut, and how good it is expected to be."""

import numpy as np

from encoders.calibration.spread import Vector, responders
from encoders.metrics import best_size
from tools.disclosure import Disclosure
from tools.types import Bucket, CurvePoint, Interval

CUTS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
BUCKETS = 20


def users_at(cut: float, eligible: int) -> int:
    """How many of the eligible users a cut keeps; at least one where there is any."""
    return min(eligible, max(1, round(cut * eligible))) if eligible else 0


def recommended_cut(probabilities: Vector, smallest: int) -> float:
    """The share at which the expected F1 is highest: neither a handful of sure ones nor everybody; 1 for nobody.

    Args:
        probabilities: of the eligible users, highest first.
        smallest: the recommendation keeps at least so many users where there are so many.
    """
    if not len(probabilities):
        return 1.0
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


def reach_curve(probabilities: Vector, spread: float, cuts: set[float], smallest: int) -> tuple[CurvePoint, ...]:
    """Points of at least ``smallest`` users at the usual ``CUTS`` and at the ``cuts`` in use, from small to large."""
    points = [curve_point(cut, probabilities, spread) for cut in sorted({*CUTS, *cuts} - {0.0})]
    return tuple({point.users: point for point in points if point.users >= smallest}.values())


def histogram(probabilities: Vector, disclosure: Disclosure) -> tuple[Bucket, ...]:
    """Users by probability in ``BUCKETS`` buckets; the last begins where the minimum size is left and is open above.

    Args:
        probabilities: of users, highest first.
        disclosure: how their counts are shown.
    """
    top = float(f"{probabilities[: max(1, disclosure.minimum)][-1]:.2g}") if len(probabilities) else 0.0
    edges = np.linspace(0.0, top if top > 0 else 1.0, BUCKETS + 1)
    counted = np.histogram(np.minimum(probabilities, edges[-1]), edges)[0].tolist()
    shown = Disclosure(disclosure.minimum).cells(counted, [()] * BUCKETS)
    highs = [*edges[1:-1].tolist(), 1.0]
    return tuple(
        Bucket(low=low, high=high, users=users)
        for low, high, users in zip(edges[:-1].tolist(), highs, shown, strict=True)
    )

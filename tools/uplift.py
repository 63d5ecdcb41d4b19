"""Two groups compared: shares of responders, their difference and their ratio, each with its 95 % interval."""

import math

from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk

from tools.campaign_types import Estimate

CONFIDENCE = 0.95


def share(responders: int, users: int) -> Estimate | None:
    """Share of responders with Wilson's interval; None for no users."""
    if not users:
        return None
    found = binomtest(responders, users).proportion_ci(CONFIDENCE, "wilson")
    return Estimate(low=float(found.low), mid=responders / users, high=float(found.high))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """How far a share lies above another, with Newcombe's hybrid score interval.

    It is made of the Wilson intervals of both (Newcombe 1998, Statistics in Medicine 17:873, method 10), and so it
    holds where few respond, which is where the textbook interval does not.
    """
    mid = one.mid - other.mid
    return Estimate(
        low=mid - math.hypot(one.mid - one.low, other.high - other.mid),
        mid=mid,
        high=mid + math.hypot(one.high - one.mid, other.mid - other.low),
    )


def relative(responders: int, users: int, other_responders: int, other_users: int) -> Estimate | None:
    """How much larger a share is than another, as a share of the other; None where either has no responder."""
    if not responders or not other_responders:
        return None
    found = relative_risk(responders, users, other_responders, other_users)
    low, high = found.confidence_interval(CONFIDENCE)
    return Estimate(low=float(low) - 1, mid=float(found.relative_risk) - 1, high=float(high) - 1)

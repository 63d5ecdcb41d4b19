"""Intervals of an effect that hold however often one looks: a confidence sequence by a mixture (Robbins 1970).

The responders of both sides come in over the horizon. By the day on which a share F of everybody has responded, the
difference of the sides, over its standard error, moves like W(t) / sqrt(t) of a Brownian motion W at the time
t = F / (1 - F): two empirical distributions differ by a Brownian bridge. A normal mixture of variance 1 / r then bounds
W(t) at all times at once, by sqrt((t + r) (log((t + r) / r) + 2 log(1 / level))), the boundary of the mixture SPRT.
"""

from math import log, sqrt

from tools.operation_types import Estimate

LEVEL = 0.05
"""At most so often the interval misses the effect on any day at all."""
_TUNED = 8.78
"""The interval is narrowest where t is so many times r (Waudby-Smith and others 2024, Annals of Statistics 52:2613)."""
_UNKNOWN = 0.1
"""The share that is expected to respond where nothing was forecast."""
_HALF = 0.5


def always_valid(
    responded: int, contacted: int, held_responded: int, held_out: int, expected: float | None
) -> Estimate | None:
    """How far the share of responders contacted lies above that of those held out, by now; None for an empty side.

    Args:
        responded: by now, of those contacted.
        contacted: how many were.
        held_responded: by now, of those held out.
        held_out: how many were.
        expected: share of all that was expected to respond by the end, before any did; it decides where the interval is
            narrowest and not whether it holds.
    """
    if not contacted or not held_out:
        return None
    users = contacted + held_out
    share = (responded + held_responded + _HALF) / (users + 2 * _HALF)
    mid = responded / contacted - held_responded / held_out
    error = sqrt(share * (1 - share) * (1 / contacted + 1 / held_out))
    goal = min(max(expected or _UNKNOWN, 1 / users), 1 - 1 / users)
    now, mixed = share / (1 - share), goal / (1 - goal) / _TUNED
    wide = error * sqrt((1 + mixed / now) * (log(1 + now / mixed) + 2 * log(1 / LEVEL)))
    return Estimate(low=max(-1.0, mid - wide), mid=mid, high=min(1.0, mid + wide))

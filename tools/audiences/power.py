"""What a holdout will show: the smallest effect that is told from chance, before anybody is contacted.

The test is that of two shares (pooled variance under no effect, unpooled under the effect), as in
``statsmodels.stats.proportion.power_proportions_2indep``, against which the tests hold it.
"""

from collections.abc import Sequence
from math import sqrt

from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from tools.effect_types import HoldoutPlan, HoldoutPower
from tools.types import SizeEstimate

LEVEL = 0.05
"""Two-sided: so often an outcome shows an effect where there is none."""
POWER = 0.8
"""So often an effect of the size that is said will be seen."""
USUAL = (0.05, 0.1, 0.25, 0.5)
"""Shares that are told of beside the one that would be held out."""
_CLOSE = 1e-6
_FEWEST = 10
"""Users on a side below which nothing is promised: the test is no more than roughly right there."""


def power(rate: float, effect: float, contacted: int, held_out: int) -> float:
    """The chance to see an effect.

    Args:
        rate: share of responders among those held out, 0..1.
        effect: by how much the share is larger among those contacted.
        contacted: how many are.
        held_out: how many are.
    """
    other = rate + effect
    together = (contacted * other + held_out * rate) / (contacted + held_out)
    by_chance = sqrt(together * (1 - together) * (1 / contacted + 1 / held_out))
    spread = sqrt(other * (1 - other) / contacted + rate * (1 - rate) / held_out)
    if not spread:
        return 1.0 if effect else 0.0
    bound = -float(ndtri(LEVEL / 2)) * by_chance
    return float(ndtr((effect - bound) / spread) + ndtr((-effect - bound) / spread))


def smallest_effect(rate: float, contacted: int, held_out: int) -> float | None:
    """The smallest larger share among those contacted that is seen with ``POWER``; None where none is.

    Args:
        rate: share of responders expected without the campaign, 0..1.
        contacted: how many are.
        held_out: how many are.
    """
    most = 1 - rate
    if min(contacted, held_out) < _FEWEST or most <= _CLOSE or power(rate, most, contacted, held_out) < POWER:
        return None
    return float(brentq(lambda effect: power(rate, effect, contacted, held_out) - POWER, _CLOSE, most))


def plan(size: SizeEstimate, usual: float, control: float, shares: Sequence[float] = ()) -> HoldoutPlan:
    """What the outcome of an audience will show, from its size and rate as they are shown.

    Args:
        size: the audience.
        usual: the share that is held out where nothing else is said.
        control: the share of the control group, which is held out in any case.
        shares: which to tell of; none for the usual ones.
    """
    wanted = sorted({max(each, control) for each in (shares or (usual, *USUAL))} - {0.0})
    return HoldoutPlan(
        users=size.users, rate=size.precision, control=control, options=tuple(_option(size, each) for each in wanted)
    )


def _option(size: SizeEstimate, share: float) -> HoldoutPower:
    if size.users is None or size.precision is None:
        return HoldoutPower(share=share, held_out=None, contacted=None, detects=None)
    held_out = round(share * size.users)
    contacted = size.users - held_out
    detects = smallest_effect(min(1.0, size.precision.mid), contacted, held_out)
    return HoldoutPower(share=share, held_out=held_out, contacted=contacted, detects=detects)

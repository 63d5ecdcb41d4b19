"""Qini curves: how well an order of users puts those first who change because of us."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from tools.audiences.effects import Measured, Vector, fit
from tools.effect_types import Qini, QiniPoint
from tools.operation_types import Estimate

Places = npt.NDArray[np.int64]

FOLDS = 5
FEWEST = 3
"""Campaigns below which no order can be told from other campaigns."""
RESAMPLED = 300
POINTS = 10


def qini_curve(rows: Vector, order: Vector) -> tuple[Vector, Vector]:
    """The curve of Radcliffe: responders gained, for each user, by contacting the first part of everybody.

    Args:
        rows: [n, 4] groups of users: contacted, responders of them, held out, responders of them.
        order: [n], the higher, the earlier; groups of one value come together.

    Returns:
        Shares of everybody, and the responders gained by then among those contacted, per user contacted; both begin
        with 0. With those held out scaled to as many as were contacted so far, ``R1 - R0 N1 / N0``.
    """
    values, places = np.unique(-order, return_inverse=True)
    summed = np.zeros((len(values), 4))
    np.add.at(summed, places, rows)
    contacted, responded, held, held_responded = np.vstack([np.zeros(4), summed]).cumsum(0).T
    gained = responded - held_responded * np.divide(contacted, held, out=np.zeros_like(held), where=held > 0)
    everybody = contacted + held
    return everybody / everybody[-1], gained / contacted[-1]


def area(shares: Vector, gained: Vector) -> tuple[float, float]:
    """The area under a curve, and that between it and the straight line of a random order."""
    under = float(np.trapezoid(gained, shares))
    return under, under - float(gained[-1]) / 2


def qini(measured: Sequence[Measured], seed: int = 0) -> tuple[Qini, ...]:
    """The curves of two orders, by the effect that other campaigns showed, and by the forecast; none for few campaigns.

    Args:
        measured: each campaign and cell once.
        seed: of the folds and of resampling.
    """
    campaigns = sorted({each.campaign for each in measured})
    if len(campaigns) < FEWEST:
        return ()
    rng = np.random.default_rng(seed)
    rows = np.array([[each.contacted, each.responded, each.held_out, each.held_responded] for each in measured], float)
    whose = np.array([campaigns.index(each.campaign) for each in measured])
    orders: dict[Literal["effect", "forecast"], Vector] = {
        "effect": _from_others(measured, whose, rng.permutation(len(campaigns)) % min(FOLDS, len(campaigns))),
        "forecast": np.array([each.chance for each in measured]),
    }
    drawn = [rng.integers(0, len(campaigns), len(campaigns)) for _ in range(RESAMPLED)]
    members = [np.flatnonzero(whose == number) for number in range(len(campaigns))]
    return tuple(
        _curve(name, rows, order, lambda each: np.concatenate([members[number] for number in each]), drawn)
        for name, order in orders.items()
    )


def _from_others(measured: Sequence[Measured], whose: Places, folds: Places) -> Vector:
    """The effect of each group, told from the campaigns of other folds alone."""
    found = np.zeros(len(measured))
    kinds = {each.cell.kind for each in measured}
    for fold in np.unique(folds).tolist():
        inside = folds[whose] == fold
        effects = fit([each for each, mine in zip(measured, inside, strict=True) if not mine], kinds)
        for place in np.flatnonzero(inside).tolist():
            each = measured[place]
            found[place] = effects.of([each.cell]).mean() * each.scale
    return found


def _curve(
    name: Literal["effect", "forecast"],
    rows: Vector,
    order: Vector,
    picked: Callable[[Places], Places],
    drawn: Sequence[Places],
) -> Qini:
    shares, gained = qini_curve(rows, order)
    total, between = area(shares, gained)
    again = [area(*qini_curve(rows[mine], order[mine]))[1] for mine in map(picked, drawn)]
    low, high = np.quantile(again, (0.025, 0.975)).tolist()
    at = np.linspace(0, 1, POINTS + 1)
    points = zip(at.tolist(), np.interp(at, shares, gained).tolist(), strict=True)
    return Qini(
        ranking=name,
        points=tuple(QiniPoint(share=share, gained=value) for share, value in points),
        area=Estimate(low=low, mid=between, high=high),
        total=total,
    )

"""How far a predicted number of responders may be off, and the interval that says so.

Two things can go wrong: chance, which the probabilities know, and the reading of the sentence, which they do not. The
second is an error in proportion, and it grows where the data comes nowhere near the words, and with every further
part of a demand; how fast, is learned from labels whose outcome is known.
"""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.optimize import brentq, minimize
from scipy.stats import norm

from encoders.records import Record

Vector = npt.NDArray[np.float64]

INTERVAL = 0.8
"""How often the truth shall lie inside an interval."""
_SIDE = float(norm.ppf(0.5 + INTERVAL / 2))
_LEAST, MOST_SPREAD = 1e-3, 3.0
"""Bounds of a spread: e cubed, twenty times as many or as few, is as much as can be said in good faith."""
_RIDGE = 1e-3
_TWICE = 2.0
"""Chance rules what will happen, and ruled what happened in the days before, from which a level is read."""
_ROUNDING = 0.25
"""Variance that a whole number has in any case."""


class Overdispersion(Record):
    """Log of the spread: a line over how far the words are from the data, and over further parts of a demand."""

    intercept: float
    far: float
    parts: float

    def of(self, far: float, parts: int) -> float:
        """Standard deviation of the log of the number of responders, beyond what chance alone explains.

        Args:
            far: how far the least near part of a demand is, from 0 to 1.
            parts: how many the demand has.
        """
        log = self.intercept + self.far * far + self.parts * (parts - 1)
        return float(np.clip(np.exp(min(log, 10.0)), _LEAST, MOST_SPREAD))


class Counts(BaseModel):
    """K predicted numbers of responders, and what came: what a spread is fitted on."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    expected: Vector
    chance: Vector
    """Variance by chance alone."""
    actual: Vector
    far: Vector
    parts: Vector

    def take(self, chosen: npt.NDArray[np.bool_]) -> "Counts":
        """Some of them."""
        return Counts(**{name: value[chosen] for name, value in self})


def responders(probabilities: Vector, spread: float) -> tuple[float, float, float]:
    """Expected responders among users with these probabilities: low, middle and high of the 80 % interval."""
    middle = np.array([probabilities.sum()])
    below, above = _sides(middle, np.array([_chance(probabilities)]), np.array([spread]))
    return max(0.0, float(middle[0] - below[0])), float(middle[0]), min(float(len(probabilities)), middle[0] + above[0])


def count(probabilities: Vector, came: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Expected responders, their variance by chance, and how many there were."""
    return float(probabilities.sum()), _chance(probabilities), float(came.sum())


def fit_overdispersion(counts: Counts) -> Overdispersion:
    """The likeliest line, moved so that intervals hold as often as they promise."""
    error = np.abs(np.log((counts.actual + 0.5) / (counts.expected + 0.5)))
    chance = (_TWICE * counts.chance + _ROUNDING) / (counts.expected + 0.5) ** 2
    known = np.stack([np.ones_like(error), counts.far, counts.parts - 1], axis=-1)

    def loss(line: Vector) -> float:
        deviation = np.sqrt(np.exp(2 * np.clip(known @ line, -8, 2)) + chance)
        return float((np.log(deviation) + np.sqrt(2) * error / deviation).mean() + _RIDGE * (line**2).sum())

    level, slope, more = minimize(loss, np.array([-2.0, 0.0, 0.0]), method="Nelder-Mead").x

    def moved(by: float) -> Overdispersion:
        return Overdispersion(intercept=float(level + by), far=float(slope), parts=float(more))

    def missed(by: float) -> float:
        return coverage(counts, moved(by)) - INTERVAL

    if missed(-4.0) >= 0:
        return moved(-4.0)
    return moved(2.0 if missed(2.0) <= 0 else float(brentq(missed, -4.0, 2.0, xtol=1e-3)))


def coverage(counts: Counts, spread: Overdispersion) -> float:
    """Share of the counts that lie inside their intervals."""
    wide = np.array([spread.of(far, int(parts)) for far, parts in zip(counts.far, counts.parts, strict=True)])
    below, above = _sides(counts.expected, counts.chance, wide)
    off = counts.actual - counts.expected
    return float(((-below <= off) & (off <= above)).mean())


def _chance(probabilities: Vector) -> float:
    return float((probabilities * (1 - probabilities)).sum())


def _sides(middle: Vector, chance: Vector, spread: Vector) -> tuple[Vector, Vector]:
    """How far an interval reaches below and above its middle: chance on both sides, the spread in proportion."""
    by_chance = _SIDE**2 * (_TWICE * chance + _ROUNDING)
    below, above = middle * -np.expm1(-_SIDE * spread), middle * np.expm1(_SIDE * spread)
    return np.sqrt(below**2 + by_chance), np.sqrt(above**2 + by_chance)

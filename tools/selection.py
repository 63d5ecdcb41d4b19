"""From a spec to its users: who is eligible, in which order, and where the cut falls."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from encoders.calibration.calibrate import Vector
from encoders.forecast import Forecast
from tools.conditions import Condition, Conditions, Lookup, nobodys
from tools.disclosure import Disclosure, Mask, Question
from tools.reach import recommended_cut, users_at
from tools.types import AudienceSpec, Dropped


@dataclass(frozen=True)
class Selection:
    """The users of one audience, as rows of the forecaster, and what may be shown of them."""

    forecast: Forecast
    ranked: npt.NDArray[np.int64]
    """Eligible users, the likeliest first."""
    cut: float
    recommended_cut: float
    conditions: tuple[Dropped, ...]
    population: int
    """Users of the population, as they are shown."""
    eligible: int | None
    """Users of ``ranked``, as they are shown; None where they are too few."""
    shown: Vector
    """Probabilities of ``ranked``, as figures are computed from them: [eligible], highest first."""
    spread: float
    """How far the number of responders may be off beyond chance."""
    asked: Question
    """The conditions and the ranking, in canonical words."""
    counts: tuple[Question, ...]
    """What else is counted to show it: each condition by itself, where there are several."""

    @property
    def members(self) -> npt.NDArray[np.int64]:
        """Users above the cut."""
        return self.ranked[: users_at(self.cut, len(self.ranked))]

    @property
    def inside(self) -> Mask:
        """[N], who is above the cut."""
        inside = np.zeros(len(self.forecast.probabilities), bool)
        inside[self.members] = True
        return inside

    @property
    def question(self) -> Question:
        """Who is above the cut, in canonical words."""
        return (*self.asked, str(self.cut))


def select(
    forecast: Forecast, spec: AudienceSpec, conditions: Conditions, disclosure: Disclosure, lookup: Lookup = nobodys
) -> Selection:
    """Rank the eligible users; equal probabilities keep the order of their scores, then of their ids.

    Args:
        forecast: of the demand of the spec.
        spec: who is wanted.
        conditions: what the users can be held to.
        disclosure: how counts of them are shown.
        lookup: finds the saved audiences that the spec names.

    Raises:
        RequestError: a condition names something the data does not have.
    """
    named = conditions.of(spec, forecast, lookup, disclosure)
    eligible = conditions.eligible(named)
    rows = np.flatnonzero(eligible)
    order = np.lexsort((rows, -forecast.scores[rows], -forecast.probabilities[rows]))
    ranked = rows[order]
    probabilities = forecast.probabilities[ranked]
    population, users = counted(conditions.population, eligible, named, disclosure)
    asked = (*_keys(named), sha256(forecast.probabilities.tobytes()).hexdigest())
    shown = disclosure.ranked(probabilities, users, *asked)
    # Where no thing is named, the conditions say who is meant, and nobody who meets them is cut off.
    recommended = 1.0 if forecast.demand.anything else disclosure.cut(recommended_cut(shown, disclosure.smallest))
    return Selection(
        forecast=forecast,
        ranked=ranked,
        cut=recommended if spec.cut is None else disclosure.cut(spec.cut),
        recommended_cut=recommended,
        conditions=tuple(_dropped(each, conditions.population, population, disclosure) for each in named),
        population=population or 0,
        eligible=users,
        shown=shown,
        spread=disclosure.spread(forecast.spread, shown),
        asked=asked,
        counts=tuple((key,) for key in _keys(named)) if len(named) > 1 else (),
    )


def counted(
    population: Mask, eligible: Mask, named: tuple[Condition, ...], disclosure: Disclosure
) -> tuple[int | None, int | None]:
    """The population and those of it who meet the conditions, as they are shown."""
    everyone = disclosure.count(population)
    return everyone, disclosure.part(eligible, everyone, *_keys(named)) if named else everyone


def _keys(named: tuple[Condition, ...]) -> Question:
    """Conditions in canonical words: in any order, and each once."""
    return tuple(sorted({each.key for each in named}))


def _dropped(condition: Condition, population: Mask, everyone: int | None, disclosure: Disclosure) -> Dropped:
    kept = disclosure.part(population & condition.mask, everyone, condition.key)
    dropped = disclosure.rest(everyone, kept)
    if kept is None:
        dropped = everyone
    return Dropped(condition=condition.words, kept=kept, dropped=dropped)

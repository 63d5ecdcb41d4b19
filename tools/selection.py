"""From a spec to its users: who is eligible, in which order, and where the cut falls."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoders.calibration.calibrate import Vector
from encoders.forecast import Forecast
from tools.conditions import Conditions
from tools.reach import recommended_cut, users_at
from tools.types import AudienceSpec, Dropped


@dataclass(frozen=True)
class Selection:
    """The users of one audience, as rows of the forecaster."""

    forecast: Forecast
    ranked: npt.NDArray[np.int64]
    """Eligible users, the likeliest first."""
    cut: float
    recommended_cut: float
    conditions: tuple[Dropped, ...]

    @property
    def members(self) -> npt.NDArray[np.int64]:
        """Users above the cut."""
        return self.ranked[: users_at(self.cut, len(self.ranked))]

    @property
    def ranked_probabilities(self) -> Vector:
        """Probabilities of ``ranked``."""
        return self.forecast.probabilities[self.ranked]


def select(forecast: Forecast, spec: AudienceSpec, conditions: Conditions, minimum: int) -> Selection:
    """Rank the eligible users; equal probabilities keep the order of their scores, then of their ids.

    Raises:
        RequestError: a condition names something the data does not have.
    """
    eligible, counted = conditions.apply(spec, forecast)
    rows = np.flatnonzero(eligible)
    order = np.lexsort((rows, -forecast.scores[rows], -forecast.probabilities[rows]))
    ranked = rows[order]
    recommended = recommended_cut(forecast.probabilities[ranked], minimum)
    return Selection(forecast, ranked, recommended if spec.cut is None else spec.cut, recommended, counted)

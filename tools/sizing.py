"""The size of an audience with everything that is to be known about it."""

import numpy as np

from encoders.forecast import Forecaster
from encoders.history.events import HORIZON_DAYS
from tools.reach import curve_point, histogram, reach_curve
from tools.selection import Selection
from tools.types import AudienceSpec, SizeEstimate

_READS_AS = 8


def size_estimate(spec: AudienceSpec, selection: Selection, forecaster: Forecaster, smallest: int) -> SizeEstimate:
    """Count an audience, with the expected responders, their interval and the reach curve.

    Args:
        spec: what decides who is in.
        selection: the users that it selects.
        forecaster: where they come from.
        smallest: below so many users, members are not shown.
    """
    histories, groups = forecaster.scene.histories, forecaster.scene.vocabulary.groups
    spread, ranked = selection.forecast.spread, selection.ranked_probabilities
    point = curve_point(selection.cut, ranked, spread)
    reads_as = dict.fromkeys(groups[item] for item in selection.forecast.items)
    return SizeEstimate(
        demand=spec.demand,
        reads_as=tuple(reads_as)[:_READS_AS],
        horizon_days=selection.forecast.demand.horizon_days,
        as_of=histories.past.as_of,
        population=int(np.count_nonzero(histories.in_population)),
        eligible=len(ranked),
        cut=selection.cut,
        recommended_cut=selection.recommended_cut,
        users=point.users,
        responders=point.responders,
        all_responders=curve_point(1.0, ranked, spread).responders,
        precision=point.precision,
        lift=point.lift,
        curve=reach_curve(ranked, spread, {selection.cut, selection.recommended_cut}),
        histogram=histogram(ranked),
        conditions=selection.conditions,
        warnings=_warnings(selection, forecaster, smallest),
    )


def _warnings(selection: Selection, forecaster: Forecaster, smallest: int) -> tuple[str, ...]:
    warnings = []
    days = selection.forecast.demand.horizon_days
    if not len(selection.forecast.items):
        warnings.append("Nothing in the data is like what this sentence asks for, so the forecast is close to chance.")
    if days != HORIZON_DAYS:
        warnings.append(
            f"The model learned from futures of {HORIZON_DAYS} days; the level for {days} days is taken from how many "
            "did it in as many days before."
        )
    if len(selection.members) < smallest:
        units = forecaster.dataset.card.unit_plural
        warnings.append(f"Below {smallest} {units}, members are not shown or exported.")
    return tuple(warnings)

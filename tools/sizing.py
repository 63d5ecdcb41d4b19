"""The size of an audience with everything that is to be known about it."""

from encoders.forecast import Forecaster
from encoders.history.events import HORIZON_DAYS
from encoders.language.spans import LONGEST_HORIZON
from tools.disclosure import Disclosure
from tools.reach import curve_point, histogram, reach_curve
from tools.selection import Selection
from tools.stated.spans import ahead_in
from tools.types import ANYTHING, AudienceSpec, CurvePoint, SizeEstimate

MOST_READ = 8


def size_estimate(
    spec: AudienceSpec, selection: Selection, forecaster: Forecaster, disclosure: Disclosure, sentence: str = ""
) -> SizeEstimate:
    """Count an audience, with the expected responders, their interval and the reach curve.

    Args:
        spec: what decides who is in.
        selection: the users that it selects.
        forecaster: where they come from.
        disclosure: how counts of them are shown.
        sentence: everything that decides who is in.
    """
    groups, ranked, spread = forecaster.scene.vocabulary.groups, selection.shown, selection.spread
    point = audience_point(selection, disclosure)
    known = selection.eligible is not None
    anything = selection.forecast.demand.anything
    reads_as = [ANYTHING] if anything else dict.fromkeys(groups[item] for item in selection.forecast.items)
    return SizeEstimate(
        demand=spec.demand,
        sentence=sentence,
        reads_as=tuple(reads_as)[:MOST_READ],
        horizon_days=selection.forecast.demand.horizon_days,
        as_of=forecaster.scene.histories.past.as_of,
        population=selection.population,
        eligible=selection.eligible,
        cut=selection.cut,
        recommended_cut=selection.recommended_cut,
        users=point.users if point else None,
        responders=point.responders if point else None,
        all_responders=curve_point(1.0, ranked, spread).responders if known else None,
        precision=point.precision if point else None,
        lift=point.lift if point else None,
        curve=reach_curve(ranked, spread, {selection.cut, selection.recommended_cut}, disclosure.minimum),
        histogram=histogram(ranked, disclosure) if known else (),
        conditions=selection.conditions,
        warnings=_warnings(spec, selection, forecaster, None if point else disclosure.minimum),
    )


def audience_point(selection: Selection, disclosure: Disclosure) -> CurvePoint | None:
    """What to expect of an audience; None where it is below the minimum size."""
    if selection.eligible is None or disclosure.count(selection.inside, *selection.asked) is None:
        return None
    point = curve_point(selection.cut, selection.shown, selection.spread)
    return point if point.users >= disclosure.minimum else None


def _warnings(spec: AudienceSpec, selection: Selection, forecaster: Forecaster, fewest: int | None) -> tuple[str, ...]:
    warnings = []
    days = selection.forecast.demand.horizon_days
    if not len(selection.forecast.items):
        warnings.append("Nothing in the data is like what this sentence asks for, so the forecast is close to chance.")
    asked = ahead_in(spec.demand, forecaster.scene.histories.past.as_of)
    if days == LONGEST_HORIZON and asked and asked.days > days:
        warnings.append(
            f"The sentence looks {asked.days:,} days ahead; the longest time that can be forecast is {days} days, "
            "which is taken."
        )
    if days != HORIZON_DAYS:
        warnings.append(
            f"The model learned from futures of {HORIZON_DAYS} days; the level for {days} days is taken from how many "
            "did it in as many days before."
        )
    if fewest is not None:
        units = forecaster.dataset.card.unit_plural
        warnings.append(
            f"This audience has fewer than {fewest} {units}; so few are not counted, shown or exported, to protect "
            "single people. Make it broader."
        )
    return tuple(warnings)

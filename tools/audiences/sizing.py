"""From a spec to its users and sizes: selection, reach curve, the estimate, and the cut that reaches a goal."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from encoders.calibration import Vector
from encoders.data.events import HORIZON_DAYS
from encoders.metrics import best_size
from encoders.overdispersion import responders
from encoders.predictor import Forecast, Forecaster
from encoders.text.words import LONGEST_HORIZON
from tools.audiences.conditions import Condition, Conditions, Lookup, nobodys
from tools.audiences.disclosure import Disclosure, Mask, Question
from tools.operation_types import Goal, GoalReached
from tools.sentences.spans import ahead_in
from tools.types import ANYTHING, AudienceSpec, Bucket, CurvePoint, Dropped, Interval, SizeEstimate

# --- From a spec to its users and sizes: selection, reach curve, and the estimate -----------------


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
    """Points of at least ``smallest`` users, and as far apart, at the ``cuts`` in use and the usual ``CUTS``.

    From small to large; what is expected of fewer users than that would be the difference of two points.
    """
    kept: dict[int, float] = {}
    for cut in [*sorted(cuts - {0.0}), *sorted(CUTS, reverse=True)]:
        users = users_at(cut, len(probabilities))
        if users >= smallest and all(abs(users - each) >= smallest for each in kept):
            kept[users] = cut
    return tuple(curve_point(kept[users], probabilities, spread) for users in sorted(kept))


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
    population, users, *kept = counted(conditions.population, eligible, named, disclosure)
    asked = (*_keys(named), sha256(forecast.probabilities.tobytes()).hexdigest())
    shown = disclosure.ranked(probabilities, users, *asked)
    # Where no thing is named, the conditions say who is meant, and nobody who meets them is cut off.
    recommended = 1.0 if forecast.demand.anything else disclosure.cut(recommended_cut(shown, disclosure.smallest))
    return Selection(
        forecast=forecast,
        ranked=ranked,
        cut=recommended if spec.cut is None else disclosure.cut(spec.cut),
        recommended_cut=recommended,
        conditions=tuple(_dropped(each, left, population, disclosure) for each, left in zip(named, kept, strict=True)),
        population=population or 0,
        eligible=users,
        shown=shown,
        spread=disclosure.spread(forecast.spread, shown),
        asked=asked,
        counts=tuple((key,) for key in _keys(named)) if len(named) > 1 else (),
    )


def counted(
    population: Mask, eligible: Mask, named: tuple[Condition, ...], disclosure: Disclosure
) -> tuple[int | None, ...]:
    """The population, those of it who meet all conditions, and those who meet each of them, as they are shown."""
    users = [population, eligible, *(population & each.mask for each in named)]
    return disclosure.conditions(users, [(), _keys(named), *((each.key,) for each in named)])


def _keys(named: tuple[Condition, ...]) -> Question:
    """Conditions in canonical words: in any order, and each once."""
    return tuple(sorted({each.key for each in named}))


def _dropped(condition: Condition, kept: int | None, everyone: int | None, disclosure: Disclosure) -> Dropped:
    dropped = disclosure.rest(everyone, kept)
    if kept is None:
        dropped = everyone
    return Dropped(condition=condition.words, kept=kept, dropped=dropped)


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
    groups, ranked, spread = forecaster.snapshot.vocabulary.groups, selection.shown, selection.spread
    point = audience_point(selection, disclosure)
    known = selection.eligible is not None
    anything = selection.forecast.demand.anything
    reads_as = [ANYTHING] if anything else dict.fromkeys(groups[item] for item in selection.forecast.items)
    return SizeEstimate(
        demand=spec.demand,
        sentence=sentence,
        reads_as=tuple(reads_as)[:MOST_READ],
        horizon_days=selection.forecast.demand.horizon_days,
        as_of=forecaster.snapshot.histories.past.as_of,
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
        data_version=forecaster.dataset.card.version,
        model_version=forecaster.model.config.version,
    )


def is_shown(selection: Selection, disclosure: Disclosure) -> bool:
    """Whether an audience is large enough to be shown, by how many are eligible as it is shown.

    By how many they are, the cut from which on an audience is shown would tell whether there is one more of them.
    """
    if selection.eligible is None:
        return False
    return disclosure.count(users_at(selection.cut, selection.eligible), *selection.asked) is not None


def audience_point(selection: Selection, disclosure: Disclosure) -> CurvePoint | None:
    """What to expect of an audience; None where it is below the minimum size."""
    if not is_shown(selection, disclosure):
        return None
    point = curve_point(selection.cut, selection.shown, selection.spread)
    return point if point.users >= disclosure.minimum else None


def _warnings(spec: AudienceSpec, selection: Selection, forecaster: Forecaster, fewest: int | None) -> tuple[str, ...]:
    warnings = []
    days = selection.forecast.demand.horizon_days
    forecast = selection.forecast
    if not len(forecast.items) and not all(part.negated for part in forecast.demand.parts):
        warnings.append("Nothing in the data is like what this sentence asks for, so the forecast is close to chance.")
    if forecast.instead:
        others = " or ".join(f"'{name}'" for name in forecast.instead)
        warnings.append(
            f"These words may also mean {others}; the interval allows for that. Name what is meant to make it narrower."
        )
    asked = ahead_in(spec.demand, forecaster.snapshot.histories.past.as_of)
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


# --- What an audience is for: a size, a precision, or money; and the cut that reaches it ----------
#
# With a cost for every contact and a value for every responder, somebody is worth contacting as long as their chance
# times the value is more than the cost. Users are ranked by their chances, so the profit grows up to that cut and then
# falls.


def reach_goal(goal: Goal, ranked: Vector, spread: float, smallest: int) -> GoalReached:
    """The cut that reaches a goal.

    Args:
        goal: what is wanted; of several wishes the strictest decides.
        ranked: probabilities of the eligible users, highest first; none where they are fewer than ``smallest``.
        spread: how far the number of responders may be off beyond chance.
        smallest: so many users are kept where there are so many.
    """
    eligible = len(ranked)
    if not eligible:
        return GoalReached(goal=goal, cut=1.0, users=None, responders=None, reached=False)
    limits = [eligible if goal.users is None else goal.users]
    if goal.precision is not None:
        means = np.cumsum(ranked) / np.arange(1, eligible + 1)
        limits.append(int((means >= goal.precision).sum()))
    if goal.cost is not None and goal.budget is not None:
        limits.append(int(min(eligible, goal.budget / goal.cost + 1e-9)))
    if goal.cost is not None and goal.value is not None:
        limits.append(int((ranked * goal.value > goal.cost).sum()))
    wanted = min(limits)
    users = min(eligible, max(wanted, min(smallest, eligible)))
    low, mid, high = responders(ranked[:users], spread)
    cost = None if goal.cost is None else users * goal.cost
    profit = None
    if cost is not None and goal.value is not None:
        profit = Interval(low=low * goal.value - cost, mid=mid * goal.value - cost, high=high * goal.value - cost)
    return GoalReached(
        goal=goal,
        cut=users / eligible,
        users=users,
        responders=Interval(low=low, mid=mid, high=high),
        cost=cost,
        profit=profit,
        reached=wanted >= users,
    )

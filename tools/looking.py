"""Audiences as they would be: counted, shown and explained, with nothing kept but tuned demands.

Counting is an exact scan over all users, never a top-k of the index.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from encoders.errors import RequestError, TooSmallError
from encoders.forecast import Forecast
from encoders.history.events import ACTIVE_DAYS
from encoders.meaning import common_vector, sentence_vector
from encoders.settings import Settings
from encoders.workspace import Progress, silent
from tools.access.caller import OWNER, Caller, Scope
from tools.goals import Goal, GoalReached, reach_goal
from tools.population import Population
from tools.profile import profile_rows
from tools.selection import Selection, select
from tools.sizing import size_estimate
from tools.skew import skew_report
from tools.tenant import Tenant
from tools.types import (
    AudienceSpec,
    Comparison,
    DataCard,
    Explanation,
    GroupHit,
    ItemHit,
    Overlap,
    ProfileRow,
    SampleUser,
    SizeEstimate,
    SkewReport,
    TunedSummary,
)

LONGEST_REQUEST = 2000

_MOST_HITS = 50


class Looking:
    """What may be asked about audiences, by one caller."""

    def __init__(self, settings: Settings, population: Population, tenant: Tenant, caller: Caller = OWNER) -> None:
        """Look at a population, for a caller who sees the audiences of her own tenant alone."""
        self.settings = settings
        self._population, self._forecaster = population, population.forecaster
        self._tenant, self._registry, self._tuned = tenant, tenant.registry, tenant.tuned
        self._caller = caller

    def describe_data(self) -> DataCard:
        """What the data has: sources, attributes with their values, common groups, dates and versions."""
        return self._population.card

    def search_items(self, words: str, limit: int = 10) -> tuple[ItemHit, ...]:
        """Items of the data near some words, best first."""
        return self._population.search.items(_checked(words), min(limit, _MOST_HITS))

    def search_groups(self, words: str, limit: int = 8) -> tuple[GroupHit, ...]:
        """Groups of items near some words, best first."""
        return self._population.search.group_hits(_checked(words), min(limit, _MOST_HITS))

    # --- an audience as it would be ---------------------------------------------------------------

    def size(self, spec: AudienceSpec) -> SizeEstimate:
        """Count an audience, with the expected responders, their interval and the reach curve.

        Raises:
            RequestError: a filter or behaviour names something the data does not have.
        """
        if not spec.like:
            return self._population.size(spec)
        return size_estimate(spec, self._select(spec), self._forecaster, self.settings.minimum_size)

    def reach_goal(self, spec: AudienceSpec, goal: Goal) -> GoalReached:
        """The cut that reaches a goal, and what it brings.

        Raises:
            RequestError: a filter or behaviour names something the data does not have.
        """
        selection = self._select(spec)
        return reach_goal(goal, selection.ranked_probabilities, selection.forecast.spread, self.settings.minimum_size)

    def preview(self, spec: AudienceSpec, count: int = 5) -> tuple[SampleUser, ...]:
        """A few users from the top to the bottom of the audience, masked, with their evidence.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(spec))
        places = np.unique(np.linspace(0, len(selection.members) - 1, max(1, min(count, 20))).astype(int))
        return tuple(
            self._population.people.sample(selection.forecast, int(selection.members[place])) for place in places
        )

    def profile(self, spec: AudienceSpec, limit: int = 12) -> tuple[ProfileRow, ...]:
        """What is more common in the audience than among everyone, most first.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(spec))
        inside = self._inside(selection)
        everyone = self._population
        return profile_rows(
            inside, everyone.active, everyone.conditions.attributes, everyone.did_lately, everyone.group_names, limit
        )

    def skew(self, spec: AudienceSpec) -> SkewReport:
        """Whom the audience takes more often than others, by each attribute.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        selection = self._large_enough(self._select(spec))
        return skew_report(self._inside(selection), self._population.active, self._population.conditions.attributes)

    def explain(self, user_id: str, spec: AudienceSpec) -> Explanation:
        """Why one user is in the audience, or why not, from her own events; her id is masked below the admin scope.

        Raises:
            RequestError: there is no such user before the as-of date.
        """
        row = self._population.people.row_of(user_id)
        unit = self._population.card.unit
        if row is None:
            raise RequestError(f"There is no {unit} '{user_id[:60]}' with events before {self._population.as_of}.")
        selection = self._select(spec)
        probability = float(selection.forecast.probabilities[row])
        inside = bool(np.isin(row, selection.members))
        reasons = [] if inside else self._reasons_out(spec, selection.forecast, row)
        found = self._forecaster.reasons(selection.forecast, row)
        below = float((selection.ranked_probabilities < probability).mean()) if len(selection.ranked) else 0.0
        verdict = "is in the audience" if inside else "is not in the audience"
        users, people = self._population.user_ids, self._population.people
        shown = users[row] if self._caller.may(Scope.ADMIN) else people.masked(row)
        text = f"{unit.capitalize()} {shown} {verdict}"
        text += "." if inside else f": {'; '.join(reasons)}."
        return Explanation(
            user_id=shown,
            probability=probability,
            percentile=below,
            in_audience=inside,
            reasons=tuple(reasons),
            evidence=people.evidence(found),
            text=f"{text} {people.why(found)}",
        )

    def demand_vector(self, demand: str) -> npt.NDArray[np.float32]:
        """What a sentence wants, as a unit vector in the space of the item texts, [D]."""
        return sentence_vector(self._forecaster, _checked(demand))

    def common_vector(self, spec: AudienceSpec) -> npt.NDArray[np.float32]:
        """What the users of an audience do more than everyone, in the same space.

        Raises:
            TooSmallError: the audience is below the minimum size.
        """
        return common_vector(self._forecaster, self._large_enough(self._select(spec)).members)

    def compare(self, audiences: Sequence[AudienceSpec | str]) -> Comparison:
        """The overlap of every pair; a string is the id or name of a saved audience.

        Raises:
            RequestError: fewer than two audiences, or one that is not there.
        """
        if len(audiences) < 2:
            raise RequestError("Comparing needs at least two audiences.")
        named = [self._named_members(each) for each in audiences]
        overlaps = []
        for (name_a, a), (name_b, b) in combinations(named, 2):
            both, either = len(a & b), len(a | b)
            jaccard = both / either if either else 0.0
            overlaps.append(
                Overlap(a=name_a, b=name_b, users_a=len(a), users_b=len(b), both=both, either=either, jaccard=jaccard)
            )
        return Comparison(overlaps=tuple(overlaps))

    # --- demands fitted to users ------------------------------------------------------------------

    def tune(
        self, name: str, demand: str | None, seeds: Sequence[str] | str, progress: Progress = silent
    ) -> TunedSummary:
        """Fit a demand to users who are known to be meant; an earlier one of that name is replaced.

        Args:
            name: what ``AudienceSpec.like`` will call it.
            demand: the sentence to begin with; None to look for users like the ``seeds`` whatever that is.
            seeds: ids of users, or the id or name of a saved audience. Ids without a history are passed over.
            progress: called as the work goes on; nothing is replaced where it raises.

        Raises:
            RequestError: fewer than five have a history, or there is no such audience.
        """
        users = self._named_members(seeds)[1] if isinstance(seeds, str) else seeds
        return self._tuned.tune(name, None if demand is None else _checked(demand), sorted(users), progress)

    def tuned(self, name: str) -> TunedSummary:
        """What is kept under the name of a tuned demand.

        Raises:
            RequestError: there is none of that name.
            ModelError: it was tuned with another model.
        """
        return self._tuned.summary(name)

    # --- inside -----------------------------------------------------------------------------------

    def _select(self, spec: AudienceSpec) -> Selection:
        forecast = self._tuned.forecast(spec) if spec.like else self._forecaster.forecast(spec.demand)
        return select(forecast, spec, self._population.conditions, self.settings.minimum_size)

    def _inside(self, selection: Selection) -> npt.NDArray[np.bool_]:
        """[N], who is in the audience."""
        inside = np.zeros(len(self._population.active), bool)
        inside[selection.members] = True
        return inside

    def _large_enough(self, selection: Selection) -> Selection:
        self._check_size(len(selection.members))
        return selection

    def _check_size(self, users: int) -> None:
        minimum = self.settings.minimum_size
        if users < minimum:
            raise TooSmallError(
                f"This audience has {users} {self._population.card.unit_plural}; below {minimum} its members are not "
                "shown or exported, to protect single people. Make it broader."
            )

    def _named_members(self, audience: AudienceSpec | str) -> tuple[str, set[str]]:
        if isinstance(audience, str):
            saved = self._registry.get(audience)
            return saved.name, set(self._registry.members(saved.id, saved.version)[0])
        users = self._population.user_ids
        return audience.demand, {users[row] for row in self._select(audience).members}

    def _reasons_out(self, spec: AudienceSpec, forecast: Forecast, row: int) -> list[str]:
        inactive = f"not active in the {ACTIVE_DAYS} days before {self._population.as_of}"
        reasons = [] if self._population.active[row] else [inactive]
        conditions = self._population.conditions.masks(spec, forecast)
        reasons += [f"does not meet the condition: {words}" for words, mask in conditions if not mask[row]]
        return reasons or ["the probability is below the cut"]


def _checked(words: str) -> str:
    words = " ".join(words.split())
    if not words:
        raise RequestError("Say what to look for; the words are empty.")
    return words[:LONGEST_REQUEST]

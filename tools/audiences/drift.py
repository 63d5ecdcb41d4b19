"""Whether a saved audience is still what was saved: asked again on the data and the model that are served now.

People come and go near the cut with every week of events, and the forecast says itself how sure it is. So whoever is
within the interval of the cut counts as neither come nor gone: where the responders may be a fifth more or fewer, so
may the users that are best to take.
"""

from collections.abc import Callable
from datetime import timedelta

from encoders.errors import AudienceError, RequestError
from encoders.text.demand import read_demand
from tools.audiences.changes import moves, saved_question, shown_audience
from tools.audiences.disclosure import Disclosure
from tools.audiences.outcomes import Outcomes
from tools.audiences.population import Population
from tools.audiences.sizing import Selection, curve_point, users_at
from tools.operation_types import Drift, DriftReport, UncheckedAudience
from tools.storage.registry import Registry
from tools.storage.sqlite import Database
from tools.types import AudienceSpec, Interval, SavedAudience

DRIFT_COUNTS = 9
"""Figures of users that a report shows, each with noise of its own."""
MOST_MOVED = 0.2
"""A larger share that moved is drift: with every fifth user another one, a campaign reaches another audience."""

WIDER = 1.96 / 1.2816
"""From the 80 % interval of a forecast to its 95 % interval: outside the first is every fifth by chance alone."""


class DriftChecks:
    """The drift of the saved audiences of one tenant."""

    def __init__(
        self,
        registry: Registry,
        population: Population,
        disclosure: Disclosure,
        select: Callable[[AudienceSpec], Selection],
        outcomes: Outcomes,
        emit: Callable[[Database, SavedAudience, Drift], None],
    ) -> None:
        """Look at nothing yet.

        Args:
            registry: the saved audiences.
            population: the users as they are now.
            disclosure: how counts are shown.
            select: gives the users of a spec now.
            outcomes: how saved audiences did.
            emit: told of a version that drifted, with counts as tokens see them, inside a transaction.
        """
        self._registry, self._population, self._disclosure = registry, population, disclosure
        self._select, self._outcomes, self._emit = select, outcomes, emit

    def check(self, audience: str) -> Drift:
        """Ask a saved audience again; where it drifted, who subscribed is told, once per version, day and model.

        Raises:
            RequestError: there is no such audience, it was combined from others, or it is of a later day.
            AudienceError: it cannot be asked again; the text says why.
        """
        saved = self._registry.get(audience)
        found = self._drift(saved, self._disclosure)
        if found.drifted:
            told, protected = self._drift(saved, self._population.protected), self._population.protected
            with self._registry.database.transaction():
                self._emit(self._registry.database, shown_audience(saved, protected), told)
        return found

    def look(self, audience: str) -> Drift:
        """The same as ``check``, and nobody is told."""
        return self._drift(self._registry.get(audience), self._disclosure)

    def check_all(self) -> DriftReport:
        """Ask every audience in use again, its newest version; those that cannot be asked are listed with why."""
        found, unchecked = [], []
        for saved in self._registry.list():
            if saved.archived is not None:
                continue
            try:
                found.append(self.check(saved.id))
            except AudienceError as error:
                unchecked.append(UncheckedAudience(name=saved.name, why=str(error)))
        return DriftReport(audiences=tuple(found), unchecked=tuple(unchecked))

    def _drift(self, saved: SavedAudience, disclosure: Disclosure) -> Drift:
        spec, today = saved.spec, self._population.as_of
        if spec is None:
            raise RequestError(f"'{saved.name}' was combined from others; check those.")
        if saved.as_of > today:
            raise RequestError(f"'{saved.name}' is as of {saved.as_of}, and what is served is as of {today}.")
        selection = self._select(spec)
        was = set(self._registry.members(saved.id, saved.version)[0])
        ranked = [self._population.user_ids[row] for row in selection.ranked]
        now = set(ranked[: len(selection.members)])
        chances = selection.forecast.probabilities[selection.ranked]
        forecast = curve_point(selection.cut, chances, selection.forecast.spread).responders
        question = saved_question(saved)
        users = disclosure.count(was, *question)
        users_now = disclosure.count(now, *selection.question)
        (users, users_now), stayed, came, left = moves((was, now), (users, users_now), disclosure, ("drift", *question))
        moved = disclosure.fraction(*movement(was, ranked, selection.cut, forecast), "moved", *question)
        counted = None if users is None else self._counted(saved, spec)
        counted = None if counted is None else disclosure.measured(counted, *question)
        expected = None if users is None else disclosure.interval(saved.forecast, *question)
        reasons = {"members": moved > MOST_MOVED, "calibration": is_off(expected, counted)}
        return Drift(
            audience_id=saved.id,
            name=saved.name,
            version=saved.version,
            as_of=saved.as_of,
            checked=today,
            model_version=self._population.card.model_version,
            users=users,
            users_now=users_now,
            stayed=stayed,
            came=came,
            left=left,
            moved=moved,
            forecast=expected,
            forecast_now=None if users_now is None else disclosure.interval(forecast, *selection.question),
            counted=counted,
            reasons=[reason for reason, found in reasons.items() if found],
        )

    def _counted(self, saved: SavedAudience, spec: AudienceSpec) -> int | None:
        """Responders as recorded or, once the horizon is over today, as the events have them; None for neither."""
        recorded = self._registry.outcome(saved.id, saved.version)
        if recorded:
            return recorded.responders
        days = read_demand(spec.demand).horizon_days
        if saved.as_of + timedelta(days=days) > self._population.as_of:
            return None
        try:
            members = self._registry.members(saved.id, saved.version)[0]
            return len(self._outcomes.responded(saved) & set(members))
        except RequestError:
            return None


def movement(was: set[str], ranked: list[str], cut: float, forecast: Interval) -> tuple[int, int]:
    """How many came or left, those near the cut apart, and how many were and are in, both counted.

    Args:
        was: users of the snapshot.
        ranked: users who are eligible now, the likeliest first.
        cut: share of them that the audience takes.
        forecast: responders expected now; its interval says how far the cut may be off.
    """
    low, high = (forecast.low / forecast.mid, forecast.high / forecast.mid) if forecast.mid else (1.0, 1.0)
    surely = ranked[: users_at(cut * low, len(ranked))]
    perhaps = ranked[: users_at(min(1.0, cut * high), len(ranked))]
    together = len(was) + users_at(cut, len(ranked))
    return len(set(surely) - was) + len(was - set(perhaps)), together


def is_off(forecast: Interval | None, counted: int | None) -> bool:
    """Whether what was counted is too far from what was forecast."""
    if forecast is None or counted is None:
        return False
    low = forecast.mid - WIDER * (forecast.mid - forecast.low)
    high = forecast.mid + WIDER * (forecast.high - forecast.mid)
    return not low <= counted <= high

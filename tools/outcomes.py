"""How a saved audience did: the responders of a file, or of the data itself, against the holdout and the forecast."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from encoders.errors import RequestError
from encoders.forecast import Forecaster
from encoders.history.events import HORIZON_DAYS
from encoders.history.responding import responders
from encoders.language.demand import read_demand
from tools import uplift
from tools.campaign_types import CampaignOutcome, Side
from tools.outcome_file import read_outcome
from tools.registry import Registry
from tools.tuned import TunedDemands
from tools.types import SavedAudience

_NAMED = 5
_NO_HOLDOUT = (
    "Nobody was held back, so it cannot be known how many of them would have done it anyway. Keep some back next time."
)
_NO_RATIO = "On one side nobody responded, so the uplift has no size relative to the holdout."


class Outcomes:
    """The outcomes of the saved audiences of one workspace."""

    def __init__(self, registry: Registry, forecaster: Forecaster, tuned: TunedDemands) -> None:
        """Read nothing yet."""
        self._registry, self._forecaster, self._tuned = registry, forecaster, tuned

    def from_file(self, audience: str, path: Path, by: str, version: int | None = None) -> CampaignOutcome:
        """Record the responses in a file; the same file twice is recorded once.

        Raises:
            RequestError: there is no such audience or version, or the file cannot be read.
        """
        saved = self._registry.get(audience, version)
        days = read_demand(saved.spec.demand).horizon_days if saved.spec else HORIZON_DAYS
        found = read_outcome(path, saved.as_of, saved.as_of + timedelta(days=days))
        members = set(self._registry.members(saved.id, saved.version)[0])
        users = self._forecaster.dataset.users["user_id"]
        strangers = sorted(found.values.keys() - set(users) - members - self._forecaster.scene.histories.row_of.keys())
        others = len(found.values.keys() - members) - len(strangers)
        notes = list(found.notes)
        if strangers:
            named = ", ".join(repr(user[: 8 * _NAMED]) for user in strangers[:_NAMED])
            more = f" and {len(strangers) - _NAMED:,} more" if len(strangers) > _NAMED else ""
            notes.append(f"{len(strangers):,} ids belong to nobody in this data: {named}{more}.")
        if others:
            notes.append(f"{others:,} responders are not in the audience and were not counted.")
        return self._record(saved, "file", found.values, notes, by)

    def from_data(self, audience: str, by: str, version: int | None = None) -> CampaignOutcome:
        """Record who did what the demand says in the data itself, whose events after the as-of date are there by now.

        Raises:
            RequestError: there is no such audience, or its demand cannot be read off events.
            DataError: the horizon is not over in this data.
        """
        saved = self._registry.get(audience, version)
        return self._record(saved, "data", dict.fromkeys(sorted(self.responded(saved))), [], by)

    def responded(self, saved: SavedAudience) -> set[str]:
        """Everybody who did what the demand of a saved audience says, in the horizon after its day; nothing is kept.

        Raises:
            RequestError: its demand cannot be read off events.
            DataError: the horizon is not over in this data.
        """
        if saved.spec is None:
            raise RequestError(
                f"'{saved.name}' was combined from others and has no demand; bring its outcome as a file."
            )
        if saved.spec.like:
            demand, items = self._tuned.meant(saved.spec)
        else:
            demand, items = self._forecaster.meant(saved.spec.demand)
        if not all(map(len, items)):
            raise RequestError(
                f"Nothing in the data is what '{saved.name}' asks for, so its events cannot tell; bring a "
                "file of responders."
            )
        return responders(self._forecaster.dataset, saved.as_of, demand, items)

    def last(self, audience: str, version: int | None = None) -> CampaignOutcome | None:
        """What was recorded last; None where nothing was."""
        return self._registry.outcome(audience, version)

    def _record(
        self, saved: SavedAudience, source: str, values: Mapping[str, float | None], notes: list[str], by: str
    ) -> CampaignOutcome:
        members, held_out = (set(each) for each in self._registry.members(saved.id, saved.version))
        contacted, held = _side(members - held_out, values), _side(held_out, values)
        lift = uplift.difference(contacted.rate, held.rate) if contacted.rate and held.rate else None
        ratio = uplift.relative(contacted.responders, contacted.users, held.responders, held.users) if lift else None
        if lift is None:
            notes.append(_NO_HOLDOUT)
        elif ratio is None:
            notes.append(_NO_RATIO)
        counted, forecast = contacted.responders + held.responders, saved.forecast
        outcome = CampaignOutcome(
            audience_id=saved.id,
            name=saved.name,
            version=saved.version,
            as_of=saved.as_of,
            source="file" if source == "file" else "data",
            contacted=contacted,
            held_out=held,
            uplift=lift,
            relative=ratio,
            forecast=forecast,
            forecast_held=forecast.low <= counted <= forecast.high if forecast else None,
            notes=tuple(notes),
            recorded=datetime.now(UTC),
            recorded_by=by,
        )
        content = sha256(json.dumps([source, sorted(values.items()), notes]).encode()).hexdigest()
        return self._registry.record_outcome(outcome, content, by)


def _side(users: set[str], values: Mapping[str, float | None]) -> Side:
    """Responders among some users."""
    responded = [values[user] for user in sorted(users & values.keys())]
    amounts = [value for value in responded if value is not None]
    return Side(
        users=len(users),
        responders=len(responded),
        rate=uplift.share(len(responded), len(users)),
        value=sum(amounts) if amounts else None,
    )

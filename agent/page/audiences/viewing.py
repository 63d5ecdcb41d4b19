"""What the place shows: the library, or one audience of it, from what the service knows."""

from collections import OrderedDict
from typing import TYPE_CHECKING

from agent.page.audiences.opened import OpenedAudience, missing, opened
from agent.page.audiences.table import LibraryRow, library
from agent.page.cards import Units, units_of
from encoders.errors import AudienceError, NotThereError
from tools.operation_types import Drift, ForecastRecord
from tools.types import SavedAudience

if TYPE_CHECKING:
    from tools.service import AudienceService

MOST_ASKED_AGAIN = 50
"""Audiences of the table, the latest, that are asked again for their drift; the others are when they are opened."""
_ALL = 100_000
_KEPT = 1000

Place = tuple[str, int]
"""The id of an audience, and one of its versions."""


class Drifts:
    """The drift of saved audiences as it was found last, for it takes a while to find."""

    def __init__(self) -> None:
        """Find nothing yet."""
        self._found: OrderedDict[tuple[object, ...], Drift | str] = OrderedDict()

    def known(
        self, service: "AudienceService", saved: SavedAudience, record: ForecastRecord | None
    ) -> Drift | str | None:
        """What was found with the data and the model that are served; None: nothing yet."""
        return self._found.get(self._key(service, saved, record))

    def find(self, service: "AudienceService", saved: SavedAudience, record: ForecastRecord | None) -> Drift | str:
        """Ask a saved audience again where that was not done yet; why it cannot be is words."""
        key = self._key(service, saved, record)
        if key not in self._found:
            try:
                self._found[key] = service.drifts.look(saved.id)
            except AudienceError as error:
                self._found[key] = str(error)
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return self._found[key]

    @staticmethod
    def _key(service: "AudienceService", saved: SavedAudience, record: ForecastRecord | None) -> tuple[object, ...]:
        card = service.describe_data()
        now = (card.as_of, card.model_version, card.data_version)
        return (saved.id, saved.version, saved.name, record.responders if record else None, *now)


class Viewing:
    """The views of one service."""

    def __init__(self, service: "AudienceService", drifts: Drifts) -> None:
        """Look at nothing yet."""
        self._service, self._drifts = service, drifts
        self.units: Units = units_of(service.describe_data())

    def table(self, counted: bool = True, asked_again: bool = True) -> str:
        """The library.

        Args:
            counted: with what became of the forecasts.
            asked_again: with the drift, also where it has to be found first.
        """
        service, records = self._service, self._records() if counted else {}
        uses = service.all_uses()
        # As the table sorts them at first, so that nothing moves under the pointer when its script begins.
        saved = sorted(service.list_audiences(archived=True), key=lambda each: each.as_of, reverse=True)
        latest = sorted(saved, key=lambda each: each.created, reverse=True)[:MOST_ASKED_AGAIN]
        find = {each.id for each in latest} if counted and asked_again else set[str]()
        rows = []
        for one in saved:
            record = records.get((one.id, one.version))
            look = self._drifts.find if one.id in find and one.archived is None else self._drifts.known
            drift = look(service, one, record) or ("Open it to see." if asked_again else None)
            rows.append(LibraryRow(one, uses.of(one.id), record, drift))
        return library(rows, service.deleted(), self.units)

    def one(self, audience: str, counted: bool = True) -> str:
        """One audience, by its id; where there is none of that id, that.

        Args:
            audience: the id.
            counted: with what became of its forecast, and its drift.
        """
        service = self._service
        try:
            saved = service.saved(audience)
        except NotThereError:
            return missing(audience)
        record = self._records().get((saved.id, saved.version)) if counted else None
        drift = self._drifts.find(service, saved, record) if counted else None
        return opened(
            OpenedAudience(
                saved=saved,
                history=service.history(saved.id),
                uses=service.uses(saved.id),
                record=record,
                outcome=service.outcomes.last(saved.id),
                drift=drift,
            ),
            self.units,
        )

    def _records(self) -> dict[Place, ForecastRecord]:
        return {(each.audience_id, each.version): each for each in self._service.ledger.page(_ALL).forecasts}

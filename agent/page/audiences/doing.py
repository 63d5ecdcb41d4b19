"""What the buttons of the library do: ask, with the numbers, and after the yes have the service do it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from agent.guard.verdict import permit
from agent.page.audiences import panels
from agent.page.audiences.panels import done
from agent.page.cards import Units, day, units_of
from encoders.errors import AudienceError, RequestError
from encoders.workspace import Progress
from tools.access.callers import OWNER
from tools.types import SavedAudience, named

if TYPE_CHECKING:
    from tools.service import AudienceService

Fields = Mapping[str, Sequence[str]]


class Shown(NamedTuple):
    """What the page shows after an act."""

    panel: str = ""
    """What is asked, or was done, as HTML; empty: nothing."""
    place: str | None = None
    """The id of the audience to show, anew; empty: the library; None: what is shown stays."""


class Acts:
    """The acts of one event; what comes from the page is looked up as text, and never trusted."""

    def __init__(self, service: "AudienceService", of: str, fields: Fields, progress: Progress) -> None:
        """Do nothing yet.

        Args:
            service: what does it.
            of: the id of the audience that it is done to, where it is done to one.
            fields: what was filled in.
            progress: told what is being done.
        """
        self._service, self._of, self._fields, self._progress = service, of, fields, progress
        self._units: Units = units_of(service.describe_data())

    def act(self, name: str) -> Shown:
        """Do what a button is called.

        Raises:
            RequestError: there is no such button.
            AudienceError: it cannot be done; the text says why.
        """
        found = _ACTS.get(name)
        if found is None:
            raise RequestError("The page has no such button; load it again.")
        return found(self)

    # --- one audience ------------------------------------------------------------------------------

    def visit(self) -> Shown:
        """Open an audience, or go back to the library."""
        return Shown(place=self._of)

    def leave(self) -> Shown:
        """Close what was asked."""
        return Shown()

    def ask_rename(self) -> Shown:
        """Ask for a name."""
        return Shown(panels.ask_rename(self._saved()))

    def rename(self) -> Shown:
        """Give it the name; where another audience has it, ask again."""
        saved, name = self._saved(), self._field("name")
        try:
            _permit(name)
            if (other := self._service.named(name)) and other.id != saved.id:
                raise RequestError(panels.name_taken(other))
            renamed = self._service.rename(saved.id, name, OWNER.name)
        except AudienceError as error:
            return Shown(panels.ask_rename(saved, str(error), name))
        back = ("rename back", f"{saved.id} {saved.name}", "Undo")
        return Shown(done(f"'{saved.name}' is now called '{renamed.name}'.", back), saved.id)

    def rename_back(self) -> Shown:
        """Give it the name it had."""
        audience, _, name = self._of.partition(" ")
        renamed = self._service.rename(audience, name, OWNER.name)
        return Shown(done(f"It is called '{renamed.name}' again."), renamed.id)

    def archive(self) -> Shown:
        """Put it away, which can be taken back."""
        saved = self._service.archive(self._saved().id, OWNER.name)
        told = f"'{saved.name}' is archived: it is no longer refreshed or exported, and its forecast is still judged."
        return Shown(done(told, ("take back", saved.id, "Undo")), saved.id)

    def take_back(self) -> Shown:
        """Have it among the others again."""
        saved = self._service.take_back(self._saved().id, OWNER.name)
        return Shown(done(f"'{saved.name}' is back.", ("archive", saved.id, "Undo")), saved.id)

    def ask_delete(self) -> Shown:
        """Say what goes with it."""
        saved, days = self._saved(), self._service.settings.undo_days
        until = (datetime.now(UTC) + timedelta(days=days)).date() if days else None
        return Shown(panels.ask_delete(saved, self._service.uses(saved.id), until))

    def delete(self) -> Shown:
        """Delete it; where it can be, it is offered back."""
        saved = self._service.delete(self._saved().id)
        deleted = next((each for each in self._service.deleted() if each.id == saved.id), None)
        if deleted is None:
            return Shown(done(f"'{saved.name}' is deleted."), "")
        told = f"'{saved.name}' is deleted. You can bring it back until {day(deleted.until)}."
        return Shown(done(told, ("bring back", saved.id, "Bring it back")), "")

    def bring_back(self) -> Shown:
        """Undo a deletion; under another name where another audience has its own by now."""
        deleted = next((each for each in self._service.deleted() if each.id == self._of), None)
        name = deleted.name if deleted else ""
        if self._service.named(name) is not None:
            name = next(each for number in range(2, 100) if self._free(each := f"{name} ({number})"))
        saved = self._service.restore(self._of, OWNER.name, name)
        return Shown(done(f"'{saved.name}' is back, with its versions and outcomes."), saved.id)

    def _free(self, name: str) -> bool:
        return self._service.named(name) is None

    def ask_delete_for_good(self) -> Shown:
        """Say that it cannot be undone."""
        name = next((each.name for each in self._service.deleted() if each.id == self._of), "")
        if not name:
            raise RequestError("It is gone already, or was brought back.")
        return Shown(panels.ask_delete_for_good(self._of, name))

    def delete_for_good(self) -> Shown:
        """Delete what was deleted before, so that it cannot be brought back."""
        if self._of not in {each.id for each in self._service.deleted()}:
            raise RequestError("It is gone already, or was brought back.")
        self._service.delete(self._of, for_good=True)
        return Shown(done("It is gone for good."), "")

    def ask_refresh(self) -> Shown:
        """Ask for the day."""
        saved = self._saved()
        proposed, last = self._service.refresh_days(saved.id)
        return Shown(panels.ask_refresh(saved, proposed, last))

    def refresh(self) -> Shown:
        """Save the version of another day; a day that cannot be is asked for again."""
        saved, asked = self._saved(), self._field("day")
        try:
            try:
                wanted = date.fromisoformat(asked)
            except ValueError:
                raise RequestError(f"'{asked[:20]}' is no day; choose one such as 2017-11-01.") from None
            found = self._service.refresh(saved.id, OWNER.name, wanted, progress=self._progress)
        except AudienceError as error:
            proposed, last = self._service.refresh_days(saved.id)
            return Shown(panels.ask_refresh(saved, proposed, last, str(error)))
        return Shown(panels.refreshed(found, self._units), saved.id)

    # --- export ------------------------------------------------------------------------------------

    def ask_export(self) -> Shown:
        """Ask where to."""
        return Shown(panels.ask_export(self._saved(), self._service.destinations.list()))

    def plan_export(self) -> Shown:
        """Count who would leave; where nobody may, say why and ask again."""
        saved, (to, format) = self._saved(), self._wanted()
        destinations = self._service.destinations.list()
        try:
            plan = self._service.planned_export(saved.id, format, to)
        except AudienceError as error:
            return Shown(panels.ask_export(saved, destinations, str(error)))
        where = next((each for each in destinations if each.key == to), None)
        return Shown(panels.plan_export(saved, plan, where, format, self._units))

    def export(self) -> Shown:
        """Write the file, or send it."""
        saved, (to, format) = self._saved(), self._wanted()
        self._progress("Writing the file")
        file = self._service.export(saved.id, format, platform=to)
        return Shown(panels.exported(saved, file), saved.id)

    def _wanted(self) -> tuple[str, Literal["csv", "parquet"]]:
        return self._field("to"), "parquet" if self._field("format") == "parquet" else "csv"

    # --- several of them ---------------------------------------------------------------------------

    def compare(self) -> Shown:
        """Lay two or three over each other."""
        parts = self._chosen()
        ids = [each.id for each in parts]
        self._progress("Comparing")
        regions, apart = self._service.regions(ids), self._service.apart(ids)
        return Shown(panels.compare(parts, regions, apart, self._units))

    def ask_combine(self) -> Shown:
        """Ask how to combine them."""
        return Shown(panels.ask_combine(self._chosen(), self._units))

    def count_combination(self) -> Shown:
        """Count the combination before it is saved."""
        operation, parts = self._operation(), self._chosen()
        users = self._service.combined_users(operation, [each.id for each in parts])
        name = self._field("name") or self._proposed(operation, parts)
        _permit(name)
        return Shown(panels.ask_combine(parts, self._units, operation, name, (users,), self._service.named(name)))

    def combine(self) -> Shown:
        """Save the combination: as a new audience, or as the version that was shown."""
        operation, parts, name = self._operation(), self._chosen(), self._field("name")
        shown = self._field("version")
        version = int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 10 else 1
        if not name:
            return self.count_combination()
        _permit(name)
        ids = [each.id for each in parts]
        try:
            saved = self._service.combine(operation, ids, name, OWNER.name, as_version=version)
        except AudienceError as error:
            taken, users = self._service.named(name), self._service.combined_users(operation, ids)
            if taken is None or taken.version + 1 == version:
                raise error
            return Shown(panels.ask_combine(parts, self._units, operation, name, (users,), taken))
        users_told = f"{self._units.number(saved.users)} {self._units.many}"
        told = f"'{saved.name}' is saved, version {saved.version}: {users_told}."
        undo = ("ask delete", saved.id, "Delete it again") if saved.version == 1 else None
        return Shown(done(told, undo), saved.id)

    def _operation(self) -> Literal["and", "or", "not"]:
        match self._field("operation"):
            case "and":
                return "and"
            case "not":
                return "not"
        return "or"

    def _proposed(self, operation: str, parts: Sequence[SavedAudience]) -> str:
        joint = {"and": " and ", "or": " or ", "not": " without "}[operation]
        return joint.join(each.name for each in parts)[:100]

    # --- inside ------------------------------------------------------------------------------------

    def _saved(self) -> SavedAudience:
        return self._service.saved(self._of)

    def _field(self, name: str) -> str:
        return next(iter(self._fields.get(name, ())), "").strip()

    def _chosen(self) -> list[SavedAudience]:
        """The audiences that were ticked, each once, with the one that is to be first in front."""
        found = {one.id: one for one in map(self._service.saved, self._fields.get("audience", ()))}
        first = self._field("first")
        chosen = sorted(found.values(), key=lambda each: each.id != first)
        if len(chosen) < 2:
            raise RequestError("Tick at least two audiences.")
        return chosen


def _permit(name: str) -> None:
    """See that a name, which others will read, says nothing that may not be asked for.

    Raises:
        AudienceError: it does; the text says why.
    """
    for spec in named(name):
        permit(spec)


_ACTS: Mapping[str, Callable[[Acts], Shown]] = {
    "visit": Acts.visit,
    "leave": Acts.leave,
    "ask rename": Acts.ask_rename,
    "rename": Acts.rename,
    "rename back": Acts.rename_back,
    "archive": Acts.archive,
    "take back": Acts.take_back,
    "ask delete": Acts.ask_delete,
    "delete": Acts.delete,
    "bring back": Acts.bring_back,
    "ask delete for good": Acts.ask_delete_for_good,
    "delete for good": Acts.delete_for_good,
    "ask refresh": Acts.ask_refresh,
    "refresh": Acts.refresh,
    "ask export": Acts.ask_export,
    "plan export": Acts.plan_export,
    "export": Acts.export,
    "compare": Acts.compare,
    "ask combine": Acts.ask_combine,
    "count combination": Acts.count_combination,
    "combine": Acts.combine,
}

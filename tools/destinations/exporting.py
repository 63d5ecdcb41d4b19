"""Exporting a saved audience: the one road out, to a file, and from there to whoever it is for."""

from typing import Any, Literal

from encoders.errors import RequestError
from encoders.workspace import Workspace
from tools.destinations.known import Destinations
from tools.destinations.protocol import Destination, Receiver
from tools.destinations.pushing import push
from tools.export import export_audience
from tools.platforms import Platform
from tools.reaching import Reaching
from tools.registry import Registry
from tools.types import ExportFile, SavedAudience


class Exports:
    """The exports of one tenant."""

    def __init__(
        self,
        workspace: Workspace,
        registry: Registry,
        destinations: Destinations,
        minimum: int,
        exact: bool = True,
    ) -> None:
        """Write nothing yet.

        Args:
            workspace: where the contacts are and the files go.
            registry: where the audiences are, and the audit lines go.
            destinations: who can be exported to.
            minimum: the smallest number of rows of a file.
            exact: whether small numbers of users who were left out may be told.
        """
        self._workspace, self._registry, self._destinations = workspace, registry, destinations
        self._minimum, self._exact = minimum, exact

    def export(self, audience: str, format: Literal["csv", "parquet"], key: str, to: str) -> ExportFile:
        """Write a file and, where somebody takes it in batches, send it; an audit line stands before the first batch.

        Args:
            audience: its name or id.
            format: platforms take CSV alone.
            key: idempotency key.
            to: the name of a destination; empty for a table of users.

        Raises:
            TooSmallError: fewer users than the minimum would leave.
            RequestError: there is no such audience or destination, or it would turn the list down.
            DestinationError: it cannot be used, or did not take everything; what was sent is remembered.
        """
        saved, destination = self._registry.get(audience), self._destinations.named(to) if to else None
        if isinstance(destination, Platform) and format != "csv":
            raise RequestError(f"{destination.name} takes CSV files alone; export as CSV.")
        reaching = Reaching(self._workspace, self._registry)
        leaving = reaching.leaving(saved)
        name = to.strip().lower()
        wanted = Receiver(key=name, name=destination.name) if isinstance(destination, Destination) else destination
        file = export_audience(
            self._workspace, saved, leaving, reaching.has_contacts, format, wanted, self._minimum, self._exact
        )
        self._record(saved, file, key)
        if not isinstance(destination, Destination):
            return file
        sent = file.model_copy(update={"batches": push(self._registry.database, name, destination, saved, file, key)})
        self._registry.record(
            saved.approved_by, "sent", saved.id, saved.version, {"platform": sent.platform, "batches": sent.batches},
            f"{key}-sent" if key else "",
        )  # fmt: skip
        return sent

    def _record(self, saved: SavedAudience, file: ExportFile, key: str) -> None:
        details: dict[str, Any] = {"format": file.format, "rows": file.rows, "sha256": file.sha256}
        if file.left_out:
            details["left_out"] = {each.reason: each.users for each in file.left_out}
        if file.platform:
            details["platform"] = file.platform
        self._registry.record(saved.approved_by, "export", saved.id, saved.version, details, key)

"""Empties the outboxes of a workspace, one message after the other."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from encoders.errors import AudienceError
from encoders.settings import Settings
from encoders.workspace import Workspace
from tools.access.caller import Caller, Scope
from tools.access.names import Names
from tools.delivery.outbox import Outbox
from tools.delivery.posting import post
from tools.storage.registry import Registry
from tools.workers.periodic import PeriodicTask

if TYPE_CHECKING:
    from tools.service import AudienceService

log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between two looks into the outboxes, which other processes write to as well."""

CHECK_EVERY = 3600.0
"""Seconds between two looks for drift; the data and the model that are served stay the same, new webhooks may come."""


Clock = Callable[[], datetime]


def now() -> datetime:
    """The moment it is."""
    return datetime.now(UTC)


def deliver_due(outbox: Outbox, clock: Clock = now, stopped: Callable[[], bool] = lambda: False) -> int:
    """Send everything that is due, until nothing is or ``stopped``; how many tries that were."""
    tries = 0
    while not stopped() and (taken := outbox.take(clock())):
        answer = post(taken.url, taken.secret, taken.id, taken.body, outbox.private)
        outbox.settle(taken, answer, clock())
        tries += 1
    return tries


class WebhookWorker(PeriodicTask):
    """One thread that sends what is due and looks for drift, for every tenant of a workspace, until it is closed."""

    NAME, PAUSE = "courier", PAUSE

    def __init__(self, settings: Settings, served: "Callable[[], AudienceService | None]") -> None:
        """Nothing is sent yet; ``served`` gives the service that asks audiences again, once it is open."""
        super().__init__()
        self._workspace = Workspace(settings.workspace)
        self._private = not Names(settings.host, settings.hosts).public
        self._served, self._checked = served, -CHECK_EVERY
        self._open: dict[Path, Registry] = {}

    def work(self) -> None:
        """Send what is due, up to the message at hand once it is stopped; what is left stays in the outbox."""
        there = {path.parent.name: path for path in sorted(self._workspace.path.glob("tenants/*/registry.db"))}
        if self._workspace.registry.is_file():
            there[""] = self._workspace.registry
        self._check(there)
        for path in there.values():
            with self._going_on(path):
                deliver_due(self._outbox(path), stopped=self.stopped)

    def close(self) -> None:
        """Let go of the registries."""
        for registry in self._open.values():
            registry.close()

    def _check(self, files: Mapping[str, Path]) -> None:
        """Look for drift where somebody wants to be told, when it is time and the service is there."""
        if monotonic() - self._checked < CHECK_EVERY or (service := self._served()) is None:
            return
        self._checked = monotonic()
        for tenant, path in files.items():
            with self._going_on(path):
                told = {event for each in self._outbox(path).subscriptions() for event in each.events}
                if "audience.drifted" in told:
                    service.of(Caller(name="courier", tenant=tenant, scopes=frozenset({Scope.SIZE}))).drifts.check_all()

    def _outbox(self, path: Path) -> Outbox:
        if path not in self._open:
            self._open[path] = Registry(path)
        return Outbox(self._open[path].database, self._private)

    @contextmanager
    def _going_on(self, path: Path) -> Iterator[None]:
        """What goes wrong with one file stops neither the others nor the next look."""
        try:
            yield
        except AudienceError as error:
            log.warning("No message is sent from %s: %s", path, error)
        except Exception:
            log.exception("Sending from %s failed", path)

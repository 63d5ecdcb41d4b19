"""Empties the outboxes of a workspace, one message after the other."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Self

from encoders.errors import AudienceError
from encoders.settings import Settings
from encoders.workspace import Workspace
from tools.access.http import is_public
from tools.registry import Registry
from tools.webhooks.outbox import Outbox
from tools.webhooks.posting import post

log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between two looks into the outboxes, which other processes write to as well."""


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


class Courier:
    """One thread that sends what is due, for every tenant of a workspace, until it is closed."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is sent yet."""
        self._workspace = Workspace(settings.workspace)
        self._private = not is_public(settings.host)
        self._open: dict[Path, Registry] = {}
        self._stop = Event()
        self._thread = Thread(target=self._run, name="courier", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop once the message at hand is sent; what is left stays in the outbox."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for path in (self._workspace.registry, *sorted(self._workspace.path.glob("tenants/*/registry.db"))):
                if path.is_file():
                    self._empty(path)
            self._stop.wait(PAUSE)
        for registry in self._open.values():
            registry.close()

    def _empty(self, path: Path) -> None:
        """Send what is due in one file; what goes wrong there stops neither the others nor the next look."""
        try:
            if path not in self._open:
                self._open[path] = Registry(path)
            deliver_due(Outbox(self._open[path].database, self._private), stopped=self._stop.is_set)
        except AudienceError as error:
            log.warning("No message is sent from %s: %s", path, error)
        except Exception:
            log.exception("Sending from %s failed", path)

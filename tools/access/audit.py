"""The audit lines of the gate: what was turned away before it was a call, what left as a file, what the page did.

A flood of refusals must not fill the disk: of refusals that are alike, the first within a minute is a line at once, and
the others are one more line with their count, once the minute is over.
"""

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Protocol

from encoders.errors import AudienceError
from tools.access.caller import Caller, current

log = logging.getLogger(__name__)

Details = Mapping[str, str | int]
UNKNOWN = Caller(name="unknown", scopes=frozenset())
"""Somebody who was turned away before it was known who calls."""
FOLDED_SECONDS = 60.0
"""Refusals within them are folded."""
_MOST_KINDS = 1000
"""Different refusals a minute; more are counted as one."""


class Recorder(Protocol):
    """Where audit lines are kept."""

    def record_event(self, actor: str, action: str, details: Details) -> None:
        """Write a line."""

    def close(self) -> None:
        """Let go of the file."""


class RequestAudit:
    """Writes the lines into the registry of the tenant they belong to; those of unknown callers into the owner's."""

    def __init__(self, recorder: Callable[[str], Recorder], clock: Callable[[], float] = time.monotonic) -> None:
        """Open nothing yet.

        Args:
            recorder: opens the registry of a tenant.
            clock: seconds.
        """
        self._recorder, self._clock = recorder, clock
        self._lock, self._writing = Lock(), Lock()
        self._open: dict[str, Recorder] = {}
        self._alike: dict[tuple[str, str, int, str], int] = {}
        self._since = clock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="audit")

    def write(self, caller: Caller, action: str, details: Details) -> None:
        """Write a line now.

        Raises:
            AudienceError: it cannot be written, so what it would tell of must not happen.
        """
        with self._writing:
            if caller.tenant not in self._open:
                self._open[caller.tenant] = self._recorder(caller.tenant)
            self._open[caller.tenant].record_event(caller.name, action, details)

    def record_call(self, operation: str, outcome: str) -> None:
        """Write that the current caller called, and what came of it; raises like ``write``."""
        self.write(current(), "call", {"operation": operation, "outcome": outcome})

    def note(self, caller: Caller, action: str, details: Details) -> None:
        """Write a line soon, without waiting for it."""
        self._worker.submit(self._quietly, caller, action, details)

    def refused(self, caller: Caller, status: int, path: str) -> None:
        """Write that a request was turned away, folded with others that are alike.

        Args:
            caller: who was turned away; UNKNOWN where that is not known.
            status: as it was answered.
            path: the pattern of the path; never what was sent.
        """
        self.fold()
        with self._lock:
            kind = (caller.tenant, caller.name, status, path)
            if kind not in self._alike and len(self._alike) >= _MOST_KINDS:
                kind, caller = ("", UNKNOWN.name, status, ""), UNKNOWN
            first = kind not in self._alike
            self._alike[kind] = 0 if first else self._alike[kind] + 1
        if first:
            self.note(caller, "refused", {"status": status, "path": path})

    def fold(self, now: bool = False) -> None:
        """Write the counts, where a minute is over."""
        with self._lock:
            if not now and self._clock() - self._since < FOLDED_SECONDS:
                return
            alike, self._alike, self._since = self._alike, {}, self._clock()
        for (tenant, name, status, path), count in alike.items():
            if count:
                caller = Caller(name=name, tenant=tenant, scopes=frozenset())
                self.note(caller, "refused", {"status": status, "path": path, "count": count})

    def close(self) -> None:
        """Write what is left, and let go of the registries."""
        self.fold(now=True)
        self._worker.shutdown()
        with self._writing:
            for recorder in self._open.values():
                recorder.close()
            self._open.clear()

    def _quietly(self, caller: Caller, action: str, details: Details) -> None:
        try:
            self.write(caller, action, details)
        except AudienceError as error:
            log.error("An audit line was not written: %s", error)

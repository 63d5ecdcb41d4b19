"""The gate in front of every operation: scope, limit, audit line."""

import logging
import math
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Protocol

from encoders.errors import AccessError, AudienceError, NotAllowedError, TooManyCallsError
from tools.access.callers import Caller, Scope, current, data_asked, mark_audited, one_call
from tools.storage.sqlite import Database

# --- How often a token calls, and how much it may ask about groups of users in a day --------------


SECONDS = 60.0
_LOST = "calls are counted anew"
_TABLES = (
    """
CREATE TABLE calls (name TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX calls_of ON calls (name, at);
""",
)


class CallLimits:
    """Counts calls in one SQLite file."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open ``path``, and make it where missing; None counts in memory, for a single process.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db, self._clock = Database(path, _TABLES, lost=_LOST), clock

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def hit(self, name: str, limit: int) -> int:
        """Count a call, unless there were too many within the last minute.

        Args:
            name: whose call it is.
            limit: so many are let in within a minute.

        Returns:
            0 where the call is let in, else the seconds until the next one would be.
        """
        with self._db.transaction(flushed=False):
            wait = self._wait(name, limit)
            if not wait:
                self._db.run("INSERT INTO calls VALUES (?, ?)", (name, self._now()))
            return wait

    def wait(self, name: str, limit: int) -> int:
        """The seconds until a call would be let in, 0 for now; counts nothing."""
        with self._db.transaction(flushed=False):
            return self._wait(name, limit)

    def _wait(self, name: str, limit: int) -> int:
        now, window = self._now(), round(SECONDS * 1000)
        # A clock that was set back must not lock anybody out, so calls of the future are forgotten as well.
        self._db.run("DELETE FROM calls WHERE name = ? AND (at <= ? OR at > ?)", (name, now - window, now))
        [(calls, first)] = self._db.run("SELECT COUNT(*), MIN(at) FROM calls WHERE name = ?", (name,))
        return max(1, math.ceil((first + window - now) / 1000)) if calls >= limit else 0

    def _now(self) -> int:
        return round(self._clock() * 1000)


MOST_QUESTIONS = 200
"""Different questions about groups of users that one token may ask within ``WINDOW``; asking one again is free."""
WINDOW = timedelta(days=1)

_ALLOWANCE_LOST = "how much each token has asked about today is counted anew"
_ALLOWANCE_TABLES = (
    """
CREATE TABLE asked (
    caller TEXT NOT NULL,
    question TEXT NOT NULL,
    first TEXT NOT NULL,
    PRIMARY KEY (caller, question)
) WITHOUT ROWID;
CREATE INDEX asked_first ON asked (caller, first);
""",
)


class Allowance:
    """What the tokens of one workspace have asked about; any thread and any number of processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, and make it where missing.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db = Database(path, _ALLOWANCE_TABLES, lost=_ALLOWANCE_LOST)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def ask(self, caller: str, questions: Sequence[bytes], counts: int = 1, now: datetime | None = None) -> None:
        """Let a caller ask all of some questions, or none.

        Args:
            caller: the name of the token.
            questions: what tells each from others; nothing else is kept of it.
            counts: how many counts the answer to each shows; each of them takes one of the questions.
            now: for tests.

        Raises:
            TooManyCallsError: the caller has asked too much; the text says when to come back.
        """
        now = now or datetime.now(UTC)
        since = (now - WINDOW).isoformat()
        each = range(min(max(1, counts), MOST_QUESTIONS))
        wanted = dict.fromkeys(f"{question.hex()}{number or ''}" for question in questions for number in each)
        with self._db.reading():
            new = [one for one in wanted if not self._asked(caller, one, since)]
        if not new:
            return
        with self._db.transaction(flushed=False):
            self._db.run("DELETE FROM asked WHERE caller = ? AND first <= ?", (caller, since))
            [row] = self._db.run("SELECT COUNT(*) AS asked, MIN(first) AS first FROM asked WHERE caller = ?", (caller,))
            if row["asked"] + len(new) <= MOST_QUESTIONS:
                self._db.run_many(
                    "INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", [(caller, one, now.isoformat()) for one in new]
                )
                return
        wait = math.ceil((datetime.fromisoformat(row["first"]) + WINDOW - now).total_seconds())
        raise TooManyCallsError(
            f"This token may ask {MOST_QUESTIONS} different questions about groups of users within a day, to protect "
            f"single people, and too few are left for this; ask the same again, or come back in {_in_words(wait)}.",
            wait,
        )

    def _asked(self, caller: str, question: str, since: str) -> bool:
        values = (caller, question, since)
        return bool(self._db.run("SELECT 1 FROM asked WHERE caller = ? AND question = ? AND first > ?", values))


def _in_words(seconds: int) -> str:
    return f"{math.ceil(seconds / 60)} minutes" if seconds < 7200 else f"{math.ceil(seconds / 3600)} hours"


# --- The gate in front of every operation: scope, limit, audit line -------------------------------


class Audited(Protocol):
    """Where audit lines go."""

    def record_call(self, operation: str, outcome: str) -> None:
        """Write that the current caller called, and what came of it."""


class Gate:
    """Every interface lets its calls in here, one after the other or at once."""

    def __init__(self, audited: Callable[[], Audited], limits: CallLimits | None = None) -> None:
        """Guard the operations.

        Args:
            audited: where the audit of a call goes; it is asked anew for each.
            limits: counts the calls; None counts those of this process alone.
        """
        self._audited = audited
        self._limits = limits or CallLimits()

    @contextmanager
    def admitted(self, operation: str, scope: Scope | None) -> Iterator[None]:
        """Make one call of the current caller inside the block.

        Args:
            operation: as the tools are called: 'size'.
            scope: what it needs; None where any token will do.

        Raises:
            NotAllowedError: the token lacks the scope.
            TooManyCallsError: it called too often within the last minute.
        """
        with one_call():
            yield from self._admitted(operation, scope)

    def _admitted(self, operation: str, scope: Scope | None) -> Iterator[None]:
        audited, caller = self._audited(), current()
        mark_audited()
        try:
            self._check(caller, operation, scope)
            yield
        except AudienceError as error:
            audited.record_call(operation, "refused" if isinstance(error, AccessError) else "declined")
            raise
        except CancelledError:
            audited.record_call(operation, "cancelled")
            raise
        except BaseException:
            audited.record_call(operation, "failed")
            raise
        audited.record_call(operation, "answered")

    def _check(self, caller: Caller, operation: str, scope: Scope | None) -> None:
        """Count the call first: one that is refused was a call as well."""
        # Clients list the tools before each call, so that is counted apart.
        counted = f"{caller.name} {operation}" if operation == "list_tools" else caller.name
        if caller.per_minute is not None and (wait := self._limits.hit(counted, caller.per_minute)):
            raise TooManyCallsError(
                f"This token may call {caller.per_minute} times a minute; call again in {wait} seconds.", wait
            )
        if scope is not None and not caller.may(scope):
            have = ", ".join(sorted(caller.scopes))
            raise NotAllowedError(f"'{operation}' needs a token with the scope '{scope}'; this one has {have}.")


# --- The audit lines of the gate: what was turned away before it was a call, what left as a file, what
#     the page did ---
#
# A flood of refusals must not fill the disk: of refusals that are alike, the first within a minute is a line at once,
# and the others are one more line with their count, once the minute is over.


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


def call_details(operation: str, outcome: str) -> Details:
    """What the line of a call says: the data as well, where the answer came from any."""
    data = data_asked()
    return {"operation": operation, "outcome": outcome} | ({"data_version": data} if data else {})


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
        """Write that the current caller called, what came of it, and of which data; raises like ``write``."""
        self.write(current(), "call", call_details(operation, outcome))

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

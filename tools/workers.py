"""What is done again and again while the server runs: messages are delivered, and what is old is deleted."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Self
from uuid import UUID

from encoders.errors import AudienceError
from encoders.settings import Settings
from encoders.workspace import Workspace, plain_faults
from tools.access.callers import Caller, Scope
from tools.access.names import Names
from tools.delivery.exports import KEPT_DAYS, expired
from tools.delivery.outbox import Outbox
from tools.delivery.posting import post
from tools.erasure.erasure import delete_threads, threads
from tools.jobs import LOST as JOBS_LOST
from tools.jobs import TABLES as JOB_TABLES
from tools.serving import Serving
from tools.storage.put_away import PutAway
from tools.storage.registry import Registry
from tools.storage.registry_tables import TABLES as REGISTRY_TABLES
from tools.storage.sqlite import Database

if TYPE_CHECKING:
    from tools.service import AudienceService


# --- One thread that does something again and again while the server runs -------------------------


class PeriodicTask:
    """Does its work at once and then after every pause, from entering to leaving."""

    NAME = "background"
    """Of the thread."""
    PAUSE = 60.0
    """Seconds between two rounds."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._stop = Event()
        self._thread = Thread(target=self._run, name=self.NAME, daemon=True)

    def work(self) -> None:
        """One round; it looks at ``stopped`` where it takes long."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what the rounds have opened; called in their thread, after the last."""

    def stopped(self) -> bool:
        """Whether no further round is wanted."""
        return self._stop.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the end of the round at hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.stopped():
            self.work()
            self._stop.wait(self.PAUSE)
        self.close()


# --- Empties the outboxes of a workspace, one message after the other -----------------------------


log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds between two looks into the outboxes, which other processes write to as well."""

CHECK_EVERY = 3600.0
"""Seconds between two looks for drift at one version of the data; another version is looked at at once."""


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
        self._checked_at: Serving | None = None
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
        service = self._served()
        if service is None or (service.serving is self._checked_at and monotonic() - self._checked < CHECK_EVERY):
            return
        self._checked, self._checked_at = monotonic(), service.serving
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


# --- How long things are kept that nobody deletes: uploads, conversations, jobs, messages and answers to
#     keys ---
#
# Saved audiences, their outcomes and audit lines are kept for good; one that was deleted can be brought back for
# ``undo_days``. Files of exports are kept for days, not months (``tools.delivery.exports.KEPT_DAYS``), because who may
# be reached changes. Everything else goes ``retention_days`` after it was last touched: when the server starts, and
# once a day while it runs.


EVERY = 86_400.0
"""Seconds between two looks."""

_REGISTRY = (
    "DELETE FROM deliveries WHERE state <> 'waiting' AND created < ?",
    "DELETE FROM pushes WHERE created < ?",
    "DELETE FROM answers WHERE made < ?",
    "DELETE FROM keys WHERE made < ?",
)
_JOBS = ("DELETE FROM jobs WHERE ended IS NOT NULL AND ended < ?", "DELETE FROM answers WHERE made < ?")
_GREGORIAN = datetime(1582, 10, 15, tzinfo=UTC)
"""Where the time in the id of a step begins, in tenths of a microsecond."""


def drop_old(workspace: Workspace, days: int, now: datetime, undo_days: int = 0) -> int:
    """Delete what is older than so many days, of every tenant; how many things that were.

    Audiences that were deleted more than ``undo_days`` ago are gone for good then.

    A place that cannot be written keeps no other from being cleared; the log says so.
    """
    dropped = 0
    for each in (*_places(workspace, now - timedelta(days=days)), *_deleted(workspace, now, undo_days)):
        try:
            dropped += each()
        except (AudienceError, sqlite3.Error, OSError) as error:
            log.warning("What is old was not deleted: %s", error)
    return dropped


def _places(workspace: Workspace, before: datetime) -> Iterator[Callable[[], int]]:
    """What clears each place."""
    for own in (workspace.path, *sorted(workspace.path.glob("tenants/*"))):
        yield partial(_drop_files, [path for path in (own / "exports").glob("*") if expired(path)])
        yield partial(_drop_files, _older(own / "uploads", before))
        yield partial(_drop_rows, own / "registry.db", REGISTRY_TABLES, _REGISTRY, before)
    yield partial(_drop_files, _older(workspace.path / "gradio", before))
    yield partial(_drop_rows, workspace.path / "jobs.db", JOB_TABLES, _JOBS, before, JOBS_LOST)
    yield partial(_drop_conversations, workspace, before)


def _deleted(workspace: Workspace, now: datetime, undo_days: int) -> Iterator[Callable[[], int]]:
    """What ends the time in which deleted audiences can be brought back."""
    for own in (workspace.path, *sorted(workspace.path.glob("tenants/*"))):
        if (path := own / "registry.db").is_file():
            yield partial(_drop_deleted, path, now, undo_days)


def _drop_deleted(path: Path, now: datetime, undo_days: int) -> int:
    with Registry(path) as registry:
        return PutAway(registry, undo_days).drop(now, "retention")


def _older(folder: Path, before: datetime) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime < before.timestamp()]


def _drop_files(paths: list[Path]) -> int:
    for path in paths:
        with plain_faults(path):
            path.unlink(missing_ok=True)
    return len(paths)


def _drop_rows(path: Path, tables: Sequence[str], statements: Sequence[str], before: datetime, lost: str = "") -> int:
    """Delete rows of a file that is there; times are texts that sort like time, ``lost`` is as ``Database`` has it."""
    if not path.is_file():
        return 0
    with closing(Database(path, tables, lost)) as db, db.transaction():
        db.run("PRAGMA secure_delete = ON")
        return sum(len(db.run(f"{each} RETURNING 1", (before.isoformat(),))) for each in statements)


def _drop_conversations(workspace: Workspace, before: datetime) -> int:
    return delete_threads(workspace, [each for each, step in threads(workspace).items() if _time_of(step) < before])


def _time_of(step: str) -> datetime:
    """When a step of a conversation was written: its id is a UUID of version 6, which begins with the time."""
    with suppress(ValueError):
        high = UUID(step).int >> 64
        return _GREGORIAN + timedelta(microseconds=((high >> 16 << 12) | (high & 0xFFF)) / 10)
    return datetime.now(UTC)


class RetentionRule(NamedTuple):
    """How long things of one kind are kept."""

    things: str
    days: int | None
    """None: for good, until somebody deletes them."""
    since: str = ""
    """What the days are counted from."""
    set_by: str = ""
    """The environment variable that changes them; empty: none does."""


def retention_rules(settings: Settings) -> tuple[RetentionRule, ...]:
    """What ``drop_old`` and the owner of the files leave, and for how long."""
    days, variable, undo = settings.retention_days, "AUDIENCE_RETENTION_DAYS", "AUDIENCE_UNDO_DAYS"
    return (
        RetentionRule("Saved audiences, their versions and outcomes", None),
        RetentionRule("Deleted audiences, which can be brought back", settings.undo_days, "the deletion", undo),
        RetentionRule("Audit lines", None),
        RetentionRule("Receipts of erased users", None),
        RetentionRule("Exported files", KEPT_DAYS, "the export"),
        RetentionRule("Conversations", days, "the last message", variable),
        RetentionRule("Uploaded files", days, "the upload", variable),
        RetentionRule("Jobs that have ended, and their answers", days, "their end", variable),
        RetentionRule("Messages to webhooks that were delivered or given up", days, "the event", variable),
        RetentionRule("Keys that make a repeated call safe", days, "the call", variable),
    )


class RetentionTask(PeriodicTask):
    """One thread that drops what is old, at once and then every day, until it is closed."""

    NAME, PAUSE = "retention", EVERY

    def __init__(self, settings: Settings) -> None:
        """Nothing is dropped yet."""
        super().__init__()
        self._workspace, self._days = Workspace(settings.workspace), settings.retention_days
        self._undo_days = settings.undo_days

    def work(self) -> None:
        """Drop what is old now."""
        drop_old(self._workspace, self._days, datetime.now(UTC), self._undo_days)

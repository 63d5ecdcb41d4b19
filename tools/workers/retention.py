"""How long things are kept that nobody deletes: uploads, conversations, jobs, messages and answers to keys.

Saved audiences, their outcomes and audit lines are kept for good. Files of exports are kept for days, not months
(``tools.delivery.exports.KEPT_DAYS``), because who may be reached changes. Everything else goes
``retention_days`` after it was last touched: when the server starts, and once a day while it runs.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from encoders.errors import AudienceError
from encoders.settings import Settings
from encoders.workspace import Workspace, plain_faults
from tools.deletion import delete_threads, threads
from tools.delivery.exports import expired
from tools.jobs.ledger import LOST as JOBS_LOST
from tools.jobs.ledger import TABLES as JOB_TABLES
from tools.storage.registry_tables import TABLES as REGISTRY_TABLES
from tools.storage.sqlite import Database
from tools.workers.periodic import PeriodicTask

log = logging.getLogger(__name__)

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


def drop_old(workspace: Workspace, days: int, now: datetime) -> int:
    """Delete what is older than so many days, of every tenant; how many things that were.

    A place that cannot be written keeps no other from being cleared; the log says so.
    """
    dropped = 0
    for each in _places(workspace, now - timedelta(days=days)):
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


class RetentionTask(PeriodicTask):
    """One thread that drops what is old, at once and then every day, until it is closed."""

    NAME, PAUSE = "retention", EVERY

    def __init__(self, settings: Settings) -> None:
        """Nothing is dropped yet."""
        super().__init__()
        self._workspace, self._days = Workspace(settings.workspace), settings.retention_days

    def work(self) -> None:
        """Drop what is old now."""
        drop_old(self._workspace, self._days, datetime.now(UTC))

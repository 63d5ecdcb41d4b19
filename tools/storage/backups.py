"""Backups of SQLite files that nobody can make again: the latest of each of the last days, beside the file.

    registry.db    registry.db-backup-2026-11-28, registry.db-backup-2026-11-27, ...

A backup is a whole file of its own. It is written after every change that was acknowledged, or, where that takes long,
after so many of them that it never takes more than a twentieth of the time; and when the file is closed.
"""

import logging
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from urllib.parse import quote

from encoders.checksums import seal, seal_is_broken, sum_of, unseal
from encoders.errors import WorkspaceError
from encoders.workspace import atomic_file, set_aside

log = logging.getLogger(__name__)

KEPT = 3
"""Days of which there is a backup."""

AT_ONCE = 0.1
"""Seconds; a backup that takes no longer is made after every acknowledged change."""

REST = 20
"""A backup that takes longer is made again after so many times as long."""


@dataclass(frozen=True)
class Backup:
    """A backup that can be read."""

    path: Path
    changes: int
    """How many acknowledged changes it holds."""
    made: datetime


def changes_in(connection: sqlite3.Connection) -> int:
    """How many acknowledged changes a file holds."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'changes'").fetchone():
        return 0
    return int(connection.execute("SELECT number FROM changes").fetchone()[0])


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the open file ``path`` to its backup of today; what keeps it from that is logged, never raised."""
    target = path.with_name(f"{path.name}-backup-{datetime.now(UTC):%Y-%m-%d}")
    try:
        unseal(target)
        with atomic_file(target) as part, closing(sqlite3.connect(part, isolation_level=None)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            if (found := copy.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                raise WorkspaceError(f"{path} is damaged ({found}); 'audience restore' helps.")
        seal(target)
        for old in _backups(path)[KEPT:]:
            unseal(old)
            old.unlink(missing_ok=True)
    except (WorkspaceError, OSError, sqlite3.Error) as error:
        log.warning("%s was not backed up: %s", path, error)


class Routine:
    """Backs up an open file as it changes: at once where that is quick, else at most a twentieth of the time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, at_once: float = AT_ONCE) -> None:
        """Have nothing to back up, until ``changed`` says so; 0 for ``at_once`` where changes come many a second."""
        self._connection, self._path, self._at_once = connection, path, at_once
        self._at, self._took = -float("inf"), 0.0
        self.due = False
        """Whether something changed since the last backup."""

    def changed(self, acknowledged: bool = True) -> None:
        """Note a change; what was ``acknowledged`` is backed up now, unless the last backup took long and is recent."""
        self.due = True
        if acknowledged and (self._took <= self._at_once or monotonic() - self._at > REST * self._took):
            self.run()

    def run(self) -> None:
        """Back up what is due."""
        if self.due:
            begun = monotonic()
            back_up(self._connection, self._path)
            self._at, self.due = monotonic(), False
            self._took = self._at - begun


def newest_backup(path: Path) -> Backup | None:
    """The latest backup of ``path`` that is whole."""
    for backup in _backups(path):
        if seal_is_broken(backup):
            continue
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{quote(str(backup.absolute()))}?immutable=1", uri=True)) as copy,
        ):
            if sum_of(backup).is_file() or copy.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok":
                return Backup(backup, changes_in(copy), datetime.fromtimestamp(backup.stat().st_mtime, UTC))
    return None


def restore(path: Path) -> Backup | None:
    """Put the latest whole backup in the place of ``path``, which is set aside; None where there is no backup."""
    backup = newest_backup(path)
    if backup is None:
        return None
    if path.exists():
        set_aside(path, path.parent / "damaged", f"the backup of {backup.made:%Y-%m-%d %H:%M:%S} UTC took its place")
    unseal(path)
    with atomic_file(path) as part:
        part.write_bytes(backup.path.read_bytes())
    return backup


def kept_files(workspace: Path) -> list[Path]:
    """Every file of a workspace that is backed up, or has a backup."""
    folders = [workspace, workspace / "labels", *sorted(workspace.glob("tenants/*"))]
    names = ("registry.db", "tokens.db", "ledger.db")
    paths = [folder / name for folder in folders for name in names]
    return [path for path in paths if path.exists() or _backups(path)]


def _backups(path: Path) -> list[Path]:
    """The backups of a file, the latest first."""
    found = path.parent.glob(f"{path.name}-backup-????-??-??")
    return sorted(found, key=lambda each: each.name, reverse=True)

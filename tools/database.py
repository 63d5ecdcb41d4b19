"""A SQLite file that many may use at once: its formats, its transactions, and what its failures mean."""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from encoders.errors import DamagedError, WorkspaceError
from encoders.workspace import plain_faults
from tools.backups import Routine, newest_backup
from tools.sqlite_file import close_sqlite, means_damage, open_sqlite

_CHANGES = """
CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
"""

Values = Sequence[str | int | None] | Mapping[str, str | int | None]


class Database:
    """One connection that any thread may use; other processes may have theirs at the same time."""

    def __init__(self, path: Path | None, tables: Sequence[str], lost: str = "") -> None:
        """Open ``path``, and make it where missing; on a read-only disk it is opened for reading.

        Args:
            path: the file; None for one in memory, which is gone when it is closed.
            tables: SQL scripts, one a format, each building on those before it; the number of those that a file has
                had is kept in it as ``PRAGMA user_version``.
            lost: what is lost with a damaged file, as the rest of a sentence: it is set aside and begun anew. Empty for
                what nobody can make again: that is backed up (see ``tools.backups``), and never replaced unasked.

        Raises:
            DamagedError: it is damaged, and nothing was changed; the text says what helps.
            WorkspaceError: it cannot be written, or was written by a newer version of this program.
        """
        self._path, self._tables, self._in_memory = path or Path(":memory:"), tables, path is None
        self._backed_up = False
        self._lock = threading.RLock()
        with self._faults():
            options: dict[str, Any] = {"timeout": 30, "check_same_thread": False, "isolation_level": None}
            self._db = open_sqlite(path, lost, **options) if path else sqlite3.connect(":memory:", **options)
        self._db.row_factory = sqlite3.Row
        self._backups = Routine(self._db, self._path)
        try:
            self._prepare(changes="" if lost else _CHANGES)
        except BaseException:
            self._db.close()
            raise
        self._backed_up = not lost and not self._in_memory

    def close(self) -> None:
        """Close the connection, after a backup where one is due."""
        with self._lock:
            self._backups.run()
            if self._in_memory:
                self._db.close()
            else:
                close_sqlite(self._db, self._path)

    def run(self, statement: str, values: Values = ()) -> list[sqlite3.Row]:
        """The rows of one statement, inside ``reading`` or ``transaction``."""
        return self._db.execute(statement, values).fetchall()

    def run_many(self, statement: str, rows: Iterable[Values]) -> None:
        """One statement for each of the rows, inside ``transaction``."""
        self._db.executemany(statement, rows)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Look things up, all of the block in one state of the file."""
        with self._lock, self._faults():
            if self._db.in_transaction:
                yield
                return
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    @contextmanager
    def transaction(self, flushed: bool = True) -> Iterator[None]:
        """Write all of the block or nothing of it, one writer at a time over all processes.

        Args:
            flushed: whether to wait for the disk. Without, a power cut may take the last blocks back, whole; the end
                of a process, however sudden, does not.
        """
        with self._lock, self._faults():
            self._db.execute(f"PRAGMA synchronous = {'FULL' if flushed else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            before = self._db.total_changes
            try:
                yield
                changed = self._backed_up and self._db.total_changes > before
                if changed and flushed:
                    self._db.execute("UPDATE changes SET number = number + 1")
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            if changed:
                self._backups.changed(acknowledged=flushed)

    def _prepare(self, changes: str) -> None:
        with self._faults():
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found > len(self._tables):
                raise WorkspaceError(
                    f"{self._path} was written by a newer version of this program (format {found}, this one reads "
                    f"{len(self._tables)}); update the program."
                )
            self._db.execute("PRAGMA foreign_keys = ON")
            file = self._db.execute("PRAGMA database_list").fetchone()["file"]
            if found == len(self._tables) and not os.access(self._path.parent, os.W_OK):
                return
            if file:
                self._db.execute("PRAGMA journal_mode = WAL")
        with self.transaction():
            found = self.run("PRAGMA user_version")[0][0]
            for statement in (each for script in (*self._tables[found:], changes) for each in _statements(script)):
                self.run(statement)
            self.run(f"PRAGMA user_version = {len(self._tables)}")
        self._backups.due = bool(found and changes and newest_backup(self._path) is None)
        if (
            not file and not self._in_memory
        ):  # there is none on a read-only disk, and what is written here would be lost
            self._db.execute("PRAGMA query_only = ON")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with plain_faults(self._path):
                yield
        except sqlite3.OperationalError as error:
            raise WorkspaceError(f"{self._path} cannot be used right now ({error}); try again in a moment.") from error
        except sqlite3.DatabaseError as error:
            if not means_damage(error):
                raise
            remedy = "stop the program and run 'audience restore'" if self._backed_up else "start the program again"
            raise DamagedError(f"{self._path} is damaged ({error}); {remedy}.") from error


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, because ``executescript`` would end the transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

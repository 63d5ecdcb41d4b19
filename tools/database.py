"""A SQLite file that many may use at once: its formats, its transactions, and what its failures mean."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from encoders.errors import WorkspaceError
from encoders.workspace import plain_faults

Values = Sequence[str | int | None] | Mapping[str, str | int | None]


class Database:
    """One connection that any thread may use; other processes may have theirs at the same time."""

    def __init__(self, path: Path, tables: Sequence[str]) -> None:
        """Open ``path``, and make it where missing.

        Args:
            path: the file.
            tables: SQL scripts, one a format, each building on those before it; the number of those that a file has
                had is kept in it as ``PRAGMA user_version``.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._path, self._tables = path, tables
        self._lock = threading.RLock()
        with self._faults():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

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
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        with self._faults():
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found > len(self._tables):
                raise WorkspaceError(
                    f"{self._path} was written by a newer version of this program (format {found}, this one reads "
                    f"{len(self._tables)}); update the program."
                )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            found = self.run("PRAGMA user_version")[0][0]
            for statement in (each for script in self._tables[found:] for each in _statements(script)):
                self.run(statement)
            self.run(f"PRAGMA user_version = {len(self._tables)}")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            with plain_faults(self._path):
                yield
        except sqlite3.OperationalError as error:
            raise WorkspaceError(f"{self._path} cannot be used right now ({error}); try again in a moment.") from error
        except sqlite3.DatabaseError as error:
            raise WorkspaceError(f"{self._path} is damaged ({error}); put a backup of it in its place.") from error


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, because ``executescript`` would end the transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

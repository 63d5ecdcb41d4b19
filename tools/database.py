"""The SQLite file behind the registry: its tables, its transactions, and what its failures mean."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from encoders.errors import WorkspaceError
from encoders.workspace import plain_faults

SCHEMA_VERSION = 2
"""Raised with every change of the tables; kept in the file as ``PRAGMA user_version``."""

Values = Sequence[str | int | None] | Mapping[str, str | int | None]

_SCHEMA = """
CREATE TABLE audiences (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE
);
CREATE TABLE versions (
    audience TEXT NOT NULL REFERENCES audiences (id),
    version INTEGER NOT NULL,
    spec TEXT,
    definition TEXT NOT NULL,
    users INTEGER NOT NULL,
    holdout INTEGER NOT NULL,
    as_of TEXT NOT NULL,
    model_version TEXT NOT NULL,
    data_version TEXT NOT NULL,
    created TEXT NOT NULL,
    approved_by TEXT NOT NULL,
    PRIMARY KEY (audience, version)
);
CREATE TABLE members (
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    held_out INTEGER NOT NULL,
    PRIMARY KEY (audience, version, user_id),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
) WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    audience TEXT,
    version INTEGER,
    details TEXT NOT NULL
);
CREATE TABLE keys (
    key TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    audience TEXT,
    version INTEGER
);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE (ABORT, 'audit lines are never changed'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE (ABORT, 'audit lines are never deleted'); END;
"""

_CHANGES = {
    2: """
ALTER TABLE versions ADD COLUMN forecast TEXT;
CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    outcome TEXT NOT NULL,
    UNIQUE (audience, version, content),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
);
"""
}
"""What each later format adds to the first; a file of an older format gets what it lacks when it is opened."""


class Database:
    """One connection that any thread may use; other processes may have theirs at the same time."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, and make it where missing.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._path = path
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
    def transaction(self) -> Iterator[None]:
        """Write all of the block or nothing of it, one writer at a time over all processes."""
        with self._lock, self._faults():
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
            if found > SCHEMA_VERSION:
                raise WorkspaceError(
                    f"{self._path} was written by a newer version of this program (format {found}, this one reads "
                    f"{SCHEMA_VERSION}); update the program."
                )
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
        with self.transaction():
            found = self.run("PRAGMA user_version")[0][0]
            lacking = [script for number, script in {1: _SCHEMA, **_CHANGES}.items() if number > found]
            for statement in (each for script in lacking for each in _statements(script)):
                self.run(statement)
            self.run(f"PRAGMA user_version = {SCHEMA_VERSION}")

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

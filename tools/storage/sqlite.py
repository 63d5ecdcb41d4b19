"""SQLite files: open modes, transactions, checks at opening, and what their failures mean.

A file that this process may have open as a database is never opened as a plain file: closing that handle would let go
of all locks SQLite holds on it (section 2.2 of https://sqlite.org/howtocorrupt.html), and the next process to close the
database would then delete the log that others still write to.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from encoders.checksums import seal, seal_is_broken, sum_of, unseal
from encoders.errors import DamagedError, WorkspaceError
from encoders.workspace import PRIVATE, make_folder, plain_faults, set_aside
from tools.storage.backups import Routine, changes_in, newest_backup

_WAIT = 30.0
"""Seconds to wait for others who use a file."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

DATABASE = ".db"
"""How the names of all databases of a workspace end, but for Chroma's own."""

_LOCKED_BYTES = (510, 0x40000002)
"""How many bytes SQLite locks of a file in use, and the first (https://sqlite.org/fileformat.html, lock-byte page)."""


class _BrokenError(Exception):
    """The file is not a whole SQLite file; the text says how that shows."""


def means_damage(error: sqlite3.Error) -> bool:
    """Whether SQLite says that the file itself is damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def open_sqlite(path: Path, lost: str = "", **options: Any) -> sqlite3.Connection:
    """Open a SQLite file, made where missing; on a read-only disk, for reading.

    Args:
        path: the file.
        lost: what is lost with it, as the rest of a sentence, where that can be borne: a damaged file is then set aside
            and begun anew. Empty for a file that is backed up, and never replaced unasked.
        options: for ``sqlite3.connect``.

    Raises:
        DamagedError: it is damaged; the text says what helps.
        WorkspaceError: it cannot be read now.
    """
    if path.is_dir():
        raise WorkspaceError(f"{path} is a folder and should be a file; move it away.")
    if not _may_be_written(path.parent):
        return _open_for_reading(path, options)
    make_folder(path.parent)
    with _turn(path.parent):
        try:
            return _open(path, options, backed_up=not lost)
        except _BrokenError as error:
            if not lost:
                raise DamagedError(_remedy(path, str(error))) from error
            set_aside(path, path.parent / "damaged", lost)
            return _open(path, options, backed_up=False)


def close_sqlite(connection: sqlite3.Connection, path: Path) -> None:
    """Close a connection; whoever is the last to do so leaves the digest of the file."""
    if not _may_be_written(path.parent):
        connection.close()
        return
    with _turn(path.parent):
        connection.close()
        if path.is_file() and not _log(path).exists():
            seal(path)


@contextmanager
def reading_sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """Look into a file that somebody else writes."""
    with plain_faults(path), closing(sqlite3.connect(path, timeout=_WAIT)) as db:
        yield db


@contextmanager
def overwriting_sqlite(path: Path) -> Iterator[sqlite3.Connection]:
    """Work on a file that somebody else writes, so that nothing of what is deleted stays in it.

    Raises:
        WorkspaceError: it cannot be written right now.
        sqlite3.DatabaseError: it is damaged.
    """
    unseal(path)  # what is written here is no damage
    try:
        with plain_faults(path), closing(sqlite3.connect(path, timeout=_WAIT, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = ON")
            yield db
    except sqlite3.OperationalError as error:
        raise _busy(path, error) from error


@contextmanager
def whole_transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write all of the block or nothing of it, also where the process is killed in it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _busy(path: Path, error: sqlite3.OperationalError) -> WorkspaceError:
    return WorkspaceError(f"{path} cannot be used right now ({error}); try again in a moment.")


def open_elsewhere(path: Path) -> bool:
    """Whether another process has the file open, in write-ahead mode; not for a file that this process has open."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, *_LOCKED_BYTES)
        except BlockingIOError:
            return True
    return False


def _may_be_written(folder: Path) -> bool:
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    return os.access(there, os.W_OK)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Be the only one who opens or closes a file of ``folder``, over all threads and processes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open(path: Path, options: dict[str, Any], backed_up: bool) -> sqlite3.Connection:
    if path.exists():
        with suppress(PermissionError):  # the file of somebody else
            path.chmod(PRIVATE)
    else:
        unseal(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, PRIVATE))
    sealed = sum_of(path).is_file() and not (_log(path).exists() and _log(path).stat().st_size)
    connection: sqlite3.Connection = sqlite3.connect(path, **options)
    try:
        if not sealed or seal_is_broken(path):
            _look_over(connection)
        if sealed and seal_is_broken(path):
            raise _BrokenError(f"it is not as it was closed; if that was done on purpose, delete {sum_of(path).name}")
        if backed_up and (backup := newest_backup(path)) and changes_in(connection) < backup.changes:
            raise _BrokenError("it lacks what was saved last")
    except sqlite3.DatabaseError as error:
        connection.close()
        if means_damage(error):
            raise _BrokenError(str(error)) from error
        raise
    except BaseException:
        connection.close()
        raise
    unseal(path)
    return connection


def _look_over(connection: sqlite3.Connection) -> None:
    """Have SQLite check the structure of a file."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _BrokenError(" ".join(str(found).split()))


def _open_for_reading(path: Path, options: dict[str, Any]) -> sqlite3.Connection:
    """A file on a read-only disk as it was closed; where it is missing, an empty one in memory."""
    if _log(path).exists() and _log(path).stat().st_size:
        raise WorkspaceError(f"{path} was not closed, and the disk is read-only; open it once where it may be written.")
    if path.exists() and seal_is_broken(path):
        raise DamagedError(_remedy(path, "it is not what it was when it was closed"))
    where = f"file:{quote(str(path.absolute()))}?immutable=1" if path.exists() else "file::memory:"
    connection: sqlite3.Connection = sqlite3.connect(where, uri=True, **options)
    return connection


def _log(path: Path) -> Path:
    """Where SQLite keeps what was written last, while a file is open or was not closed."""
    return path.with_name(f"{path.name}-wal")


def _remedy(path: Path, reason: str) -> str:
    backup = newest_backup(path)
    if backup is None:
        return f"{path} is damaged ({reason}); put a backup of it in its place, or move it away to begin anew."
    return (
        f"{path} is damaged ({reason}), and nothing was changed; 'audience restore' puts the backup of "
        f"{backup.made:%Y-%m-%d %H:%M:%S} UTC in its place."
    )


_CHANGES = """
CREATE TABLE IF NOT EXISTS changes (number INTEGER NOT NULL);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
"""

Values = Sequence[str | int | float | None] | Mapping[str, str | int | float | None]


class Database:
    """One connection that any thread may use; other processes may have theirs at the same time."""

    def __init__(self, path: Path | None, tables: Sequence[str], lost: str = "") -> None:
        """Open ``path``, and make it where missing; on a read-only disk it is opened for reading.

        Args:
            path: the file; None for one in memory, which is gone when it is closed.
            tables: SQL scripts, one a format, each building on those before it; the number of those that a file has
                had is kept in it as ``PRAGMA user_version``.
            lost: what is lost with a damaged file, as the rest of a sentence: it is set aside and begun anew. Empty for
                what nobody can make again: that is backed up, and never replaced unasked.

        Raises:
            DamagedError: it is damaged, and nothing was changed; the text says what helps.
            WorkspaceError: it cannot be written, or was written by a newer version of this program.
        """
        self._path, self._tables, self._in_memory = path or Path(":memory:"), tables, path is None
        self._backed_up = False
        self._lock = threading.RLock()
        with self._faults():
            options: dict[str, Any] = {"timeout": _WAIT, "check_same_thread": False, "isolation_level": None}
            self._db = open_sqlite(path, lost, **options) if path else sqlite3.connect(":memory:", **options)
        self._db.row_factory = sqlite3.Row
        self._db.create_function("sha256", 1, digest, deterministic=True)  # for scripts; SQLite has none
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
            before = self._db.total_changes
            with whole_transaction(self._db):
                yield
                changed = self._backed_up and self._db.total_changes > before
                if changed and flushed:
                    self._db.execute("UPDATE changes SET number = number + 1")
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
            raise _busy(self._path, error) from error
        except sqlite3.DatabaseError as error:
            if not means_damage(error):
                raise
            remedy = "stop the program and run 'audience restore'" if self._backed_up else "start the program again"
            raise DamagedError(f"{self._path} is damaged ({error}); {remedy}.") from error


def digest(text: str) -> str:
    """The SHA-256 of a text, as scripts have it by ``sha256``: what a caller wrote is not kept where this will do."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, because ``executescript`` would end the transaction."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""

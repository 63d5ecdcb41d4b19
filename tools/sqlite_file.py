"""A SQLite file on its way in and out: for its owner alone, looked over when it is opened, sealed when it is closed.

While nobody has a file open its digest lies beside it, so that a byte that flipped meanwhile is noticed wherever it
is. Where that is missing, because a process was killed, SQLite checks its own structure. What is damaged is never
used: either it is set aside and begun anew, or nobody gets in until a backup is put in its place.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from encoders.checksums import seal, seal_is_broken, sum_of, unseal
from encoders.errors import DamagedError, WorkspaceError
from encoders.workspace import PRIVATE, make_folder, set_aside
from tools.backups import changes_in, newest_backup

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


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
    if not path.exists():
        unseal(path)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE)
    try:
        with suppress(PermissionError):  # the file of somebody else
            os.fchmod(handle, PRIVATE)
    finally:
        os.close(handle)
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

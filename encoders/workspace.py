"""The one folder everything is written to, and the only ways to write in it.

    data/<version>/     the prepared data set, a folder for each version that somebody still reads
    data/current        which of them the next one to open the workspace gets
    models/<version>/   config.json, model.safetensors, report.json, checksums.json
    vectors/            the users' vectors, as the newest models see them
    chroma/             the same with their attributes, to find the nearest; unless a Chroma server holds them
    indexed             the version of data, model and day that was indexed last
    checkpoints/        what an interrupted run continues from
    cache/              embedded vocabularies
    deliveries/         what was read of each file of events, so that an unchanged one is not read again
    tuned/              demands that were fitted to known users
    checkpoints.db      conversations
    llm/                language models that were pulled
    gradio/             what the page keeps while it runs
    exports/            files for ad platforms
    uploads/            files that people brought: outcomes, lists of users
    registry.db         saved audiences
    allowance.db        how many groups of users each token has asked about today
    jobs.db             what was asked over HTTP and takes a while, and what was answered to which key
    tokens.db           who may call from outside
    mask.key            what the ids of users are masked with
    forgotten.json      who was erased, as keyed hashes
    erasures/           a receipt of each erasure
    limits.db           the calls of the last minute
    *.db-backup-<day>   copies of registry.db and tokens.db, the latest of each of the last days
    *.db-sum            digests of databases that nobody has open
    damaged/            what could not be read any more, and beside each the sentence that said so
    tenants/<name>/     the same for each tenant: tuned/, exports/, uploads/, registry.db, allowance.db
    locks/              who is writing right now

A file or folder appears under its name only when it is whole: it is written beside its place, flushed to the disk
and renamed. What a killed process left behind is swept away the next time the workspace is opened.
"""

import errno
import logging
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Protocol

from filelock import FileLock, Timeout

from encoders.errors import DiskError, ModelError, RequestError, WorkspaceError

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Called with what is being done, in words, and the share of it that is done (None: not known)."""

    def __call__(self, description: str, fraction: float | None = None, /) -> None:
        """Show it."""


MODEL_FILES = ("config.json", "model.safetensors", "report.json")
"""A model folder is whole when it holds these."""

PRIVATE = 0o600
"""Permissions of every file in a workspace: its owner alone may read it, whatever the umask."""
SHARED = 0o666
"""Permissions, before the umask, of a file that somebody asked to have elsewhere."""

KEY_BYTES = 32
"""Length of the key that ids are masked with."""

CURRENT = "current"
_OPEN_TO_OTHERS = 0o077
_SECRETS = (
    *("*.db", "*.db-*", "mask.key*", "grounded.toml", ".*.lock", "exports/*", "uploads/*", "tuned/*", "labels/*"),
    *("labels/*/*", "data/*", "data/*/*", "models/*", "models/*/*", "chroma/*", "chroma/*/*"),
    *("cache/*", "checkpoints/*", "erasures/*", "locks/*"),
)
"""What was written here by earlier versions, which left some of it open to others."""
_SIGNS = ("mask.key", "registry.db", "tokens.db", "data/current", "data/dataset.json")
"""What only a workspace has; a folder with none of them may be anybody's, and keeps its permissions."""

_FAULTS = {
    errno.ENOSPC: "the disk is full; free some space and run the command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the command again",
    errno.EFBIG: "the file would be larger than allowed here; raise the limit or free some space",
    errno.ENOTDIR: "a part of that path is not a folder; choose another with AUDIENCE_WORKSPACE",
    errno.EEXIST: "a file is in the way; move it or choose another folder with AUDIENCE_WORKSPACE",
    errno.EROFS: "the disk is read-only; choose another folder with AUDIENCE_WORKSPACE",
    errno.EACCES: "it may not be written by this user; change its owner or set AUDIENCE_WORKSPACE",
    errno.EPERM: "it may not be written by this user; change its owner or set AUDIENCE_WORKSPACE",
}
_SAID = {
    "disk is full": errno.ENOSPC,
    "no space left": errno.ENOSPC,
    "disk quota": errno.EDQUOT,
    "readonly database": errno.EROFS,
    "read-only file system": errno.EROFS,
}
"""How libraries say it that keep the number to themselves."""

_PROCESS = token_hex(4)
"""Tells this process from an earlier one that had the same number, as happens in containers."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LEFTOVER = re.compile(r"^\.(?P<name>.+)\.(?P<pid>\d+)-(?P<process>[0-9a-f]{8})-[0-9a-f]{8}\.(?P<kind>part|old)$")


def silent(description: str, fraction: float | None = None, /) -> None:
    """Show no progress: the default wherever nobody is watching."""


@contextmanager
def plain_faults(path: Path) -> Iterator[None]:
    """Turn a full disk, a read-only disk or a missing permission into one sentence about ``path``.

    Raises:
        DiskError: the operating system refused to write. Every other error passes through unchanged.
    """
    try:
        yield
    except Exception as error:
        remedy = _FAULTS.get(_fault(error))
        if remedy is None:
            raise
        raise DiskError(f"{path} was not written, and nothing was lost: {remedy}.") from error


def _fault(error: Exception) -> int:
    """The errno behind an error; polars, safetensors and SQLite only mention it in their text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # no room for what the connections of a file share
            return errno.ENOSPC
        code &= 0xFF
        return {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}.get(code, 0)
    said = str(error)
    if mentioned := re.search(r"\(os error (\d+)\)", said):
        return int(mentioned[1])
    return next((number for words, number in _SAID.items() if words in said.casefold()), 0)


@contextmanager
def atomic_file(target: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Give a path to write to; it takes the place of ``target`` when the block ends without an error.

    Args:
        target: where the file shall be; the folder is made where missing, for its owner alone.
        mode: permissions, before the umask; ``SHARED`` for a file outside the workspace.

    Raises:
        WorkspaceError: the disk is full or may not be written; ``target`` is as it was before.
    """
    with plain_faults(target):
        make_folder(target.parent)
        _sweep(target.parent, target.name)
        part = _beside(target, "part")
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
            yield part
            _flush(part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        _flush(target.parent)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill, for its owner alone; it takes the place of ``target`` when the block ends well.

    Raises:
        WorkspaceError: the disk is full or may not be written; ``target`` is as it was before.
    """
    with plain_faults(target):
        make_folder(target.parent)
        _sweep(target.parent, target.name)
        part, old = _beside(target, "part"), _beside(target, "old")
        try:
            part.mkdir(mode=0o700)
            yield part
            for path in (*part.rglob("*"), part):
                _close_to_others(path)
                _flush(path)
            if target.exists():
                target.rename(old)
            part.rename(target)
            _flush(target.parent)
        except BaseException:
            if old.exists() and not target.exists():
                old.rename(target)
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Give an empty folder beside ``beside``, for its owner alone, for what is needed until the block ends.

    Raises:
        WorkspaceError: the disk is full or may not be written.
    """
    with plain_faults(beside):
        make_folder(beside.parent)
        part = _beside(beside, "part")
        part.mkdir(mode=0o700)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone; one that is there stays as it is."""
    for path in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        path.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # says so where a file is in the way


def set_aside(path: Path, into: Path, lost: str) -> None:
    """Move what cannot be read any more, and what belongs to it, out of the way; say so in the log and beside it.

    Args:
        path: a file or folder.
        into: the folder ``damaged``.
        lost: what is lost and what makes it again, as the rest of a sentence.
    """
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{token_hex(2)}"
    target = into / f"{path.name}-{moment}"
    with plain_faults(path):
        make_folder(into)
        for each in sorted(path.parent.glob(f"{path.name}-*")) if path.is_file() else []:
            if each.name.removeprefix(path.name) in ("-wal", "-shm", "-sum"):
                each.rename(into / f"{target.name}{each.name.removeprefix(path.name)}")
        path.rename(target)
        said = f"{path} was damaged and is now {target}: {lost}."
        with atomic_file(target.with_name(f"{target.name}.txt")) as part:
            part.write_text(f"{said}\n", "utf-8")
    log.warning("%s", said)


def checked_tenant(tenant: str) -> str:
    """The name of a tenant, which names a folder as well; '' is the owner.

    Raises:
        RequestError: it cannot be one.
    """
    if tenant and not _TENANT.fullmatch(tenant):
        raise RequestError(f"'{tenant[:60]}' cannot name a tenant; take small letters, digits and hyphens.")
    return tenant


class Workspace:
    """Where things are in one workspace folder; opening it writes nothing but the sweeping up."""

    def __init__(self, path: Path | str, tenant: str = "") -> None:
        """Open ``path``, which need not exist yet.

        Args:
            path: the folder.
            tenant: whose audiences, tuned demands and files these are; data and models are everybody's.

        Raises:
            WorkspaceError: ``path`` is not a folder.
        """
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise WorkspaceError(f"{self.path} is a file; set AUDIENCE_WORKSPACE to a folder.")
        self.data_folder = self.path / "data"
        self.models_folder = self.path / "models"
        self.chroma = self.path / "chroma"
        self.checkpoints = self.path / "checkpoints"
        self.receipts = self.path / "erasures"
        self.tokens = self.path / "tokens.db"
        self.own = self.path / "tenants" / tenant if tenant else self.path
        self.tuned = self.own / "tuned"
        self.exports = self.own / "exports"
        self.uploads = self.own / "uploads"
        self.registry = self.own / "registry.db"
        for folder in (
            *(self.path, self.data_folder, self.models_folder, self.checkpoints, self.receipts),
            *(self.tuned, self.exports, self.uploads),
        ):
            _sweep(folder)
        if any((self.path / name).exists() for name in _SIGNS):
            _close_to_others(self.path.resolve())
        for pattern in _SECRETS:
            for path in self.own.glob(pattern):
                _close_to_others(path)

    @property
    def data(self) -> Path:
        """The folder of the data that was prepared last; whoever reads more than once from it keeps this path.

        Before 0.2 there was one version, in ``data`` itself, which is read until other data is prepared.
        """
        try:
            name = (self.data_folder / CURRENT).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if not isinstance(error, UnicodeDecodeError):
                return self.data_folder
            name = ""
        versions = self.data_versions()
        for folder in versions:
            if folder.name == name and folder.parent == self.data_folder:
                return folder
        if versions:
            log.warning("%s is damaged; the data prepared last is taken.", self.data_folder / CURRENT)
            return versions[0]
        return self.data_folder

    def data_versions(self) -> list[Path]:
        """Folders of prepared data, the one prepared last first."""
        if not self.data_folder.is_dir():
            return []
        found = [path for path in self.data_folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
        whole = [path for path in (*found, self.data_folder) if (path / "dataset.json").is_file()]
        return sorted(whole, key=lambda path: ((path / "dataset.json").stat().st_mtime_ns, path.name), reverse=True)

    def take_data(self, folder: Path) -> None:
        """Have everybody who opens the workspace from now on read the data in ``folder``, one of its versions.

        Raises:
            WorkspaceError: the disk is full or may not be written; all is as it was.
        """
        os.utime(folder / "dataset.json")
        with atomic_file(self.data_folder / CURRENT) as part:
            part.write_text(folder.name, "utf-8")

    def of_tenant(self, tenant: str) -> "Workspace":
        """The same workspace with the audiences and files of a tenant; '' is the owner.

        Raises:
            RequestError: it cannot name a tenant, and so no folder.
        """
        return Workspace(self.path, checked_tenant(tenant))

    def mask_key(self) -> bytes:
        """What ids are masked with; random, so that nobody who knows the ids can tell which mask is whose.

        Raises:
            WorkspaceError: it may not be written, or is no key.
        """
        path = self.path / "mask.key"
        if not path.exists():
            with plain_faults(path), suppress(FileExistsError):
                make_folder(self.path)
                with tempfile.NamedTemporaryFile(dir=self.path, prefix=".mask.") as made:  # for its owner alone
                    key = token_bytes(KEY_BYTES)
                    made.write(key + sha256(key).digest())
                    made.flush()
                    os.fsync(made.fileno())
                    os.link(made.name, path)
        with plain_faults(path):
            content = path.read_bytes()
        key, digest = content[:KEY_BYTES], content[KEY_BYTES:]
        if len(key) != KEY_BYTES or digest not in (b"", sha256(key).digest()):  # in 0.1 there was no digest
            raise WorkspaceError(
                f"{path} is damaged: it is not the key that masks were made with; put a backup of it in its place, or, "
                "where nobody was erased, delete it, and masks that were given out stand for nobody."
            )
        return key

    def models(self) -> list[Path]:
        """Whole model folders, newest first; half-written and foreign ones are passed over."""
        if not self.models_folder.is_dir():
            return []
        whole = [
            folder
            for folder in self.models_folder.iterdir()
            if not folder.name.startswith(".") and all((folder / name).is_file() for name in MODEL_FILES)
        ]
        return sorted(
            whole, key=lambda folder: ((folder / "report.json").stat().st_mtime_ns, folder.name), reverse=True
        )

    def newest_model(self) -> Path:
        """The model folder written last.

        Raises:
            ModelError: there is none.
        """
        for folder in self.models():
            return folder
        raise ModelError(f"There is no trained model in {self.path}; run 'audience demo' or 'audience train' first.")

    @contextmanager
    def lock(self, name: str, remedy: str = "", patience: float = 0.0) -> Iterator[None]:
        """Be the only one that does ``name`` ("train", "chroma") in this workspace.

        The lock goes with the process that holds it, however that ends, so a killed process blocks nobody.

        Args:
            name: what the lock is for.
            remedy: what else the second one could do, added to the message it gets.
            patience: seconds to wait for whoever holds it.

        Raises:
            WorkspaceError: somebody else holds it, or the workspace may not be written.
        """
        folder = self.path / "locks"
        owner = folder / f"{name}.pid"
        with plain_faults(folder):
            make_folder(folder)
            lock = FileLock(folder / f"{name}.lock", timeout=patience, mode=PRIVATE, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                raise WorkspaceError(
                    f"The workspace {self.path} is in use for '{name}' by {_holder(owner)}{remedy}."
                ) from None
        try:
            with atomic_file(owner) as part:
                part.write_text(str(os.getpid()), "utf-8")
            yield
        finally:
            owner.unlink(missing_ok=True)
            lock.release()


def _close_to_others(path: Path) -> None:
    """Take the permissions of others off a file or folder of ours."""
    with suppress(OSError):
        found = path.lstat()
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & _OPEN_TO_OTHERS and found.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(found.st_mode) & ~_OPEN_TO_OTHERS)


def _holder(owner: Path) -> str:
    """Who holds a lock, and what to do about it."""
    with suppress(OSError):
        pid = owner.read_text("utf-8")
        if pid == str(os.getpid()):
            return f"this same process ({pid}); close the first use of it before the second"
        return f"process {pid}; wait until it is done or end it with 'kill {pid}'"
    return "a process that has just started; try again in a moment"


def _beside(target: Path, kind: str) -> Path:
    """A hidden, unused name in the folder of ``target`` that says whose it is."""
    return target.with_name(f".{target.name}.{os.getpid()}-{_PROCESS}-{token_hex(4)}.{kind}")


def _sweep(folder: Path, name: str | None = None) -> None:
    """Remove what dead processes left in ``folder``, and put back what they had moved aside."""
    for path in folder.glob(".*"):
        left = _LEFTOVER.match(path.name)
        if left is None or name not in (None, left["name"]) or _alive(int(left["pid"]), left["process"]):
            continue
        with suppress(OSError):
            target = folder / left["name"]
            if left["kind"] == "old" and not target.exists():
                path.rename(target)
            elif path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(pid: int, process: str) -> bool:
    if pid == os.getpid():
        return process == _PROCESS
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush(path: Path) -> None:
    """Have the disk really hold what was written to a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

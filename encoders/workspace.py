"""The one folder everything is written to, and the only ways to write in it.

    data/               the prepared data set
    models/<version>/   config.json, model.safetensors, report.json
    chroma/             the users' vectors, unless a Chroma server holds them
    checkpoints/        what an interrupted run continues from
    cache/              embedded vocabularies
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
    tenants/<name>/     the same for each tenant: tuned/, exports/, uploads/, registry.db, allowance.db
    locks/              who is writing right now

A file or folder appears under its name only when it is whole: it is written beside its place, flushed to the disk
and renamed. What a killed process left behind is swept away the next time the workspace is opened.
"""

import errno
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_bytes, token_hex
from typing import Protocol

from filelock import FileLock, Timeout

from encoders.errors import ModelError, RequestError, WorkspaceError


class Progress(Protocol):
    """Called with what is being done, in words, and the share of it that is done (None: not known)."""

    def __call__(self, description: str, fraction: float | None = None, /) -> None:
        """Show it."""


MODEL_FILES = ("config.json", "model.safetensors", "report.json")
"""A model folder is whole when it holds these."""

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
        WorkspaceError: the operating system refused to write. Every other error passes through unchanged.
    """
    try:
        yield
    except Exception as error:
        remedy = _FAULTS.get(_fault(error))
        if remedy is None:
            raise
        raise WorkspaceError(f"{path} was not written, and nothing was lost: {remedy}.") from error


def _fault(error: Exception) -> int:
    """The errno behind an error; polars, safetensors and SQLite only mention it in their text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}.get(code, 0)
    mentioned = re.search(r"\(os error (\d+)\)", str(error))
    return int(mentioned[1]) if mentioned else 0


@contextmanager
def atomic_file(target: Path, mode: int = 0o666) -> Iterator[Path]:
    """Give a path to write to; it takes the place of ``target`` when the block ends without an error.

    Args:
        target: where the file shall be; the folder is made where missing.
        mode: permissions, before the umask.

    Raises:
        WorkspaceError: the disk is full or may not be written; ``target`` is as it was before.
    """
    with plain_faults(target):
        target.parent.mkdir(parents=True, exist_ok=True)
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
    """Give an empty folder to fill; it takes the place of ``target`` when the block ends without an error.

    Raises:
        WorkspaceError: the disk is full or may not be written; ``target`` is as it was before.
    """
    with plain_faults(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent, target.name)
        part, old = _beside(target, "part"), _beside(target, "old")
        try:
            part.mkdir()
            yield part
            for path in (*part.rglob("*"), part):
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
        self.data = self.path / "data"
        self.models_folder = self.path / "models"
        self.chroma = self.path / "chroma"
        self.checkpoints = self.path / "checkpoints"
        self.tokens = self.path / "tokens.db"
        self.own = self.path / "tenants" / tenant if tenant else self.path
        self.tuned = self.own / "tuned"
        self.exports = self.own / "exports"
        self.uploads = self.own / "uploads"
        self.registry = self.own / "registry.db"
        for folder in (self.path, self.models_folder, self.checkpoints, self.tuned, self.exports, self.uploads):
            _sweep(folder)

    def of_tenant(self, tenant: str) -> "Workspace":
        """The same workspace with the audiences and files of a tenant; '' is the owner.

        Raises:
            RequestError: it cannot name a tenant, and so no folder.
        """
        return Workspace(self.path, checked_tenant(tenant))

    def mask_key(self) -> bytes:
        """What ids are masked with; random, so that nobody who knows the ids can tell which mask is whose.

        Raises:
            WorkspaceError: it may not be written.
        """
        path = self.path / "mask.key"
        with plain_faults(path), suppress(FileExistsError):
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.path, prefix=".mask.") as made:  # readable by its owner alone
                made.write(token_bytes(32))
                made.flush()
                os.link(made.name, path)
        return path.read_bytes()

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
    def lock(self, name: str, remedy: str = "") -> Iterator[None]:
        """Be the only one that does ``name`` ("train", "chroma") in this workspace.

        The lock goes with the process that holds it, however that ends, so a killed process blocks nobody.

        Args:
            name: what the lock is for.
            remedy: what else the second one could do, added to the message it gets.

        Raises:
            WorkspaceError: somebody else holds it, or the workspace may not be written.
        """
        folder = self.path / "locks"
        owner = folder / f"{name}.pid"
        with plain_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{name}.lock", timeout=0, thread_local=False)
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

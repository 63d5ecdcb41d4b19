"""Versions of the prepared data: written beside each other, held while somebody reads them, dropped afterwards.

Whoever opens a version holds a shared lock on its card. Preparing other data makes a new version and says that it is
the current one; it never touches one that is read, so nobody ever counts with the rows of one and the names of another.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from encoders.checksums import CHECKSUMS, damaged_files, sha256_of
from encoders.workspace import PRIVATE, Workspace, make_folder, plain_faults, set_aside

CARD = "dataset.json"
COUNTS = "counts"
"""The folder in a version where what was counted from it lies; whoever has that mapped keeps it when it is deleted."""
_NEXT = ".next"
_CARD_DIGITS = 8
_VERSION = re.compile(rf".+-[0-9a-f]{{{_CARD_DIGITS}}}")

Done = TypeVar("Done")


def hold(folder: Path) -> int:
    """Keep others from dropping the version in ``folder`` until the file descriptor that this gives is closed.

    Raises:
        FileNotFoundError: there is no version, or it has just been dropped.
    """
    handle = os.open(folder / CARD, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH)
        if not os.fstat(handle).st_nlink:
            raise FileNotFoundError(folder / CARD)
    except BaseException:
        os.close(handle)
        raise
    return handle


def publish(workspace: Workspace, name: str, write: Callable[[Path], Done]) -> Done:
    """Have ``write`` prepare a folder and make it the current data of a workspace.

    Equal data, described in equal words, is the version that is there already. Versions that nobody reads any more are
    dropped.

    Args:
        workspace: where the data goes.
        name: of the data, as messages call it.
        write: prepares the folder that it is given, which is not there yet.

    Raises:
        WorkspaceError: the disk is full or may not be written, or another process prepares data; all is as it was.
    """
    folder = workspace.data_folder
    with workspace.lock("prepare"), plain_faults(folder):
        make_folder(folder)
        building = folder / _NEXT
        shutil.rmtree(building, ignore_errors=True)
        try:
            done = write(building)
            workspace.take_data(_put(workspace, building, name))
        finally:
            shutil.rmtree(building, ignore_errors=True)
        with suppress(OSError):  # what is left is dropped the next time
            drop_unread(workspace)
    return done


def _put(workspace: Workspace, building: Path, name: str) -> Path:
    """Give a version its name, unless it is there."""
    version = json.loads((building / CARD).read_text("utf-8"))["version"]
    target = workspace.data_folder / f"{version}-{sha256_of(building / CARD)[:_CARD_DIGITS]}"
    if target.exists() and damaged_data(target):
        set_aside(target, workspace.path / "damaged", f"nothing is lost, because {name} was prepared again")
    if not target.exists():
        building.rename(target)
    return target


def damaged_data(folder: Path, *names: str) -> list[str]:
    """Files of prepared data, or those of them named, that are not as they were written.

    Before 0.2 there were neither checksums nor versions; a version without them has lost them.
    """
    return damaged_files(folder, *names, always=bool(_VERSION.fullmatch(folder.name)))


def drop_unread(workspace: Workspace) -> None:
    """Delete every version but the current one that nobody reads."""
    for folder in workspace.data_versions():
        if folder != workspace.data:
            with _unread(folder) as unread:
                if unread and folder == workspace.data_folder:
                    shutil.rmtree(folder / COUNTS, ignore_errors=True)
                    for path in (*folder.glob("*.parquet"), folder / CHECKSUMS, folder / CARD):
                        path.unlink(missing_ok=True)
                elif unread:
                    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def one_maker(kept: Path) -> Iterator[None]:
    """Wait until nobody else makes or maps what is made once and kept in a folder, such as counts.

    A program that opens newer data and the command that indexes it may both come first. Where the folder may not be
    written nobody makes anything there, and nobody is waited for.
    """
    try:
        lock = FileLock(kept.with_name(f".{kept.name}.lock"), mode=PRIVATE)
        lock.acquire()
    except OSError:
        yield
        return
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _unread(folder: Path) -> Iterator[bool]:
    """Whether nobody reads a version; nobody begins to before the block has ended."""
    handle = os.open(folder / CARD, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unread = True
        except OSError:
            unread = False
        yield unread
    finally:
        os.close(handle)

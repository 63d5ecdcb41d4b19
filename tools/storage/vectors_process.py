"""Chroma in a process of its own: where it crashes, it takes neither the service nor anything that was saved with it.

One such process is started when the index is first needed, and ends with the one that started it. What it is asked
goes through a pipe; users are encoded on this side, where the model is.

Chroma writes memory that it never filled into its files. Freed memory of that process is therefore overwritten, where
glibc manages it, and after an erasure the index is written by a new process, which has never known who was erased.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.errors import AudienceError, BrokenIndexError, require
from encoders.workspace import Progress, Workspace, silent
from tools.storage.vectors import CollectionCopy, UserRecords, Vectors, VectorStore
from tools.types import Filter

PATIENCE = 2.0
"""Seconds to wait for a process that is ending to let go of the folder."""

_OVERWRITTEN = {"MALLOC_PERTURB_": "85"}
"""Has glibc fill memory that is taken and memory that is given back."""

CODE = "import sys; from tools.storage.vectors_process import answer_all; answer_all(int(sys.argv[1]))"
"""What the other process runs."""


class _Helper:
    """The process, started when it is first asked, and again where it has ended."""

    def __init__(self) -> None:
        self._lock: Lock
        self.process: subprocess.Popen[bytes] | None
        """None until it is asked, and once it has ended."""
        self._pipe: Connection | None
        self.forget()

    def forget(self) -> None:
        """Know of no process."""
        self._lock, self.process, self._pipe = Lock(), None, None

    def end(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._end()

    def ask(self, question: tuple[Any, ...], users: UserRecords | None = None, progress: Progress = silent) -> Any:
        """What the process answers.

        Raises:
            BrokenIndexError: it crashed.
            AudienceError: what went wrong in it.
        """
        with self._lock:
            pipe = self._started()
            try:
                pipe.send(question)
                for kind, *content in _messages(pipe):
                    if kind == "encode" and users:
                        pipe.send(users.encode(content[0]))
                    elif kind == "progress":
                        progress(*content)
                    elif kind == "failed":
                        raise content[0]
                    else:
                        return content[0]
            except (EOFError, OSError) as error:
                raise BrokenIndexError(f"The index crashed ({self._end()}).") from error
            except BaseException as error:
                if not isinstance(error, AudienceError):
                    self._end()  # it is in the middle of something that nobody waits for
                raise

    def _started(self) -> Connection:
        if self.process is None or self.process.poll() is not None or self._pipe is None or self._pipe.closed:
            require("chromadb")
            self._end()
            self._pipe, theirs = Pipe()
            environment = os.environ | _OVERWRITTEN | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment,
            )
            theirs.close()
        return self._pipe

    def _end(self) -> str:
        """How the process ended; it is killed where it has not."""
        if self._pipe:
            self._pipe.close()
        if self.process is None:
            return ""
        ended, self.process = self.process, None
        try:
            code = ended.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            ended.kill()
            code = ended.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


helper = _Helper()
"""The one of this process."""
os.register_at_fork(after_in_child=helper.forget)  # a copy of this process starts one of its own


def write_apart(
    workspace: Workspace, url: str, name: str, users: UserRecords, progress: Progress, only: bool = False
) -> int:
    """``VectorStore.write`` in the other process; with ``only``, other collections are dropped afterwards."""
    return int(helper.ask(("write", workspace.path, url, name, _sent(users), only), users, progress))


def nearest_apart(
    workspace: Workspace, url: str, name: str, vector: Vectors, k: int, filters: tuple[Filter, ...]
) -> list[str]:
    """The ids that ``VectorStore.nearest`` finds, in the other process.

    Raises:
        BrokenIndexError: it crashed, or the folder is damaged.
        WorkspaceError: the collection is not there or not complete, or another process owns the folder.
    """
    found: list[str] = helper.ask(("nearest", workspace.path, url, name, vector, k, filters))
    return found


def contents_apart(workspace: Workspace) -> list[CollectionCopy]:
    """``VectorStore.contents`` in another process: opening an index may write to it, memory never filled included.

    Raises:
        BrokenIndexError: it crashed.
        WorkspaceError: another process owns the folder.
    """
    helper.end()
    contents: list[CollectionCopy] = helper.ask(("contents", workspace.path))
    helper.end()
    return contents


def rewrite_apart(workspace: Workspace, folder: Path, collections: Iterable[CollectionCopy]) -> None:
    """Write collections into the empty ``folder``, in a process that knows of nobody but those in them.

    Raises:
        BrokenIndexError: it crashed.
        WorkspaceError: it may not be written.
    """
    helper.end()
    for each in collections:
        helper.ask(("rewrite", workspace.path, folder, each))
    helper.end()


def _sent(users: UserRecords) -> UserRecords:
    return replace(users, encode=_nobody)


def _nobody(rows: NDArray[np.int64]) -> Vectors:
    raise AssertionError("users are encoded on the other side")


def _messages(pipe: Connection) -> Iterator[Any]:
    while True:
        yield pipe.recv()


# --- in the other process -------------------------------------------------------------------------


def answer_all(handle: int) -> None:
    """Answer questions until nobody asks any more."""
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    pipe = Connection(handle)
    while True:
        try:
            question = pipe.recv()
            try:
                pipe.send(("done", _answer(pipe, *question)))
            except AudienceError as error:
                pipe.send(("failed", error))
        except (EOFError, OSError):
            return


def _end_with(parent: int) -> None:
    """End at once when the process that asked has ended, whatever it was doing, and so let go of the folder."""
    while os.getppid() == parent:
        sleep(0.1)
    os._exit(1)


def _answer(pipe: Connection, kind: str, *question: Any) -> Any:
    if kind == "contents":
        with VectorStore(Workspace(*question), patience=PATIENCE) as store:
            return list(store.contents())
    if kind == "nearest":
        return _nearest(*question)
    return _rewrite(*question) if kind == "rewrite" else _write(pipe, *question)


def _nearest(path: Path, url: str, name: str, vector: Vectors, k: int, filters: tuple[Filter, ...]) -> list[str]:
    with VectorStore(Workspace(path), url, PATIENCE) as store:
        return store.nearest(name, vector, k, filters)[0]


def _rewrite(path: Path, folder: Path, collection: CollectionCopy) -> int:
    beside = Workspace(path)
    beside.chroma = folder
    with VectorStore(beside, patience=PATIENCE) as store:
        store.put_collection(collection)
    return len(collection.ids)


def _write(pipe: Connection, path: Path, url: str, name: str, users: UserRecords, only: bool) -> int:
    def encode(rows: NDArray[np.int64]) -> Vectors:
        pipe.send(("encode", rows))
        answer: Vectors = pipe.recv()
        return answer

    def progress(description: str, fraction: float | None = None, /) -> None:
        pipe.send(("progress", description, fraction))

    with VectorStore(Workspace(path), url, PATIENCE) as store:
        written = store.write(name, replace(users, encode=encode), progress)
        if only:
            store.drop_others([name])
        return written

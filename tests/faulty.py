"""Faults at the moment they hurt: a process that is killed, or finds the disk full, at its k-th step on the disk.

A run is a fork of this process, so that what takes long to import is there already. Steps are what Python tells its
audit hooks about files of the workspace (open for writing, rename, make, remove), every flush, every statement to a
database, and every message to the process of the index.
"""

import errno
import json
import os
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

from encoders.checksums import CHECKSUMS
from encoders.errors import AudienceError
from encoders.settings import settings
from tools.storage.sqlite import Database

LONGEST, FILLING = 180, 600
"""Seconds after which a run that hangs is ended: one operation, and all of them together that fill a workspace."""

_CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "sqlite3.connect")
_NEEDS_ROOM = ("open", "os.mkdir", "os.link", "write")


@dataclass(frozen=True)
class Fault:
    """What happens at which step."""

    kind: str = "none"
    """'none', 'kill' or 'full': from that step on there is no room."""
    step: int = 0


@dataclass(frozen=True)
class Ran:
    """What came of a run."""

    code: int
    """Exit code; negative: the signal that ended it."""
    out: str
    err: str
    steps: int

    @property
    def sentence(self) -> str:
        """The one line that a failed command says; empty where it says something else."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("audience: ")]
        return said[0] if len(said) == 1 and "Traceback" not in self.err else ""


class _Injector:
    def __init__(self, fault: Fault, folder: Path) -> None:
        self.fault, self.folder, self.steps = fault, str(folder), 0

    def install(self) -> None:
        run, flush, send = Database.run, os.fsync, Connection.send

        def noted_run(database: Database, statement: str, values: Any = ()) -> list[sqlite3.Row]:
            if not statement.startswith("SELECT"):
                self.step("write" if statement.startswith(("INSERT", "UPDATE", "CREATE")) else "", database=True)
            return run(database, statement, values)

        def noted_flush(handle: int) -> None:
            self.step("")
            flush(handle)

        def noted_send(pipe: Connection, what: object) -> None:
            self.step("")
            send(pipe, what)

        for owner, name, noted in (
            (Connection, "send", noted_send), (Database, "run", noted_run), (os, "fsync", noted_flush)
        ):  # fmt: skip
            patch.object(owner, name, noted).start()
        sys.addaudithook(self.hear)

    def hear(self, event: str, values: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = values
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if flags else "w" in (mode or "")
            if writes and self.folder in str(path):
                self.step(event)
        elif event in _CHANGES and self.folder in str(values[0]):
            self.step(event)

    def step(self, event: str, database: bool = False) -> None:
        self.steps += 1
        if self.fault.kind == "kill" and self.steps == self.fault.step:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault.kind == "full" and self.steps >= self.fault.step and event in _NEEDS_ROOM:
            if database:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def run(action: Callable[[], None], workspace: Path, fault: Fault | None = None, longest: int = LONGEST) -> Ran:
    """Do something to a workspace in a process of its own, with a fault on the way, for so many seconds at most."""
    with tempfile.TemporaryDirectory() as folder:
        out, err, steps = (Path(folder) / name for name in ("out", "err", "steps"))
        if not (child := os.fork()):
            signal.alarm(longest)
            _run_and_end(action, workspace, fault or Fault(), (out, err, steps))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        taken = int(steps.read_text()) if steps.exists() else 0
        return Ran(code, out.read_text(), err.read_text(), taken)


def _run_and_end(action: Callable[[], None], workspace: Path, fault: Fault, files: tuple[Path, Path, Path]) -> None:
    code = 1
    try:
        for number, path in zip((1, 2), files, strict=False):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        os.environ |= {"AUDIENCE_WORKSPACE": str(workspace), "AUDIENCE_TEXT_ENCODER": "use"}
        os.environ |= {"AUDIENCE_MINIMUM_SIZE": "10", "COLUMNS": "400"}
        settings.cache_clear()
        injector = _Injector(fault, workspace)
        injector.install()
        try:
            action()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else bool(ended.code)
        except AudienceError as error:  # as the command line would say it
            sys.stderr.write(f"audience: {error}\n")
            code = 2
        finally:
            injector.fault = Fault()
            files[2].write_text(str(injector.steps))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def as_of_an_earlier_version(model: Path) -> None:
    """Make a model folder one that was written before there were checksums."""
    (model / CHECKSUMS).unlink(missing_ok=True)
    config = json.loads((model / "config.json").read_text("utf-8"))
    config.pop("checked", None)
    (model / "config.json").write_text(json.dumps(config), "utf-8")


def flip(path: Path, share: float = 0.6) -> None:
    """Turn one byte of a file over, so far from its beginning."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x20
    path.write_bytes(content)


def truncate(path: Path, share: float = 0.5) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

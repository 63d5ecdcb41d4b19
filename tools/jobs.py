"""Work that takes a while: kept on disk, done in a few threads, watched and stopped by its id."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Literal

from pydantic import BaseModel, Field

from encoders.errors import AudienceError, BusyError, NotThereError, WorkspaceError
from encoders.records import Record
from encoders.workspace import Progress, Workspace
from tools.access.callers import Scope, current
from tools.operation_types import Refreshed
from tools.problems import Problem, problem_of
from tools.storage.registry_tables import Answers
from tools.storage.sqlite import Database
from tools.types import TunedSummary

# --- Jobs and answers on disk, in one SQLite file: what was asked, by whom, and what became of it -
#
# Rows belong to a tenant, and every question names its own: the job of another is simply not there.


TABLES = (
    """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    progress TEXT NOT NULL,
    created TEXT NOT NULL,
    ended TEXT,
    result TEXT,
    problem TEXT
);
CREATE TABLE answers (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    content TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;
""",
    """
ALTER TABLE answers ADD COLUMN made TEXT NOT NULL DEFAULT '';
UPDATE answers SET made = strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now');
""",
    """
ALTER TABLE jobs ADD COLUMN caller TEXT NOT NULL DEFAULT '';
""",
    "ALTER TABLE answers RENAME COLUMN tenant TO whose;",
    "PRAGMA secure_delete = ON;\nUPDATE answers SET key = sha256(key);",
)
LOST = "jobs begin anew, and a key that was used is no longer remembered; everything that was saved is where it was"
_MINE = "tenant = :tenant AND (:caller IS NULL OR caller = :caller)"
_OPEN = "state IN ('waiting', 'running', 'stopping')"


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    """It was cancelled, and ends at the next point where nothing is lost."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The server ended while it was at work; what it had not finished was not kept."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self not in (State.WAITING, State.RUNNING, State.STOPPING)


class JobProgress(Record):
    """How far a job is."""

    description: str = Field(description="what is being done, in words")
    fraction: float | None = Field(None, ge=0, le=1, description="share of it that is done; null where not known")


class Job(Record):
    """Something that takes a while."""

    id: str
    kind: Literal["tune", "refresh"]
    state: State
    progress: JobProgress
    created: datetime
    ended: datetime | None = None
    result: TunedSummary | Refreshed | None = Field(None, description="once it is done")
    problem: Problem | None = Field(None, description="why it failed")


class JobPage(Record):
    """A part of the list of jobs, newest first."""

    jobs: tuple[Job, ...]
    next_cursor: str = Field(description="what gives the next page; empty on the last")


class Ledger:
    """The file of one workspace; any thread and any number of processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, and make it where missing.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db = Database(path, TABLES, lost=LOST)
        self.answers = Answers(self._db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add(self, tenant: str, caller: str, kind: str, subject: str) -> Job:
        """Write down a job that waits, asked for by a caller of a tenant.

        Raises:
            BusyError: another is open on the same subject.
        """
        job, waits = f"job-{token_hex(6)}", JobProgress(description="Waiting")
        with self._db.transaction():
            others = self._db.run(
                f"SELECT id FROM jobs WHERE tenant = ? AND subject = ? AND {_OPEN}", (tenant, subject)
            )
            if others:
                raise BusyError(f"{others[0]['id']} is at work on it already; wait for that job, or cancel it.")
            self._db.run(
                "INSERT INTO jobs (id, tenant, caller, subject, kind, state, progress, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (job, tenant, caller, subject, kind, State.WAITING, waits.model_dump_json(), _now()),
            )
        return self.job(tenant, job)

    def job(self, tenant: str, job: str, caller: str | None = None) -> Job:
        """A job as it stands.

        Args:
            tenant: whose job it is.
            job: its id.
            caller: who asked for it; None for anybody of the tenant.

        Raises:
            NotThereError: there is no such job.
        """
        with self._db.reading():
            found = self._db.run(f"SELECT * FROM jobs WHERE {_MINE} AND id = :job", _of(tenant, caller) | {"job": job})
        if not found:
            raise NotThereError(f"There is no job '{job[:40]}'.")
        row = found[0]
        return Job(
            id=row["id"],
            kind=row["kind"],
            state=State(row["state"]),
            progress=JobProgress.model_validate_json(row["progress"]),
            created=row["created"],
            ended=row["ended"],
            result=_RESULTS[row["kind"]].model_validate_json(row["result"]) if row["result"] else None,
            problem=Problem.model_validate_json(row["problem"]) if row["problem"] else None,
        )

    def page(self, tenant: str, limit: int, cursor: str, caller: str | None = None) -> JobPage:
        """Jobs of a tenant, of one caller or of all, newest first.

        Raises:
            NotThereError: the cursor is no such job.
        """
        with self._db.reading():
            after = 2**62
            if cursor:
                self.job(tenant, cursor, caller)
                after = self._db.run("SELECT number FROM jobs WHERE id = ?", (cursor,))[0]["number"]
            rows = self._db.run(
                f"SELECT id FROM jobs WHERE {_MINE} AND number < :after ORDER BY number DESC LIMIT :limit",
                _of(tenant, caller) | {"after": after, "limit": limit + 1},
            )
            jobs = tuple(self.job(tenant, row["id"]) for row in rows[:limit])
        return JobPage(jobs=jobs, next_cursor=jobs[-1].id if len(rows) > limit else "")

    def move(self, job: str, state: State, *wanted: State) -> bool:
        """Bring a job from one of the states that are ``wanted`` to another; whether it was in one."""
        ended, names = _now() if state.ended else None, ", ".join(f"'{each}'" for each in wanted)
        with self._db.transaction():
            moved = self._db.run(
                f"UPDATE jobs SET state = ?, ended = ? WHERE id = ? AND state IN ({names}) RETURNING id",
                (state, ended, job),
            )
        return bool(moved)

    def tell(self, job: str, progress: JobProgress) -> bool:
        """Note how far a running job is; False where it is asked to stop."""
        with self._db.transaction():
            told = self._db.run(
                "UPDATE jobs SET progress = ? WHERE id = ? AND state = ? RETURNING id",
                (progress.model_dump_json(), job, State.RUNNING),
            )
        return bool(told)

    def finish(self, job: str, result: BaseModel) -> None:
        """Keep what a job gave."""
        progress = JobProgress(description="Done", fraction=1.0)
        with self._db.transaction():
            self._db.run(
                f"UPDATE jobs SET state = ?, ended = ?, result = ?, progress = ? WHERE id = ? AND {_OPEN}",
                (State.DONE, _now(), result.model_dump_json(), progress.model_dump_json(), job),
            )

    def fail(self, job: str, problem: Problem) -> None:
        """Keep why a job gave nothing."""
        with self._db.transaction():
            self._db.run(
                f"UPDATE jobs SET state = ?, ended = ?, problem = ? WHERE id = ? AND {_OPEN}",
                (State.FAILED, _now(), problem.model_dump_json(), job),
            )

    def interrupt(self) -> None:
        """Say of every open job that it was interrupted; for whoever knows that nobody is at work on any."""
        with self._db.transaction():
            self._db.run(f"UPDATE jobs SET state = ?, ended = ? WHERE {_OPEN}", (State.INTERRUPTED, _now()))


_RESULTS: dict[str, type[TunedSummary | Refreshed]] = {"tune": TunedSummary, "refresh": Refreshed}


def _of(tenant: str, caller: str | None) -> dict[str, str | int | None]:
    return {"tenant": tenant, "caller": caller}


def _now() -> str:
    return datetime.now(UTC).isoformat()


# --- Work that takes a while: done in a few threads, watched and stopped by its id, and never silently
#     lost ---
#
# A job runs inside the process that took it on. Work tells how far it is at points where stopping loses nothing, so
# that is where a job that was cancelled, or whose server is closing, ends. One process of a workspace runs jobs at a
# time; whoever becomes it knows that jobs which are still open in the ledger died with the process before.


log = logging.getLogger(__name__)

Work = Callable[[Progress], TunedSummary | Refreshed]
_AT_ONCE = 2


class _StoppedError(Exception):
    """The work was asked to stop."""


class Jobs:
    """The jobs of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """Open the ledger of a workspace; nothing runs yet.

        Raises:
            WorkspaceError: it cannot be read or written.
        """
        self._workspace = workspace
        self.ledger = Ledger(workspace.path / "jobs.db")
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="job")
        self._held = ExitStack()
        self._lock = Lock()
        self._runs = self._closing = False

    def start(self, kind: str, subject: str, work: Work) -> Job:
        """Take on a job of the current caller.

        Args:
            kind: what is done.
            subject: what it is done to; one job at a time is open on it.
            work: is called in a thread, on behalf of the same caller, with what it tells its progress to.

        Raises:
            BusyError: another job is open on the same subject.
            WorkspaceError: another process runs the jobs of this workspace.
        """
        self._run_them()
        job = self.ledger.add(current().tenant, current().name, kind, subject)
        self._pool.submit(copy_context().run, self._do, job.id, work)
        return job

    def job(self, job: str) -> Job:
        """A job that the current caller asked for, or as an admin anybody of the tenant, as it stands.

        Raises:
            NotThereError: there is none of that id, or it is another's.
        """
        found = self.ledger.job(current().tenant, job, _asker())
        if found.state.ended or self._runs:
            return found
        with suppress(WorkspaceError):
            self._run_them()
        return self.ledger.job(current().tenant, job, _asker())

    def page(self, limit: int, cursor: str) -> JobPage:
        """Jobs that the current caller asked for, newest first; an admin sees those of the tenant.

        Raises:
            NotThereError: the cursor is no such job.
        """
        with suppress(WorkspaceError):
            self._run_them()
        return self.ledger.page(current().tenant, limit, cursor, _asker())

    def cancel(self, job: str) -> Job:
        """Ask a job to end at the next point where nothing is lost.

        Raises:
            NotThereError: there is none of that id, or it is another tenant's.
        """
        self.job(job)
        if not self.ledger.move(job, State.CANCELLED, State.WAITING):
            self.ledger.move(job, State.STOPPING, State.RUNNING)
        return self.job(job)

    def close(self) -> None:
        """Stop what is at work, say so in the ledger, and let go of the file."""
        self._closing = True
        self._pool.shutdown(cancel_futures=True)
        if self._runs:
            self.ledger.interrupt()
        self._held.close()
        self.ledger.close()

    def _run_them(self) -> None:
        """Become the process that runs the jobs of this workspace, unless it is this one already."""
        with self._lock:
            if not self._runs:
                self._held.enter_context(self._workspace.lock("jobs"))
                self.ledger.interrupt()
                self._runs = True

    def _do(self, job: str, work: Work) -> None:
        def tell(description: str, fraction: float | None = None, /) -> None:
            if self._closing or not self.ledger.tell(job, JobProgress(description=description, fraction=fraction)):
                raise _StoppedError

        try:
            if not self.ledger.move(job, State.RUNNING, State.WAITING):
                return
            self.ledger.finish(job, work(tell))
        except _StoppedError:
            self.ledger.move(
                job, State.INTERRUPTED if self._closing else State.CANCELLED, State.RUNNING, State.STOPPING
            )
        except Exception as error:
            if not isinstance(error, AudienceError):
                log.exception("Unexpected error in %s", job)
            self._failed(job, error)

    def _failed(self, job: str, error: Exception) -> None:
        try:
            self.ledger.fail(job, problem_of(error, f"/api/jobs/{job}", "/api"))
        except WorkspaceError:
            log.exception("The end of %s could not be written down", job)


def _asker() -> str | None:
    """Whose jobs the current caller may see: what a job gave is shown as exactly as its asker may read it."""
    return None if current().may(Scope.ADMIN) else current().name

"""Jobs and answers on disk, in one SQLite file: what was asked, by whom, and what became of it.

Rows belong to a tenant, and every question names its own: the job of another is simply not there.
"""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from secrets import token_hex
from typing import Literal

from pydantic import BaseModel, Field

from encoders.errors import BusyError, NotThereError
from encoders.records import Record
from tools.campaign_types import Refreshed
from tools.jobs.problems import Problem
from tools.storage.answers import Answers
from tools.storage.sqlite import Database
from tools.types import TunedSummary

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

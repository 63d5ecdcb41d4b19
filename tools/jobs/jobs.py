"""Work that takes a while: done in a few threads, watched and stopped by its id, and never silently lost.

A job runs inside the process that took it on. Work tells how far it is at points where stopping loses nothing, so
that is where a job that was cancelled, or whose server is closing, ends. One process of a workspace runs jobs at a
time; whoever becomes it knows that jobs which are still open in the ledger died with the process before.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from threading import Lock

from encoders.errors import AudienceError, WorkspaceError
from encoders.workspace import Progress, Workspace
from tools.access.caller import Scope, current
from tools.campaign_types import Refreshed
from tools.jobs.ledger import Job, JobPage, JobProgress, Ledger, State
from tools.jobs.problems import problem_of
from tools.types import TunedSummary

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

"""What every route has at hand: the service, the check, the gate, the jobs, and answers that are given once."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from encoders.errors import RequestError
from encoders.workspace import Workspace
from tools.access.caller import current
from tools.access.gate import Gate
from tools.jobs.jobs import Jobs
from tools.operations.operation import Check, Opened, Operation

Answer = TypeVar("Answer", bound=BaseModel)


class Context:
    """What the routes share."""

    def __init__(self, opened: Opened, check: Check, gate: Gate) -> None:
        """Nothing is opened yet."""
        self.opened, self.check, self._gate = opened, check, gate
        self._lock = Lock()
        self._jobs: Jobs | None = None

    def jobs(self) -> Jobs:
        """The jobs of the workspace that is served."""
        workspace = self.opened().settings.workspace
        with self._lock:
            if self._jobs is None:
                self._jobs = Jobs(Workspace(workspace))
            return self._jobs

    def once(
        self, key: str, request: Request, body: BaseModel, kind: type[Answer], work: Callable[[], Answer]
    ) -> Answer:
        """What ``work`` answers to a request, or what was answered when its key was first used; raises like both."""
        content = f"{request.method} {request.url.path} {body.model_dump_json()}"
        whose = f"{current().tenant}/{current().name}"
        answers = self.jobs().ledger.answers
        before = answers.find(whose, key, content)
        if before is None:
            before = answers.keep(whose, key, content, work().model_dump_json())
        return kind.model_validate_json(before)

    def close(self) -> None:
        """Stop what is at work."""
        with self._lock:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None

    def admits(self, operation: Operation) -> Callable[[], Iterator[None]]:
        """A dependency that puts the gate around one operation."""

        def admitted() -> Iterator[None]:
            try:
                with self._gate.admitted(operation.name, operation.scope):
                    yield from _declined_where_it_does_not_fit()
            except _MisfitError as error:
                raise error.why from None

        return admitted


class _MisfitError(RequestError):
    """Tells the gate that a request was declined, and was no bug."""

    def __init__(self, why: Exception) -> None:
        super().__init__(str(why))
        self.why = why


def _declined_where_it_does_not_fit() -> Iterator[None]:
    try:
        yield
    except (RequestValidationError, HTTPException) as why:
        raise _MisfitError(why) from why

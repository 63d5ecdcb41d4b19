"""How one operation becomes one route: its path, its gate, its words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import getdoc
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from pydantic import BaseModel

from encoders.errors import RequestError
from encoders.workspace import Workspace
from tools.access.caller import current
from tools.access.gate import Gate
from tools.mcp_server.reading import Check, Opened
from tools.rest.jobs import Jobs
from tools.rest.ledger import Answer
from tools.service import AudienceService
from tools.types import AudienceSpec, named

Named = Annotated[
    str, Path(min_length=1, max_length=200, description="A saved audience, by id or name.", examples=["Coffee"])
]
Limit = Annotated[int, Query(ge=1, le=100, description="How many on a page.")]
Cursor = Annotated[str, Query(max_length=200, description="'next_cursor' of the page before; empty for the first.")]


class Face:
    """What every route has at hand."""

    def __init__(self, opened: Opened, check: Check, gate: Gate) -> None:
        """Nothing is opened yet."""
        self.opened, self._check, self._gate = opened, check, gate
        self._lock = Lock()
        self._jobs: Jobs | None = None

    def service(self, *specs: AudienceSpec, name: str = "") -> AudienceService:
        """The service as the caller sees it, once each of the specs, and a name to be given, is seen to be allowed."""
        for spec in (*specs, *named(name)):
            self._check(spec)
        return self.opened()

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
        return self.jobs().ledger.once(whose, key, content, kind, work)

    def close(self) -> None:
        """Stop what is at work."""
        with self._lock:
            if self._jobs is not None:
                self._jobs.close()
                self._jobs = None

    def admits(self, operation: str) -> Callable[[], Iterator[None]]:
        """A dependency that puts the gate around one operation."""

        def admitted() -> Iterator[None]:
            try:
                with self._gate.admitted(operation):
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


@dataclass(frozen=True)
class Route:
    """One operation over HTTP; ``operation`` is the name of the method that answers it."""

    method: str
    path: str
    operation: str
    title: str
    status: int = 200
    cached: type[BaseModel] | None = None
    """What an answer with an entity tag holds; such an answer may be 304 instead."""
    problems: tuple[int, ...] = ()
    """Statuses of problems beyond those that any route may have."""
    file: bool = False
    """The answer is a file and no JSON."""


class Resources:
    """Methods that answer routes; the docstring of a method is what a reader of the interface sees."""

    TAG = ""
    ROUTES: tuple[Route, ...] = ()

    def __init__(self, face: Face) -> None:
        """Answer from what ``face`` opens."""
        self.face = face

    def router(self) -> APIRouter:
        """The routes of these resources."""
        router = APIRouter(tags=[self.TAG])
        for route in self.ROUTES:
            answer = getattr(self, route.operation)
            told: dict[str, Any] = {"response_model": route.cached} if route.cached else {}
            told |= {"response_class": FileResponse} if route.file else {}
            router.add_api_route(
                route.path,
                answer,
                methods=[route.method],
                status_code=route.status,
                summary=route.title,
                description=getdoc(answer),
                operation_id=route.operation,
                dependencies=[Depends(self.face.admits(route.operation))],
                responses={status: {} for status in (*route.problems, *((304,) if route.cached else ()))},
                **told,
            )
        return router

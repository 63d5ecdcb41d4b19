"""The application that is mounted at /api."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict

from tools.access.gate import Gate
from tools.interfaces.rest.context import Context
from tools.interfaces.rest.openapi import describe
from tools.interfaces.rest.problems import handle_problems
from tools.interfaces.rest.routes import add_route
from tools.jobs.problems import KINDS
from tools.operation_types import VERSION
from tools.operations.operation import Check, Interface, Opened
from tools.operations.table import offered

_TOKEN = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="A token made by 'audience token create'; needed on a public address, or once there was one.",
)


class Health(BaseModel):
    """Whether requests can be answered."""

    model_config = ConfigDict(extra="forbid")

    ready: bool


class KindOfProblem(BaseModel):
    """A kind of problem."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int


def make_api(opened: Opened, check: Check, gate: Gate) -> FastAPI:
    """The resources over the service that ``opened`` gives.

    Its lifespan ends the jobs that are at work; whoever mounts it enters that lifespan with
    ``app.router.lifespan_context(app)``, because a mounted application is told of no beginning and no end.

    Args:
        opened: asked anew for every request, so that the service may still be opening when the server starts.
        check: asked about every audience before it is looked at or saved.
        gate: put around every call.
    """
    context = Context(opened, check, gate)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()

    app = FastAPI(
        title="Audience",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_json_alone), Depends(_token)],
    )
    handle_problems(app)

    @app.head("/health", include_in_schema=False)
    @app.get("/health", tags=["About"], operation_id="health", summary="Ask whether requests can be answered")
    def health() -> Health:
        """Answers 503 while the workspace is being opened, or where it cannot be; the problem says why."""
        opened()
        return Health(ready=True)

    @app.head("/problems", include_in_schema=False)
    @app.get("/problems", tags=["About"], operation_id="problems", summary="List kinds of problems")
    def problems(request: Request) -> tuple[KindOfProblem, ...]:
        """What the 'type' of a problem may be, beside 'about:blank' for what its status says alone."""
        where = f"{request.scope['root_path']}/problems"
        return tuple(
            KindOfProblem(type=f"{where}#{kind.name}", title=kind.title, status=kind.status) for kind in KINDS.values()
        )

    for operation in offered(Interface.REST):
        add_route(app, operation, context)
    describe(app)
    return app


def _json_alone(request: Request) -> None:
    """Refuse other kinds of content."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and kind != "application/json":
        raise HTTPException(415, "Send JSON, with the header 'Content-Type: application/json'.")


def _token(_: Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)]) -> None:
    """Say in the description that tokens are taken; they are looked at before a request comes here."""

"""The application that is mounted at /api, and its description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict

from tools.access.gate import Gate
from tools.interfaces.rest.headers import MEDIA_TYPE, handle_problems, is_paged
from tools.interfaces.rest.routes import Context, add_route
from tools.operation_types import VERSION
from tools.operations.operation import Check, Interface, Opened
from tools.operations.table import BY_NAME, offered
from tools.problems import KINDS, Problem

# --- The description of the resources: what FastAPI finds by itself, with the problems and headers it
#     cannot know ---


ABOUT = """Finds, sizes, explains and saves audiences: the users of one data set who are likely to do something next.

Begin with `GET /data`, look words up with `GET /groups`, write one precise demand, then `POST /sizes` it and look at
`/previews`, `/profiles` and `/skews`. Saving, exporting, tuning and refreshing need an `Idempotency-Key`, and the
first two a person who said yes. What takes a while answers `202` with the address of a job. A problem (RFC 9457) is
one sentence that says what to change."""

_ANY = (401, 403, 404, 409, 422, 429, 500, 503)
_WITH_BODY = (400, 413, 415)
_FOREIGN = ("HTTPValidationError", "ValidationError")

Document = dict[str, Any]


def describe(app: FastAPI) -> None:
    """Have ``app`` give the whole description."""
    app.description = ABOUT
    given = app.openapi

    def whole() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(given())
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]


def _with_problems(document: Document) -> Document:
    schemas = document["components"]["schemas"]
    for name in _FOREIGN:
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation)
    return document


def _complete(operation: Document) -> None:
    """Add to one operation what it may answer beside its success, and which headers come with what."""
    answers = operation["responses"]
    statuses = {*_ANY, *(_WITH_BODY if "requestBody" in operation else ())}
    for status in sorted(statuses | {int(each) for each in answers if int(each) >= 400}):
        answers[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    answers["429"]["headers"] = answers["503"]["headers"] = _headers("Retry-After")
    answers["401"]["headers"] = _headers("WWW-Authenticate")
    if "304" in answers:
        answers["304"] = {"description": "You have it already.", "headers": _headers("ETag")}
        answers["200"]["headers"] = _headers("ETag")
    about = BY_NAME.get(operation["operationId"])
    if about is not None and is_paged(about):
        answers["200"]["headers"] = answers["200"].get("headers", {}) | _headers("Link")
    if about is not None and about.http.place:
        answers["201"]["headers"] = _headers("Location")
    if "202" in answers:
        answers["202"]["headers"] = _headers("Location", "Retry-After")
    operation["responses"] = dict(sorted(answers.items()))
    if "security" in operation:
        operation["security"] = [*operation["security"], {}]


def _headers(*names: str) -> Document:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


_HEADERS = {
    "ETag": "Stands for what the answer holds; give it back in If-None-Match.",
    "Link": 'The next page, as rel="next"; absent on the last.',
    "Location": "Where it is to be found.",
    "Retry-After": "Seconds to wait before the next try.",
    "WWW-Authenticate": "The kind of token that is taken.",
}


# --- The application that is mounted at /api ------------------------------------------------------


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
    """Refuse other kinds of content; what brings none is of no kind."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    brings = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if request.method in ("POST", "PUT") and (brings or kind) and kind != "application/json":
        raise HTTPException(415, "Send JSON, with the header 'Content-Type: application/json'.")


def _token(_: Annotated[HTTPAuthorizationCredentials | None, Depends(_TOKEN)]) -> None:
    """Say in the description that tokens are taken; they are looked at before a request comes here."""

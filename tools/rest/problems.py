"""What becomes of errors: problem details (RFC 9457), from one table over the tree of ``encoders.errors``."""

import json
from http import HTTPStatus
from typing import NamedTuple

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.routing import BaseRoute, Match

from encoders.errors import (
    BROKEN,
    AccessError,
    AudienceError,
    BrokenIndexError,
    BusyError,
    ChatModelError,
    DamagedError,
    DataError,
    DestinationError,
    DiskError,
    ModelError,
    NotAllowedError,
    NotThereError,
    RequestError,
    TooManyCallsError,
    TooSmallError,
    UnknownTokenError,
    WorkspaceError,
)

MEDIA_TYPE = "application/problem+json"
_SOON = 5
"""Seconds after which a workspace that is busy, or still being opened, is worth another try."""
_MOST_NAMED = 10
_KEY = ("header", "Idempotency-Key")
_NO_KEY = "Give the header Idempotency-Key, a new one for each thing to be done; with the same one it is done once."


class Misfit(BaseModel):
    """One part of a request that does not fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str = Field(description="where it stands, such as 'body.spec.cut'")
    detail: str


class Problem(BaseModel):
    """Why a request was not answered; ``detail`` says what to change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(description="what kind of problem, as listed at /problems; 'about:blank' for plain HTTP ones")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="one sentence for a person, with the remedy")
    instance: str = Field("", description="the path that was asked for")
    errors: tuple[Misfit, ...] = Field((), description="what does not fit, part by part")


class Kind(NamedTuple):
    """One kind of problem."""

    name: str
    title: str
    status: HTTPStatus


KINDS: dict[type[AudienceError], Kind] = {
    TooSmallError: Kind("too-small", "The audience is too small to be looked at", HTTPStatus.UNPROCESSABLE_ENTITY),
    NotThereError: Kind("not-there", "There is no such thing", HTTPStatus.NOT_FOUND),
    BusyError: Kind("busy", "Another job is at work on this", HTTPStatus.CONFLICT),
    RequestError: Kind("request", "This cannot be answered from the data", HTTPStatus.UNPROCESSABLE_ENTITY),
    UnknownTokenError: Kind("unknown-token", "A valid token is needed", HTTPStatus.UNAUTHORIZED),
    NotAllowedError: Kind("not-allowed", "The token is not for this", HTTPStatus.FORBIDDEN),
    TooManyCallsError: Kind("too-many-calls", "The token was used too often", HTTPStatus.TOO_MANY_REQUESTS),
    AccessError: Kind("access", "This may not be done now", HTTPStatus.FORBIDDEN),
    DataError: Kind("data", "The data is not fit for this", HTTPStatus.CONFLICT),
    ModelError: Kind("model", "The model is not fit for this", HTTPStatus.CONFLICT),
    DamagedError: Kind("damaged", "A file of the workspace is damaged", HTTPStatus.SERVICE_UNAVAILABLE),
    BrokenIndexError: Kind("broken-index", "The index cannot be used", HTTPStatus.SERVICE_UNAVAILABLE),
    DiskError: Kind("disk", "The disk is full or may not be written", HTTPStatus.INSUFFICIENT_STORAGE),
    WorkspaceError: Kind("workspace", "The workspace cannot be used right now", HTTPStatus.SERVICE_UNAVAILABLE),
    DestinationError: Kind("destination", "The list was not taken", HTTPStatus.BAD_GATEWAY),
    ChatModelError: Kind("chat-model", "The language model does not answer", HTTPStatus.BAD_GATEWAY),
    AudienceError: Kind("audience", "This cannot be done", HTTPStatus.UNPROCESSABLE_ENTITY),
}
"""Every error of the house, the special ones before those they belong to."""


def problem_of(error: Exception, path: str, root: str = "") -> Problem:
    """The problem that an error is; a bug shows nothing of itself.

    Args:
        error: whatever stopped the work.
        path: what was asked for.
        root: where the resources are mounted.
    """
    if isinstance(error, AudienceError):
        kind = next(kind for each, kind in KINDS.items() if isinstance(error, each))
        where = f"{root}/problems#{kind.name}"
        return Problem(type=where, title=kind.title, status=kind.status, detail=str(error), instance=path)
    if isinstance(error, RequestValidationError):
        return _misfit(error, path)
    if isinstance(error, AnyHTTPException):
        return _plain(HTTPStatus(error.status_code), error.detail, path)
    return _plain(HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN, path)


def handle_problems(app: FastAPI) -> None:
    """Have every error of ``app`` answered as a problem."""

    def answered(request: Request, error: Exception) -> Response:
        problem = problem_of(error, request.url.path, request.scope.get("root_path", ""))
        headers = dict(getattr(error, "headers", None) or {}) | _headers(error)
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = _allowed(request)
        # In ASCII: the name of a field that does not fit may hold what is no text at all.
        body = json.dumps(problem.model_dump(mode="json", exclude_defaults=True))
        return Response(body, problem.status, headers, MEDIA_TYPE)

    for error in (AudienceError, RequestValidationError, AnyHTTPException, HTTPException, Exception):
        app.add_exception_handler(error, answered)


def _allowed(request: Request) -> str:
    """Every method of a path; the router itself names those of its first route alone."""
    routes: list[BaseRoute] = request.app.routes
    asked = ({**request.scope, "method": method} for method in ("DELETE", "GET", "POST", "PUT"))
    return ", ".join(each["method"] for each in asked if any(route.matches(each)[0] is Match.FULL for route in routes))


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, UnknownTokenError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooManyCallsError):
        return {"Retry-After": str(error.retry_after)}
    return {"Retry-After": str(_SOON)} if isinstance(error, WorkspaceError) else {}


def _plain(status: HTTPStatus, detail: str, path: str, errors: tuple[Misfit, ...] = ()) -> Problem:
    """A problem that means no more than its status."""
    said = detail if detail != status.phrase else f"{status.description or status.phrase}."
    return Problem(type="about:blank", title=status.phrase, status=status, detail=said, instance=path, errors=errors)


def _misfit(error: RequestValidationError, path: str) -> Problem:
    found = error.errors()[:_MOST_NAMED]
    errors = tuple(Misfit(place=".".join(map(str, each["loc"])), detail=each["msg"]) for each in found)
    if any(each["type"] == "missing" and each["loc"] == _KEY for each in found):
        return _plain(HTTPStatus.BAD_REQUEST, _NO_KEY, path, errors)
    unreadable = any(each["type"] == "json_invalid" for each in found)
    detail = "; ".join(f"{each.place}: {each.detail}" for each in errors)
    return _plain(HTTPStatus.BAD_REQUEST if unreadable else HTTPStatus.UNPROCESSABLE_ENTITY, f"{detail}.", path, errors)

"""What becomes of errors over HTTP: each is answered as a problem."""

import json
from http import HTTPStatus

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.routing import BaseRoute, Match

from encoders.errors import AudienceError, TooManyCallsError, UnknownTokenError, WorkspaceError
from tools.jobs.problems import Misfit, Problem, plain_problem, problem_of

MEDIA_TYPE = "application/problem+json"
_SOON = 5
"""Seconds after which a workspace that is busy, or still being opened, is worth another try."""
_MOST_NAMED = 10
_KEY = ("header", "Idempotency-Key")
_NO_KEY = "Give the header Idempotency-Key, a new one for each thing to be done; with the same one it is done once."


def handle_problems(app: FastAPI) -> None:
    """Have every error of ``app`` answered as a problem."""

    def answered(request: Request, error: Exception) -> Response:
        problem = _problem(error, request.url.path, request.scope.get("root_path", ""))
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


def _problem(error: Exception, path: str, root: str) -> Problem:
    """The problem that an error is, those of the web itself included."""
    if isinstance(error, RequestValidationError):
        return _misfit(error, path)
    if isinstance(error, AnyHTTPException):
        return plain_problem(HTTPStatus(error.status_code), error.detail, path)
    return problem_of(error, path, root)


def _misfit(error: RequestValidationError, path: str) -> Problem:
    found = error.errors()[:_MOST_NAMED]
    errors = tuple(Misfit(place=".".join(map(str, each["loc"])), detail=each["msg"]) for each in found)
    if any(each["type"] == "missing" and each["loc"] == _KEY for each in found):
        return plain_problem(HTTPStatus.BAD_REQUEST, _NO_KEY, path, errors)
    unreadable = any(each["type"] == "json_invalid" for each in found)
    detail = "; ".join(f"{each.place}: {each.detail}" for each in errors)
    return plain_problem(
        HTTPStatus.BAD_REQUEST if unreadable else HTTPStatus.UNPROCESSABLE_ENTITY, f"{detail}.", path, errors
    )

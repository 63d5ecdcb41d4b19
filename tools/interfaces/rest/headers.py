"""What the web says beside an answer: headers that carry meaning, and errors as problems."""

import json
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.routing import BaseRoute, Match

from encoders.errors import AudienceError, TooManyCallsError, UnknownTokenError, WorkspaceError
from tools.operations.operation import Operation
from tools.problems import Misfit, Problem, plain_problem, problem_of

# --- Headers that carry meaning: idempotency keys, entity tags, links to the next page ------------


Answer = TypeVar("Answer", bound=BaseModel)

IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
        description="A new one for each thing to be done. Repeat a request whose answer was lost with the same key: it "
        "is done once, and answered the same.",
        examples=["coffee-2026-11"],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="The ETag of an answer you have; 304 where it is still right."),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of what is to be replaced; needed where there is something."),
]


def etag(answer: BaseModel) -> str:
    """The entity tag of an answer: a digest of what is in it."""
    return f'"{sha256(answer.model_dump_json().encode()).hexdigest()[:32]}"'


def matches(header: str | None, tag: str) -> bool:
    """Whether a list of entity tags names ``tag``."""
    return any(each.strip().removeprefix("W/") in ("*", tag) for each in (header or "").split(","))


def unless_known(answer: Answer, known: str | None, response: Response) -> Answer | Response:
    """The answer with its entity tag, or 304 for those who have it.

    Args:
        answer: what is there now.
        known: the header If-None-Match.
        response: where the headers of the answer go.
    """
    headers = {"ETag": etag(answer), "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    if matches(known, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return answer


def may_replace(there: str | None, expected: str | None) -> None:
    """Enforce If-Match: nobody replaces what they have not seen.

    Args:
        there: the entity tag of what is there; None for nothing.
        expected: the header If-Match.

    Raises:
        HTTPException: 428 where there is something and no tag was given, 412 where it is another one.
    """
    if there is None and expected is not None:
        raise HTTPException(412, "There is nothing to replace; leave out If-Match.")
    if there is not None and expected is None:
        raise HTTPException(428, "There is one of that name; give its ETag in If-Match to replace or delete it.")
    if there is not None and not matches(expected, there):
        raise HTTPException(412, "It has changed since; read it again and give its new ETag in If-Match.")


def is_paged(operation: Operation) -> bool:
    """Whether an operation answers a page of a list."""
    return "next_cursor" in getattr(operation.output, "model_fields", {})


def link_next(request: Request, response: Response, cursor: str) -> None:
    """Name the next page, as RFC 8288 says; nothing on the last."""
    if cursor:
        query = urlencode(dict(request.query_params) | {"cursor": cursor})
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'


# --- What becomes of errors over HTTP: each is answered as a problem ------------------------------


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

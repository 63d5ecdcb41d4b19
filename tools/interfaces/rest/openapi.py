"""The description of the resources: what FastAPI finds by itself, with the problems and headers it cannot know."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from tools.interfaces.rest.headers import is_paged
from tools.interfaces.rest.problems import MEDIA_TYPE
from tools.jobs.problems import Problem
from tools.operations.table import BY_NAME

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

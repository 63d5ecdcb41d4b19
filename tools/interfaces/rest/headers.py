"""Headers that carry meaning: idempotency keys, entity tags, links to the next page."""

from hashlib import sha256
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Header, HTTPException, Request, Response
from pydantic import BaseModel

from tools.operations.operation import Operation

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

"""Why a request was not answered: problem details (RFC 9457), from one table over the tree of ``encoders.errors``."""

from http import HTTPStatus
from typing import NamedTuple

from pydantic import Field

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
    MissingExtraError,
    ModelError,
    NotAllowedError,
    NotThereError,
    RequestError,
    TooManyCallsError,
    TooSmallError,
    UnknownTokenError,
    WorkspaceError,
)
from encoders.records import Record


class Misfit(Record):
    """One part of a request that does not fit."""

    place: str = Field(description="where it stands, such as 'body.spec.cut'")
    detail: str


class Problem(Record):
    """Why a request was not answered; ``detail`` says what to change."""

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
    MissingExtraError: Kind("missing-part", "A part of the program is not installed", HTTPStatus.NOT_IMPLEMENTED),
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
    return plain_problem(HTTPStatus.INTERNAL_SERVER_ERROR, BROKEN, path)


def plain_problem(status: HTTPStatus, detail: str, path: str, errors: tuple[Misfit, ...] = ()) -> Problem:
    """A problem that means no more than its status."""
    said = detail if detail != status.phrase else f"{status.description or status.phrase}."
    return Problem(type="about:blank", title=status.phrase, status=status, detail=said, instance=path, errors=errors)

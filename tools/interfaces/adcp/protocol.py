"""What all tasks share: errors, and releases of the protocol."""

from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from encoders.errors import (
    AccessError,
    AudienceError,
    NotAllowedError,
    NotThereError,
    RequestError,
    TooManyCallsError,
    TooSmallError,
    UnknownTokenError,
)

Recovery = Literal["transient", "correctable", "terminal"]


class TaskError(AudienceError):
    """A task that cannot be done, with its code."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str = "",
        suggestion: str = "",
        recovery: Recovery = "correctable",
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Keep what the protocol has a place for.

        Args:
            code: of the protocol's vocabulary, such as SIGNAL_NOT_FOUND.
            message: one sentence for people.
            field: the part of the request that is to blame.
            suggestion: what to do, in a few words.
            recovery: whether to try again later, to mend the request, or to ask a person.
            details: anything JSON can hold.
            retry_after: seconds after which to try again.
        """
        super().__init__(message)
        self.content: dict[str, Any] = {"code": code, "message": message, "recovery": recovery}
        optional = {"field": field, "suggestion": suggestion, "details": details, "retry_after": retry_after}
        self.content |= {name: value for name, value in optional.items() if value}


def not_found() -> TaskError:
    """The same for every signal the caller cannot use, so that it does not tell whether somebody else has it."""
    return TaskError(
        "SIGNAL_NOT_FOUND",
        "There is no such signal for this caller.",
        field="signal_agent_segment_id",
        suggestion="take the signal_agent_segment_id from an answer of get_signals",
    )


def misfit(error: ValidationError) -> TaskError:
    """A request that does not fit its schema; the values that came in are not repeated."""
    issues = [
        {"pointer": "/" + "/".join(map(str, each["loc"])), "message": each["msg"], "keyword": each["type"]}
        for each in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    ]
    field = issues[0]["pointer"].strip("/").replace("/", ".")
    return TaskError("INVALID_REQUEST", f"{field or 'The request'}: {issues[0]['message']}.", field=field)


def unavailable() -> TaskError:
    """Something that only the owner of this agent can mend; what it is may name files, so it stays in the log."""
    return TaskError(
        "SERVICE_UNAVAILABLE",
        "This agent cannot answer right now; nothing was lost. Its owner finds the reason in the log.",
        recovery="transient",
        suggestion="try again in a moment",
    )


def as_task_error(error: RequestError | AccessError | TaskError) -> TaskError:
    """What the protocol calls an error that the caller can do something about."""
    if isinstance(error, TaskError):
        return error
    if isinstance(error, TooManyCallsError):
        return TaskError("RATE_LIMITED", str(error), recovery="transient", retry_after=error.retry_after)
    codes = {
        UnknownTokenError: "AUTH_REQUIRED",
        NotAllowedError: "PERMISSION_DENIED",
        NotThereError: "REFERENCE_NOT_FOUND",
        TooSmallError: "AUDIENCE_TOO_SMALL",
    }
    code = next((code for kind, code in codes.items() if isinstance(error, kind)), "VALIDATION_ERROR")
    return TaskError(code, str(error))


RELEASES = ("3.0", "3.1", "3.2")
MAJOR = 3


class Form(BaseModel):
    """What differs between the releases."""

    release: str
    """The release the answer is in; empty where the caller named none."""

    @property
    def named(self) -> bool:
        """Whether the answer says which release it is in, which came with 3.1."""
        return self.release not in ("", "3.0")

    @property
    def legacy(self) -> bool:
        """Whether signals carry ``signal_id``, which 3.0 asks for."""
        return self.release in ("", "3.0")

    @property
    def current(self) -> bool:
        """Whether they carry ``signal_ref``, the definition fields and the forecast, which came with 3.1."""
        return self.release != "3.0"


def form(version: str | None, major: int | None) -> Form:
    """The form of the answer for a release such as '3.1' (a later one of this major gets our latest).

    Raises:
        TaskError: it is of another major version.
    """
    asked = version.split("-")[0].split(".") if version else []
    if (asked and asked[0] != str(MAJOR)) or (major is not None and major != MAJOR):
        wanted = version or str(major)
        raise TaskError(
            "VERSION_UNSUPPORTED",
            f"AdCP {wanted} is not spoken here; {', '.join(RELEASES)} are.",
            field="adcp_version" if version else "adcp_major_version",
            suggestion="ask again in one of the supported versions",
            details={"supported_versions": list(RELEASES), "supported_majors": [MAJOR]},
        )
    if not asked:
        return Form(release="")
    minor = int(asked[1]) if len(asked) > 1 and asked[1].isdigit() else 0
    return Form(release=RELEASES[min(minor, len(RELEASES) - 1)])

"""The protocol: its errors and releases, and what its tasks take in."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

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
from tools.types import FAIL_FAST

# --- What all tasks share: errors, and releases of the protocol -----------------------------------


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


# --- What the tasks take in, and the pages of their lists; unknown fields pass, as the protocol wants


Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{16,255}$")]
Domain = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", max_length=253)
]
LONGEST_SPEC = 2000
MOST_DESTINATIONS = 50
MOST_LISTED = 1000
"""Elements of any other list."""


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class TaskRequest(_Tolerant):
    """What every task takes."""

    adcp_version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+(-[a-zA-Z0-9.-]+)?$")] | None = None
    adcp_major_version: Annotated[int, Field(ge=1, le=99)] | None = None
    context: dict[str, Any] | None = Field(None, description="Given back unchanged.")
    ext: dict[str, Any] | None = None


class CapabilitiesRequest(TaskRequest):
    """Asks what this agent can do."""

    protocols: Annotated[tuple[str, ...], FAIL_FAST, Field(min_length=1, max_length=MOST_LISTED)] | None = None


class Pagination(_Tolerant):
    """Which part of a list."""

    max_results: int = Field(50, ge=1, le=100)
    cursor: Annotated[str, Field(min_length=1, max_length=4000)] | None = None


class SignalDestination(_Tolerant):
    """Where a signal is to be used: a platform, or another agent."""

    type: Literal["platform", "agent"]
    platform: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    agent_url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    account: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="after")
    def _named(self) -> "SignalDestination":
        if not self.named:
            raise ValueError(f"a destination of type {self.type} needs {'a ' if self.platform else ''}its name or URL")
        return self

    @property
    def named(self) -> dict[str, str]:
        """What tells it from others, as it stands in a deployment."""
        name = {"platform": self.platform} if self.type == "platform" else {"agent_url": self.agent_url}
        known = {"type": self.type, **name, "account": self.account}
        return {field: value for field, value in known.items() if value} if all(name.values()) else {}


Destinations = Annotated[tuple[SignalDestination, ...], FAIL_FAST, Field(min_length=1, max_length=MOST_DESTINATIONS)]
References = Annotated[tuple[dict[str, Any], ...], FAIL_FAST, Field(min_length=1, max_length=MOST_LISTED)]


class Filters(_Tolerant):
    """Which of the signals found are wanted."""

    catalog_types: (
        Annotated[tuple[Literal["marketplace", "custom", "owned"], ...], FAIL_FAST, Field(max_length=MOST_LISTED)]
        | None
    ) = None
    data_providers: Annotated[tuple[str, ...], FAIL_FAST, Field(max_length=MOST_LISTED)] | None = None
    max_cpm: float | None = Field(None, ge=0)
    max_percent: float | None = Field(None, ge=0, le=100)
    min_coverage_percentage: float | None = Field(None, ge=0, le=100)


class Account(_Tolerant):
    """Whom it is for: an account by its id, or a brand and who acts for it."""

    account_id: str | None = None


class Keyed(TaskRequest):
    """Something that is done once, however often it is asked for."""

    idempotency_key: Key = Field(description="A new one for each thing to be done; a repeated call is done once.")


class SignalsRequest(TaskRequest):
    """Asks for signals: by words, by their ids, or (wholesale) all that are saved."""

    discovery_mode: Literal["brief", "wholesale"] = "brief"
    signal_spec: str | None = Field(None, description="Who is wanted, in plain words.")
    signal_ids: References | None = None
    signal_refs: References | None = None
    destinations: Destinations | None = None
    countries: Annotated[tuple[str, ...], FAIL_FAST, Field(max_length=MOST_LISTED)] | None = Field(
        None, description="Not read: where users live is not known here."
    )
    filters: Filters = Filters()
    fields: Annotated[tuple[str, ...], FAIL_FAST, Field(min_length=1, max_length=MOST_LISTED)] | None = None
    account: Account | None = None
    max_results: Annotated[int, Field(ge=1)] | None = None
    pagination: Pagination | None = None
    if_wholesale_feed_version: str | None = None

    @property
    def page(self) -> Pagination:
        """The part that is wanted; ``max_results`` beside it is the older way to say its length."""
        return self.pagination or Pagination(max_results=min(self.max_results or 50, 100))

    def words(self) -> str:
        """What is looked for, tidied; empty where nothing is.

        Raises:
            TaskError: nothing or too much is asked for.
        """
        looked_up = self.signal_ids is not None or self.signal_refs is not None
        if self.discovery_mode == "wholesale":
            if looked_up or self.signal_spec is not None:
                raise TaskError(
                    "INVALID_REQUEST",
                    "A wholesale request lists everything, so it takes no signal_spec and no ids.",
                    field="discovery_mode",
                )
            return ""
        words = " ".join((self.signal_spec or "").split())
        if not words and not looked_up:
            raise TaskError("INVALID_REQUEST", "Say who is wanted, or name signals.", field="signal_spec")
        if len(words) > LONGEST_SPEC:
            raise TaskError("INVALID_REQUEST", f"Say it in at most {LONGEST_SPEC} characters.", field="signal_spec")
        return words


class ActivationRequest(Keyed):
    """Asks to put a signal to use at some destinations, or to stop that."""

    signal_agent_segment_id: Annotated[str, Field(min_length=1, max_length=4000)]
    destinations: Destinations
    action: Literal["activate", "deactivate"] = "activate"
    pricing_option_id: str | None = None
    account: Account | None = None


class Brand(_Tolerant):
    """An advertiser, by the domain it is known by."""

    domain: Domain
    brand_id: str | None = None


class NewAccount(_Tolerant):
    """An account a caller wants to act for."""

    brand: Brand
    operator: Domain
    billing: Literal["operator", "agent", "advertiser"]
    sandbox: bool = False


class SyncRequest(Keyed):
    """Names the accounts a caller acts for."""

    accounts: Annotated[tuple[NewAccount, ...], FAIL_FAST, Field(max_length=MOST_LISTED)]
    delete_missing: bool = False
    dry_run: bool = False


class AccountsRequest(TaskRequest):
    """Asks for those accounts."""

    status: Literal["active", "pending_approval", "rejected", "payment_required", "suspended", "closed"] | None = None
    sandbox: bool | None = None
    pagination: Pagination | None = None

    @property
    def page(self) -> Pagination:
        """The part that is wanted."""
        return self.pagination or Pagination()


Item = TypeVar("Item")


def paged(
    items: Sequence[Item], page: Pagination, name: Callable[[Item], str], question: object
) -> tuple[Sequence[Item], dict[str, Any]]:
    """The items of a page, and the ``pagination`` of the answer.

    Args:
        items: all of them, in an order that stays.
        page: which of them.
        name: what tells an item from the others.
        question: what was asked, as JSON; a cursor is only good for the question it was an answer to.

    Raises:
        TaskError: the cursor is none of ours, or of another question, or its item is gone.
    """
    asked, start = sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16], 0
    if page.cursor is not None:
        names = [_short(name(item)) for item in items]
        start = 1 + _place(page.cursor, asked, names)
    shown = items[start : start + page.max_results]
    answer: dict[str, Any] = {"has_more": start + len(shown) < len(items), "total_count": len(items)}
    if answer["has_more"]:
        answer["cursor"] = urlsafe_b64encode(f"{asked}:{_short(name(shown[-1]))}".encode()).decode()
    return shown, answer


def _place(cursor: str, asked: str, names: Sequence[str]) -> int:
    """Where in the list the item is that a cursor names."""
    try:
        question, _, name = urlsafe_b64decode(cursor).decode().partition(":")
        if question == asked:
            return names.index(name)
    except ValueError:
        pass
    raise TaskError(
        "INVALID_REQUEST",
        "This cursor does not lead on; begin again without one.",
        field="pagination.cursor",
        suggestion="ask the same question without a cursor",
    )


def _short(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:16]

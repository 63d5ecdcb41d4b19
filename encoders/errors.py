"""Every error this project raises on purpose, as one small tree.

    AudienceError               anything a person can mend; its text is one sentence with the remedy
    ├── DataError               tables, specs, as-of dates: what came in cannot be used
    ├── ModelError              a model folder is missing, foreign or from another version
    ├── RequestError            a demand, filter, cut or user id that makes no sense here
    │   └── TooSmallError       the audience is below the minimum size that may be looked at
    ├── WorkspaceError          the workspace is locked, full or half prepared
    └── ChatModelError          the language model named in the settings does not answer

Faces of the service (command line, page, protocols) show ``str(error)`` and nothing else.
Whatever is not an ``AudienceError`` is a bug and may propagate.
"""


class AudienceError(Exception):
    """Base of every error that is meant to be read by a person."""


class DataError(AudienceError):
    """The data or its description cannot be used."""


class ModelError(AudienceError):
    """A trained model is missing or does not fit."""


class RequestError(AudienceError):
    """What was asked cannot be answered from this data."""


class TooSmallError(RequestError):
    """The audience is below the minimum size, so its members are not shown."""


class WorkspaceError(AudienceError):
    """The workspace cannot be read or written right now."""


class ChatModelError(AudienceError):
    """The language model behind the conversation cannot be used."""

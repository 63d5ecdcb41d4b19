"""Who is calling: the owner at this machine, or whoever holds a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from encoders.records import Record


class Scope(StrEnum):
    """What a token is for; ``admin`` includes all others, they do not include each other."""

    READ = "read"
    """The data card, the vocabulary, the list of saved audiences."""
    SIZE = "size"
    """How many users an audience has and how good it is expected to be; no single user."""
    PREVIEW = "preview"
    """Single users, masked, with their evidence."""
    ACTIVATE = "activate"
    """Save, combine, export, refresh, measure."""
    ADMIN = "admin"
    """All of that, and users by their real ids."""


class Caller(Record):
    """Somebody who calls, and what they may do."""

    name: str
    tenant: str = Field("", description="whose audiences they see; '' is the owner of the workspace")
    scopes: frozenset[Scope]
    per_minute: int | None = Field(None, description="calls that are let in within a minute; None for any number")

    def may(self, scope: Scope) -> bool:
        """Whether they have a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


OWNER = Caller(name="owner", scopes=frozenset({Scope.ADMIN}))
"""Whoever sits at this machine: the command line, the page on a loopback address, a process started from here."""


@dataclass
class GatedRequest:
    """What the gate of the operations tells the gate of HTTP about the request that is being answered."""

    audited: bool = False
    """There is an audit line about it, and it was counted."""


_current: ContextVar[Caller] = ContextVar("caller", default=OWNER)
_request: ContextVar[GatedRequest | None] = ContextVar("request", default=None)


def current() -> Caller:
    """Who makes the call that is being answered."""
    return _current.get()


def mark_audited() -> None:
    """Say that there is an audit line about the request that is being answered, if it is one."""
    if request := _request.get():
        request.audited = True


@contextmanager
def acting_as(caller: Caller, request: GatedRequest | None = None) -> Iterator[None]:
    """Answer everything inside the block as a call of ``caller``, part of ``request`` where it came over HTTP."""
    token, about = _current.set(caller), _request.set(request)
    try:
        yield
    finally:
        _request.reset(about)
        _current.reset(token)

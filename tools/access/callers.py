"""Who is calling: the owner at this machine, or whoever holds a token; and the tokens."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import Self

from pydantic import Field

from encoders.errors import NotThereError, RequestError, UnknownTokenError
from encoders.records import Record
from encoders.workspace import checked_tenant, plain_faults
from tools.storage.sqlite import Database

# --- Who is calling: the owner at this machine, or whoever holds a token --------------------------


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
    data_version: str = ""
    """The data that it is answered from; empty as long as nothing was asked of any."""


_current: ContextVar[Caller] = ContextVar("caller", default=OWNER)
_request: ContextVar[GatedRequest | None] = ContextVar("request", default=None)


def current() -> Caller:
    """Who makes the call that is being answered."""
    return _current.get()


def mark_audited() -> None:
    """Say that there is an audit line about the request that is being answered, if it is one."""
    if request := _request.get():
        request.audited = True


def mark_data(version: str) -> None:
    """Say which data the call that is being answered is answered from."""
    if request := _request.get():
        request.data_version = version


def data_asked() -> str:
    """The data that the call at hand was answered from; empty where it asked nothing of any."""
    request = _request.get()
    return request.data_version if request else ""


@contextmanager
def one_call() -> Iterator[None]:
    """Answer one call inside the block, which is noted where it is part of no request over HTTP."""
    if _request.get() is not None:
        yield
        return
    token = _request.set(GatedRequest())
    try:
        yield
    finally:
        with suppress(ValueError):  # the block may end in another context than it began in
            _request.reset(token)


@contextmanager
def acting_as(caller: Caller, request: GatedRequest | None = None) -> Iterator[None]:
    """Answer everything inside the block as a call of ``caller``, part of ``request`` where it came over HTTP."""
    token, about = _current.set(caller), _request.set(request)
    try:
        yield
    finally:
        _request.reset(about)
        _current.reset(token)


# --- Tokens for callers from outside: made once, shown once, kept as a hash, with scopes, a tenant and a
#     limit ---
#
# A token is 256 random bits, so a plain SHA-256 of it cannot be turned back; slow hashes are for passwords people
# choose.


PREFIX = "aud_"
"""What every token begins with, so that scanners find one that was published by mistake."""

USUAL_LIMIT = 600
"""Calls a minute."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
TABLES = (
    """
CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    caller TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT,
    revoked TEXT
);
""",
)


class TokenCard(Record):
    """What is known of a token; the token itself is not."""

    caller: Caller
    created: datetime
    expires: datetime | None = Field(description="None: never")
    revoked: datetime | None

    @property
    def state(self) -> str:
        """Whether it can be used."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and self.expires <= datetime.now(UTC) else "valid"


class Tokens:
    """The tokens of one workspace; any thread and any number of processes may use them at once."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, and make it where missing.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db = Database(path, TABLES)
        self._mark = path.with_name("tokens.used")
        self._needed = False
        if self._any_row() and not self._mark.exists():  # of a version that wrote none
            self._remember()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def create(
        self,
        name: str,
        scopes: Collection[Scope],
        tenant: str = "",
        per_minute: int = USUAL_LIMIT,
        days: int | None = None,
    ) -> str:
        """Make a token and give it out, the only time it can be seen.

        Args:
            name: who will use it; the audit lines say so.
            scopes: what it is for.
            tenant: whose audiences it sees; '' for the owner of the workspace.
            per_minute: calls that are let in within a minute.
            days: how long it is valid; None for ever.

        Raises:
            RequestError: the name is taken or no name, or a scope, the tenant or a number cannot be.
        """
        if not _NAME.fullmatch(name):
            raise RequestError(f"'{name[:60]}' cannot name a token; take small letters, digits, '.', '_' and '-'.")
        checked_tenant(tenant)
        if not scopes:
            raise RequestError(f"A token needs at least one scope of {', '.join(Scope)}.")
        if per_minute < 1 or (days is not None and days < 1):
            raise RequestError("The calls per minute and the days of a token are numbers of at least 1.")
        now, token = datetime.now(UTC), PREFIX + token_urlsafe(32)
        self._remember()
        caller = Caller(name=name, tenant=tenant, scopes=frozenset(scopes), per_minute=per_minute)
        expires = (now + timedelta(days=days)).isoformat() if days else None
        with self._db.transaction():
            if self._db.run("SELECT 1 FROM tokens WHERE name = ?", (name,)):
                raise RequestError(f"There is a token '{name}' already; names are never used twice.")
            values = (name, _hash(token), caller.model_dump_json(), now.isoformat(), expires)
            self._db.run("INSERT INTO tokens (name, hash, caller, created, expires) VALUES (?, ?, ?, ?, ?)", values)
        return token

    def caller(self, token: str) -> Caller:
        """Who holds a token.

        Raises:
            UnknownTokenError: nobody does; the text does not say why, because whoever guesses would learn from it.
        """
        with self._db.reading():
            found = self._db.run("SELECT caller, created, expires, revoked FROM tokens WHERE hash = ?", (_hash(token),))
        card = _card(dict(found[0])) if found else None
        if card is None or card.state != "valid":
            raise UnknownTokenError("Invalid or expired token.")
        return card.caller

    def list(self) -> tuple[TokenCard, ...]:
        """Every token there ever was, by name."""
        with self._db.reading():
            rows = self._db.run("SELECT caller, created, expires, revoked FROM tokens ORDER BY name")
        return tuple(_card(dict(row)) for row in rows)

    def any(self) -> bool:
        """Whether there is a valid token."""
        return any(card.state == "valid" for card in self.list())

    def needed(self) -> bool:
        """Whether agents need one: from the first token on for good, even if all have expired or the file is gone."""
        self._needed = self._needed or self._mark.exists() or self._any_row()
        return self._needed

    def _remember(self) -> None:
        """Leave a mark beside the file, so that losing the file opens nothing."""
        with plain_faults(self._mark):
            self._mark.touch(0o600)

    def _any_row(self) -> bool:
        with self._db.reading():
            return bool(self._db.run("SELECT 1 FROM tokens LIMIT 1"))

    def revoke(self, name: str) -> None:
        """Make a token invalid from now on.

        Raises:
            NotThereError: there is no token of that name.
        """
        with self._db.transaction():
            if not self._db.run("SELECT 1 FROM tokens WHERE name = ?", (name,)):
                raise NotThereError(f"There is no token '{name[:60]}'; 'audience token list' shows them.")
            now = datetime.now(UTC).isoformat()
            self._db.run("UPDATE tokens SET revoked = ? WHERE name = ? AND revoked IS NULL", (now, name))


def _card(row: dict[str, str | None]) -> TokenCard:
    return TokenCard.model_validate(row | {"caller": Caller.model_validate_json(row["caller"] or "")})


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()

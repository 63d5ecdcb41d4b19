"""The tokens of a workspace as its owner sees and changes them: every change has an audit line."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from tools.access.callers import USUAL_LIMIT, Scope, TokenCard, Tokens

Recorder = Callable[[str, Mapping[str, str]], None]
"""Writes an audit line: what was done, and the details; never a token."""


class IssuedTokens:
    """Opens the file of the tokens for each question, as other processes use it, too."""

    def __init__(self, path: Path, record: Recorder) -> None:
        """Open nothing yet.

        Args:
            path: of the tokens.
            record: told of every token that is made or revoked.
        """
        self._path, self._record = path, record

    def list(self) -> tuple[TokenCard, ...]:
        """Every token there ever was, by name."""
        with Tokens(self._path) as tokens:
            return tokens.list()

    def needed(self) -> bool:
        """Whether agents need a token: from the first one on, for good."""
        with Tokens(self._path) as tokens:
            return tokens.needed()

    def create(
        self,
        name: str,
        scopes: Collection[Scope],
        tenant: str = "",
        per_minute: int = USUAL_LIMIT,
        days: int | None = None,
    ) -> str:
        """Make a token and give it out, the only time it can be seen; raises like ``Tokens.create``."""
        with Tokens(self._path) as tokens:
            token = tokens.create(name, scopes, tenant, per_minute, days)
        self._record("create token", {"token": name, "scopes": ",".join(sorted(scopes)), "of": tenant})
        return token

    def revoke(self, name: str) -> None:
        """Make a token invalid from now on; raises like ``Tokens.revoke``."""
        with Tokens(self._path) as tokens:
            tokens.revoke(name)
        self._record("revoke token", {"token": name})

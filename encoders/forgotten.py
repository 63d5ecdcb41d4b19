"""Who asked to be forgotten: keyed hashes, so that the list itself names nobody.

    forgotten.json    {"users": [...], "contacts": [...], "digest": "..."}

All are HMAC-SHA256 with the key of the workspace (mask.key), in hexadecimal; the digest is that of both lists, so that
neither a flipped byte nor another key goes unnoticed. A preparation drops these users again when the company's own
tables still have them, and nothing is sent to them. Back up the list and the key together.
"""

import hmac
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from encoders.errors import WorkspaceError
from encoders.workspace import Workspace, atomic_file

MASK = "mask"
"""The kind of contact that a mask is: nobody is reached by it, but files that are brought may name somebody so."""


class _Listed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    users: frozenset[str] = frozenset()
    contacts: frozenset[str] = frozenset()
    digest: str = ""


class Forgotten:
    """The list of one workspace, as it was when this was made."""

    def __init__(self, workspace: Workspace) -> None:
        """Read the list; where there is none, nobody is on it.

        Raises:
            WorkspaceError: it is damaged or gone, or the key is not its own, so nobody can say who may be reached.
        """
        self._path, self._workspace = _path(workspace), workspace
        try:
            self._listed = _Listed.model_validate_json(self._path.read_text("utf-8"))
        except FileNotFoundError as error:
            if any(workspace.receipts.glob("*.json")):
                raise self._refused("is gone") from error
            self._listed = _Listed()
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise self._refused(f"cannot be read ({type(error).__name__})") from error
        listed = self._listed
        self._key = workspace.mask_key() if listed != _Listed() else b""
        if self._key and not hmac.compare_digest(listed.digest, _digest(self._key, listed.users, listed.contacts)):
            raise self._refused("is damaged, or mask.key is not the key that it was made with")

    def _refused(self, reason: str) -> WorkspaceError:
        return WorkspaceError(
            f"{self._path} {reason}; put a backup of it and of mask.key in their places: without them, people who were "
            "erased could be reached again."
        )

    def __bool__(self) -> bool:
        """Whether there is anybody on it."""
        return bool(self._listed.users)

    def has_user(self, user: str) -> bool:
        """Whether a user was erased."""
        return bool(self) and _keyed(self._key, "user", user) in self._listed.users

    def has_contact(self, kind: str, same: str) -> bool:
        """Whether a contact, in the form that all its spellings share, was that of somebody erased."""
        return bool(self._listed.contacts) and _keyed(self._key, kind, same) in self._listed.contacts

    def among(self, users: Iterable[str]) -> set[str]:
        """Those of some users who were erased."""
        return {user for user in users if self.has_user(user)} if self else set()


def forget(workspace: Workspace, users: Iterable[str], contacts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Put users, and their contacts as (kind, shared form), on the list for good; whoever is on it stays once.

    Returns:
        The keyed hash of each of the users.

    Raises:
        WorkspaceError: the list cannot be read or written.
    """
    before, key = Forgotten(workspace)._listed, workspace.mask_key()
    hashes = {user: _keyed(key, "user", user) for user in users}
    listed: dict[str, list[str] | str] = {
        "users": (everyone := sorted(before.users | set(hashes.values()))),
        "contacts": (theirs := sorted(before.contacts | {_keyed(key, kind, same) for kind, same in contacts})),
        "digest": _digest(key, everyone, theirs),
    }
    with atomic_file(_path(workspace)) as part:
        part.write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    return hashes


def changed_at(workspace: Workspace) -> int:
    """When the list was written last, in nanoseconds; 0 where there is none."""
    try:
        return _path(workspace).stat().st_mtime_ns
    except OSError:
        return 0


def _path(workspace: Workspace) -> Path:
    return workspace.path / "forgotten.json"


def _digest(key: bytes, users: Iterable[str], contacts: Iterable[str]) -> str:
    """What tells this list, under this key, from any other."""
    return _keyed(key, "list", json.dumps([sorted(users), sorted(contacts)]))


def _keyed(key: bytes, kind: str, value: str) -> str:
    """A hash that differs from the mask of the same user."""
    return hmac.digest(key, f"forgotten {kind}: {value}".encode(), "sha256").hex()

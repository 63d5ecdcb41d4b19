"""Deleting what is kept: an audience, a file of an export, a conversation."""

import re
from collections.abc import Sequence
from pathlib import Path

from encoders.errors import NotThereError
from encoders.workspace import Workspace
from tools.delivery.exports import FILE, drop
from tools.storage.registry import Registry
from tools.storage.sqlite import overwriting_sqlite, reading_sqlite, whole_transaction
from tools.types import SavedAudience


def delete_audience(workspace: Workspace, registry: Registry, audience: str, actor: str) -> SavedAudience:
    """Delete a saved audience with all its versions, and its files; its audit lines stay, without members.

    Returns:
        Its newest version as it was.

    Raises:
        NotThereError: there is none of that name.
    """
    saved = registry.delete(audience, actor)
    for path in workspace.exports.glob(f"{saved.id}-v*"):
        path.unlink(missing_ok=True)
    return saved


def delete_export(workspace: Workspace, registry: Registry, name: str, actor: str) -> None:
    """Delete the file of an export.

    Raises:
        NotThereError: there is none.
    """
    path = workspace.exports / name
    if not re.fullmatch(FILE, name) or not path.is_file():
        raise NotThereError(f"There is no exported file '{name[:60]}'.")
    drop(path)
    registry.record(actor, "delete export", details={"file": name})


def delete_conversation(workspace: Workspace, thread: str) -> None:
    """Delete a conversation; audiences that were saved in it stay.

    Raises:
        NotThereError: there is none of that id.
        WorkspaceError: the conversations cannot be written right now.
    """
    if not delete_threads(workspace, [thread] if thread in threads(workspace) else []):
        raise NotThereError(f"There is no conversation '{thread[:60]}'.")


def threads(workspace: Workspace) -> dict[str, str]:
    """Every conversation by its id, with the id of its latest step, which begins with the time."""
    path = conversations(workspace)
    if not path.is_file():
        return {}
    with reading_sqlite(path) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints'").fetchall():
            return {}
        return dict(db.execute("SELECT thread_id, MAX(checkpoint_id) FROM checkpoints GROUP BY thread_id"))


def delete_threads(workspace: Workspace, found: Sequence[str]) -> int:
    """Delete conversations, so that nothing of them stays in the file; how many there were."""
    path = conversations(workspace)
    if not found:
        return 0
    with overwriting_sqlite(path) as db:
        with whole_transaction(db):
            for table in ("writes", "checkpoints"):
                db.executemany(f"DELETE FROM {table} WHERE thread_id = ?", [(thread,) for thread in found])
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return len(found)


def conversations(workspace: Workspace) -> Path:
    """Where the conversations are."""
    return workspace.path / "checkpoints.db"

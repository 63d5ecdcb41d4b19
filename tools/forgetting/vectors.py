"""Erasing users from the index: every collection is written anew without them, so that no byte of them stays.

Chroma keeps what is deleted: in the log of its changes, in its graph and in the ids of its segments. In the folder of
the workspace the whole store is therefore built again beside its place; a server is asked to delete, and its own files
are its owner's to clear.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from encoders.settings import Settings
from encoders.workspace import Workspace, atomic_folder
from tools.store import VectorStore


@dataclass(frozen=True)
class _Copy:
    """A collection as it is read, without the users."""

    name: str
    metadata: dict[str, Any]
    ids: list[str]
    embeddings: Any
    metadatas: Any


def erase_from_index(workspace: Workspace, settings: Settings, users: Collection[str]) -> int:
    """Erase users from the index; how many records that were.

    Raises:
        WorkspaceError: another process owns the folder, or the server does not answer; run it again.
    """
    if not settings.chroma_url and not (workspace.chroma / "chroma.sqlite3").is_file():
        return 0
    with VectorStore(workspace, settings.chroma_url) as store:
        if settings.chroma_url:
            return store.delete_users(sorted(users))
        copies, found = [], 0
        for name, metadata, ids, embeddings, metadatas in store.contents():
            kept = [row for row, user in enumerate(ids) if user not in users]
            found += len(ids) - len(kept)
            rows = [metadatas[row] for row in kept]
            copies.append(_Copy(name, metadata, [ids[row] for row in kept], embeddings[kept], rows))
    if not found:
        return 0
    with atomic_folder(workspace.chroma) as part:
        beside = Workspace(workspace.path)
        beside.chroma = part
        with VectorStore(beside) as fresh:
            for each in copies:
                fresh.put_collection(each.name, each.metadata, each.ids, each.embeddings, each.metadatas)
    return found

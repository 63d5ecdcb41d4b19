"""Erasing users from the index: every collection is written anew without them, so that no byte of them stays.

Chroma keeps what is deleted: in the log of its changes, in its graph and in the ids of its segments. In the folder of
the workspace the whole store is therefore built again beside its place, by a process that never knew the users; a
server is asked to delete, and its own files are its owner's to clear.
"""

from collections.abc import Collection

from encoders.settings import Settings
from encoders.workspace import Workspace, atomic_folder
from tools.store import VectorStore
from tools.store_process import contents_apart, rewrite_apart


def erase_from_index(workspace: Workspace, settings: Settings, users: Collection[str]) -> int:
    """Erase users from the index; how many records that were.

    Raises:
        WorkspaceError: another process owns the folder, or the server does not answer; run it again.
    """
    if not settings.chroma_url and not (workspace.chroma / "chroma.sqlite3").is_file():
        return 0
    if settings.chroma_url:
        with VectorStore(workspace, settings.chroma_url) as store:
            return store.delete_users(sorted(users))
    before = contents_apart(workspace)
    after = [each.without(users) for each in before]
    found = sum(len(one.ids) - len(other.ids) for one, other in zip(before, after, strict=True))
    if found:
        with atomic_folder(workspace.chroma) as part:
            rewrite_apart(workspace, part, after)
    return found

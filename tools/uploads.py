"""Files that people bring: copied into the workspace under a name that is safe to say in a conversation."""

import re
from hashlib import file_digest
from pathlib import Path
from shutil import copyfile

from encoders.checksums import seal, seal_is_broken, unseal
from encoders.errors import DamagedError, NotThereError, RequestError
from encoders.workspace import Workspace, atomic_file
from tools.bounds import UPLOAD_BYTES
from tools.erasure.files import without_erased_users

_ENDINGS = (".csv", ".parquet", ".jsonl", ".ndjson", ".txt")
UPLOADED = rf"[0-9a-f]{{12}}(?:{'|'.join(re.escape(each) for each in _ENDINGS)})"
"""What the name of an upload looks like: the beginning of the digest of its content, and its ending."""


def checked_ending(path: Path) -> str:
    """The ending of a file that somebody brings.

    Raises:
        RequestError: it is of a kind that cannot be read.
    """
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        named = ending[:20] or "nameless"
        raise RequestError(f"A {named} file cannot be read here; bring one of {', '.join(_ENDINGS)}.")
    return ending


def keep_upload(workspace: Workspace, path: Path) -> str:
    """Copy a file into the workspace, for its owner's eyes only, without rows of users who were erased.

    The same content has the same name.

    Raises:
        RequestError: it is too large, or of a kind that cannot be read.
        WorkspaceError: nobody can say who was erased.
    """
    ending = checked_ending(path)
    if path.stat().st_size > UPLOAD_BYTES:
        raise RequestError(f"That file has over {UPLOAD_BYTES // 1_000_000} MB; bring only the columns needed.")
    with path.open("rb") as file:
        name = f"{file_digest(file, 'sha256').hexdigest()[:12]}{ending}"
    kept = workspace.uploads / name
    unseal(kept)
    with atomic_file(kept) as part:
        copyfile(path, part)
        without_erased_users(workspace, part, ending)
    seal(kept)
    return name


def uploaded(workspace: Workspace, name: str) -> Path:
    """The file that was kept under ``name``.

    Raises:
        RequestError: there is none.
        DamagedError: it is not what was brought.
    """
    path = workspace.uploads / name
    if not re.fullmatch(UPLOADED, name) or not path.is_file():
        raise NotThereError(f"There is no uploaded file '{name[:40]}'; bring it again.")
    if seal_is_broken(path):
        raise DamagedError(f"The uploaded file '{name}' is damaged: it is not what was brought; bring it again.")
    return path

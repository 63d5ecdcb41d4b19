"""SHA-256 of what was written, so that a flipped byte or a cut file is noticed before anybody counts with it.

A folder keeps the digests of its files in ``checksums.json``; while its files are replaced, that says so instead: one
that holds nothing was damaged. A single
file that changes over time keeps its digest beside it (``NAME-sum``) while nobody has it open. Tensors carry theirs in
their file (``encoders.tensors``).
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from encoders.errors import WorkspaceError
from encoders.workspace import atomic_file

CHECKSUMS = "checksums.json"
_REPLACING = {"files are being replaced": "yes"}
"""What stands in place of digests meanwhile; no file is called so."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- folders --------------------------------------------------------------------------------------


def write_checksums(folder: Path) -> None:
    """Note the digest of every file in ``folder``, which nobody changes afterwards."""
    found = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    found.pop(CHECKSUMS, None)
    _write(folder, found)


def clear_checksums(folder: Path) -> None:
    """Note that the files in ``folder`` are being replaced: until ``write_checksums``, they are read unchecked."""
    _write(folder, _REPLACING)


def _write(folder: Path, digests: dict[str, str]) -> None:
    with atomic_file(folder / CHECKSUMS) as part:
        part.write_text(_text(digests), "utf-8")


def _text(digests: dict[str, str]) -> str:
    return json.dumps(digests, indent=1)


def has_checksums(folder: Path) -> bool:
    """Whether the digests of the files in ``folder`` are noted."""
    with suppress(FileNotFoundError):
        return (folder / CHECKSUMS).read_bytes() != _text(_REPLACING).encode()
    return False


def adopt(folder: Path) -> None:
    """Note the digests of a folder that has none: of an earlier version, or where replacing its files was stopped.

    Nothing happens where it cannot be written.
    """
    with suppress(OSError, WorkspaceError):
        if not has_checksums(folder):
            write_checksums(folder)


def damaged_files(folder: Path, *names: str, always: bool = False) -> list[str]:
    """Files of ``folder``, or those of them named, that are not as they were written.

    Args:
        folder: whose files.
        names: of those that are looked at; none for all.
        always: whether such a folder was never written without digests, so that it is damaged where they are gone.
    """
    try:
        known = json.loads((folder / CHECKSUMS).read_text("utf-8"))
    except FileNotFoundError:
        return [CHECKSUMS] if always else []
    except (OSError, ValueError):
        return [CHECKSUMS]
    if not isinstance(known, dict) or not known:
        return [CHECKSUMS]
    if known == _REPLACING:
        return []
    return [name for name in names or sorted(known) if name in known and not _is(folder / name, known[name])]


def _is(path: Path, digest: object) -> bool:
    try:
        return sha256_of(path) == digest
    except OSError:
        return False


# --- single files ---------------------------------------------------------------------------------


def sum_of(path: Path) -> Path:
    """Where the digest of ``path`` is kept."""
    return path.with_name(f"{path.name}-sum")


def seal(path: Path) -> None:
    """Note the digest of ``path``, which nobody has open."""
    with suppress(OSError, WorkspaceError), atomic_file(sum_of(path)) as part:
        part.write_text(sha256_of(path), "utf-8")


def unseal(path: Path) -> None:
    """Forget the digest of ``path``, which is about to change."""
    with suppress(OSError):
        sum_of(path).unlink(missing_ok=True)


def is_sealed(path: Path) -> bool:
    """Whether ``path`` is what it was when its digest was noted; False where none was noted."""
    return sum_of(path).is_file() and not seal_is_broken(path)


def seal_is_broken(path: Path) -> bool:
    """Whether ``path`` is not what it was when its digest was noted."""
    with suppress(FileNotFoundError):
        return sum_of(path).read_bytes() != sha256_of(path).encode()
    return False

"""What was read of each file of events, kept from one preparation to the next: an unchanged file is not read again.

    deliveries/<key>/
        rows.parquet      the rows as the spec means them; none of users who did not consent, or who were erased
        withheld.parquet  keyed hashes of the users whose rows were left out for want of consent
        facts.json        what was counted

The key stands for everything that the rows hang on: the bytes of the file, its name, the spec, what else is compared,
who was erased, and this program. So what is made from kept rows is, byte for byte, what is made from the files.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from encoders.checksums import damaged_files, write_checksums
from encoders.data.files import Piece
from encoders.errors import WorkspaceError
from encoders.records import Record
from encoders.workspace import atomic_folder

FOLDER = "deliveries"
"""In a workspace."""
_FORMAT = 1
"""Rows that are read in another way have another number."""
_BYTES = 12
"""Of a keyed hash."""


class FileFacts(Record):
    """What is known of a file beside the rows that are kept."""

    rows: int
    """All rows that it has."""
    left_out: dict[str, int]
    """Rows that are not kept, by source and reason."""
    erased: tuple[str, ...]
    """Keyed hashes of the users among them who were erased."""
    columns: dict[str, str]
    """Every column, and what it holds."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FileRows:
    """The rows of one file that are used, as the spec means them."""

    rows: pl.LazyFrame
    users: pl.DataFrame
    """user_id: everybody who has a row, as far as that is known."""
    facts: FileFacts


@dataclass
class KeptFiles:
    """What one workspace keeps."""

    folder: Path
    secret: Callable[[], bytes]
    """What hashes are keyed with, 32 bytes."""
    again: list[str] = field(default_factory=list)
    """Files that were not read again, by their names."""
    _used: set[str] = field(default_factory=set)

    def key(self, piece: Piece, settings: str) -> str:
        """What the rows of a file are kept under; empty for what lies in a database.

        Args:
            piece: the file.
            settings: what the rows hang on beside the file.

        Raises:
            DataError: it cannot be read.
        """
        if piece.path is None:
            return ""
        narrower = sorted(sorted(names) for names in piece.wanted.narrower)
        parts = (piece.digest(), piece.name, settings, str(narrower), str(_FORMAT), pl.__version__)
        return sha256("\x1f".join(parts).encode()).hexdigest()

    def find(self, key: str, agreed: pl.DataFrame | None) -> FileRows | None:
        """The rows that are kept; None where there are none, or the consent of somebody in them has changed.

        Args:
            key: of the file.
            agreed: user_id of those who consented; None where nobody is asked.
        """
        folder = self.folder / key
        try:
            if not folder.is_dir() or damaged_files(folder, always=True):
                return None
            facts = FileFacts.model_validate_json((folder / "facts.json").read_text("utf-8"))
            rows = pl.scan_parquet(folder / "rows.parquet")
            users = rows.select("user_id").drop_nulls().unique().collect(engine="streaming")
            if agreed is not None:
                withheld = pl.read_parquet(folder / "withheld.parquet")
                now_agreed = withheld.join(self._hashed(agreed), on="user", how="semi")
                if now_agreed.height or users.join(agreed, on="user_id", how="anti").height:
                    return None
        except (OSError, ValidationError, pl.exceptions.PolarsError):
            return None
        self._used.add(key)
        return FileRows(rows, users, facts)

    def keep(self, key: str, rows: pl.LazyFrame, withheld: pl.DataFrame | None, facts: FileFacts) -> None:
        """Keep what was read of a file; where the disk is full, nothing.

        Args:
            key: of the file.
            rows: of those who consented.
            withheld: user_id of the others; None where nobody is asked.
            facts: what was counted.
        """
        try:
            with atomic_folder(self.folder / key) as part:
                rows.sink_parquet(part / "rows.parquet", compression="lz4")
                if withheld is not None:
                    self._hashed(withheld).write_parquet(part / "withheld.parquet")
                (part / "facts.json").write_text(facts.model_dump_json(), "utf-8")
                write_checksums(part)
        except WorkspaceError:
            return
        self._used.add(key)

    def drop_others(self) -> None:
        """Delete what was kept of files that are there no more, or are others now."""
        for folder in self.folder.glob("*"):
            if folder.name not in self._used:
                shutil.rmtree(folder, ignore_errors=True)

    def _hashed(self, users: pl.DataFrame) -> pl.DataFrame:
        """Keyed hashes of users, so that no id of somebody who did not consent is kept."""
        key = self.secret()
        hashes = {
            blake2b(user.encode(), key=key, digest_size=_BYTES, person=b"deliveries").digest()
            for user in users["user_id"]
        }
        return pl.DataFrame({"user": sorted(hashes)}, {"user": pl.Binary})

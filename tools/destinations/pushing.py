"""Sending an exported file in batches, so that what fails half-way goes on where it stopped."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from secrets import token_hex
from typing import Literal

import polars as pl

from encoders.checksums import sha256_of
from encoders.errors import DamagedError, DestinationError
from tools.database import Database
from tools.destinations.protocol import Batch, Destination, Person
from tools.types import ExportFile, SavedAudience


@dataclass(frozen=True)
class Push:
    """One sending of one file to one destination."""

    id: str
    created: datetime
    batches: int
    sent: int


def push(db: Database, to: str, destination: Destination, saved: SavedAudience, file: ExportFile, key: str) -> int:
    """Send the people of a file, batch by batch; a push that was not finished goes on where it stopped.

    Args:
        db: the file of the registry, which remembers how far it came.
        to: the name the destination is asked for by.
        destination: what takes the batches.
        saved: the version that is in the file.
        file: what was exported for it.
        key: idempotency key; what was sent to its end with a key is not sent again with it.

    Returns:
        In how many batches it was sent.

    Raises:
        DamagedError: the file is not what was exported; nothing was sent.
        DestinationError: a batch was not taken; the text says how far it came and what to do.
    """
    if sha256_of(Path(file.path)) != file.sha256:
        raise DamagedError(f"{file.path} is damaged: it is not what was written; export the audience again.")
    people = _people(Path(file.path), file.format)
    size = destination.batch_size
    begun = _begun(db, to, saved, f"{file.sha256} {size}", key, ceil(len(people) / size))
    for number in range(begun.sent, begun.batches):
        batch = Batch(
            id=f"{begun.id}-{number + 1}",
            push=begun.id,
            number=number + 1,
            batches=begun.batches,
            last=number + 1 == begun.batches,
            audience_id=saved.id,
            name=saved.name,
            version=saved.version,
            as_of=saved.as_of,
            created=begun.created,
            users=len(people),
            people=people[number * size : (number + 1) * size],
        )
        _send(destination, batch)
        with db.transaction():
            db.run("UPDATE pushes SET sent = max(sent, ?) WHERE id = ?", (number + 1, begun.id))
    return begun.batches


def _send(destination: Destination, batch: Batch) -> None:
    """Send one batch; whatever a destination raises is told in a sentence."""
    try:
        destination.send(batch)
    except Exception as error:
        why = str(error) if isinstance(error, DestinationError) else f"{type(error).__name__}: {error}"
        raise DestinationError(
            f"{destination.name} took {batch.number - 1} of {batch.batches} batches, then failed ({why[:300]}); "
            "export it there again to go on with the rest."
        ) from error


def _begun(db: Database, to: str, saved: SavedAudience, content: str, key: str, batches: int) -> Push:
    """The push to go on with, or a new one."""
    place = (saved.id, saved.version, to, content)
    with db.transaction():
        found = db.run(
            "SELECT id, created, batches, sent FROM pushes WHERE audience = ? AND version = ? AND destination = ? "
            "AND content = ? AND (sent < batches OR (key = ? AND key <> '')) ORDER BY created DESC LIMIT 1",
            (*place, key),
        )
        for row in found:
            return Push(row["id"], datetime.fromisoformat(row["created"]), row["batches"], row["sent"])
        new = Push(f"push-{token_hex(8)}", datetime.now(UTC), batches, 0)
        values = (new.id, *place, key, new.created.isoformat(), batches)
        db.run("INSERT INTO pushes VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)", values)
        return new


def _people(path: Path, format: Literal["csv", "parquet"]) -> tuple[Person, ...]:
    """Everybody in a file, in its order."""
    table = pl.read_parquet(path) if format == "parquet" else pl.read_csv(path, infer_schema=False)
    return tuple(Person.model_validate(row) for row in table.iter_rows(named=True))

"""Users' vectors on disk: computed once, brought up to date by the users who did something since, mapped by who asks.

    vectors/<data version>-<digest of the tower>-<as-of>/
        users.parquet     user_id, fingerprint
        vectors.f32       [N, width], in the same order
        checksums.json    SHA-256 of both

A vector changes only with its user's own events and attributes. So the vectors of another as-of date, or of an earlier
state of the data, are taken over where the fingerprint is the same, and the other users alone are encoded.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from encoders.checksums import damaged_files, write_checksums
from encoders.data.versions import one_maker
from encoders.errors import WorkspaceError
from encoders.model.users import TIMES, FeatureSnapshot, UserInputs, attribute_texts
from encoders.model_folder import TrainedModel
from encoders.workspace import Progress, Workspace, atomic_folder, silent

# --- One number per user that changes when what the user's vector is computed from changes, and at no
#     other time ---
#
# Items and attributes enter as texts: their row numbers move when the data gets another item. Each entry of a history
# is hashed by itself and the hashes are added up (modulo 2^64), so that the order of the entries does not matter.


Hashes = npt.NDArray[np.uint64]
Fingerprints = npt.NDArray[np.int64]
Matrix = npt.NDArray[np.float32]

BLOCK = 50_000
"""Users at a time: bounds the memory, not the result."""


def fingerprints(model: TrainedModel, snapshot: FeatureSnapshot) -> Fingerprints:
    """Fingerprints of the snapshot's users as the tower of ``model`` sees them, [N].

    Of two different users the chance of equal fingerprints is 2^-64; that of any two among a million, 3e-8.
    """
    vocabulary, histories = snapshot.vocabulary, snapshot.histories
    sources = [vocabulary.sources[source] for source in vocabulary.source_of]
    items = [str(pair) for pair in zip(sources, vocabulary.texts, strict=True)]
    attributes, _ = attribute_texts(histories.past.dataset.users, histories.user_ids)
    hashes = hash_inputs(snapshot.inputs, items, attributes)
    if model.encoder.users.with_activity:
        hashes += pl.DataFrame(snapshot.inputs.activity).hash_rows().to_numpy()
    return _hash(hashes ^ _hash_tower(model)).view(np.int64)


def hash_inputs(inputs: UserInputs, items: Sequence[str], attributes: Sequence[str]) -> Hashes:
    """Hash the histories and attributes of N users, [N].

    Args:
        inputs: of the users.
        items: V texts that also name the source.
        attributes: K texts, one per row of ``inputs.attribute_vectors``.
    """
    main, other = (_hash([f"{role} {item}" for item in items]) for role in ("main", "other"))
    times = _hash(np.arange(TIMES))
    known = np.append(_hash(attributes), np.uint64(0))  # -1 stands for unknown and adds nothing
    hashes: Hashes = known[inputs.attributes].sum(axis=1, dtype=np.uint64)
    for start in range(0, len(inputs), BLOCK):
        end = min(start + BLOCK, len(inputs))
        for number, slots in enumerate(inputs.slots):
            places = slots.indptr[start * TIMES : end * TIMES + 1]
            entries = slice(places[0], places[-1])
            time = np.repeat(np.arange(len(places) - 1) % TIMES, np.diff(places))
            amount = slots.data[entries].view(np.uint32).astype(np.uint64)
            item = (other if number else main)[slots.indices[entries]]
            hashed = np.where(amount, _hash((item + times[time]) ^ amount), np.uint64(0))
            sums = np.append(np.uint64(0), np.cumsum(hashed, dtype=np.uint64))[places[::TIMES] - places[0]]
            hashes[start:end] += np.diff(sums)
    return hashes


def _hash(values: Sequence[str] | npt.NDArray[Any]) -> Hashes:
    """Hash each value; a new version of polars may do it in another way, after which everybody is encoded once."""
    return np.asarray(pl.Series(values).hash(), np.uint64)


def _hash_tower(model: TrainedModel) -> np.uint64:
    """Hash what is the same for all users: the weights, and the encoder that the texts go through."""
    digest = hashlib.sha256(model.config.text_encoder.encode())
    for name, weights in model.encoder.users.state_dict().items():
        digest.update(name.encode())
        digest.update(weights.numpy().tobytes())
    return np.uint64(int.from_bytes(digest.digest()[:8], "little"))


# --- Vectors on disk -------------------------------------------------------------------------------


FOLDER = "vectors"
KEPT = 2
"""States that are kept, those asked for last."""


@dataclass(frozen=True)
class UserVectors:
    """The vectors of a snapshot's users."""

    vectors: Matrix
    """[N, width], unit vectors."""
    fingerprints: Fingerprints
    """[N]"""
    encoded: int
    """Users whose vector was computed just now; the others' was there already."""


def stored_vectors(
    workspace: Workspace, model: TrainedModel, snapshot: FeatureSnapshot, progress: Progress = silent
) -> UserVectors:
    """The vectors of a snapshot's users, mapped from the workspace; made there where they are missing.

    Where the workspace may not be written they are computed in memory.
    """
    kept = workspace.path / FOLDER
    with one_maker(kept):
        return _stored(kept, kept / _name(model, snapshot), model, snapshot, progress)


def _stored(
    kept: Path, folder: Path, model: TrainedModel, snapshot: FeatureSnapshot, progress: Progress
) -> UserVectors:
    if folder.is_dir() and not damaged_files(folder, always=True):
        with suppress(OSError):
            os.utime(folder)
        return _read(folder, model.config.width, 0)
    made, vectors = fingerprints(model, snapshot), None
    try:
        with atomic_folder(folder) as building:
            encoded = _write(building, model, snapshot, made, _earlier(kept, model.config.width), progress)
            write_checksums(building)
        vectors = _read(folder, model.config.width, encoded)
        _drop_others(kept, folder)
    except WorkspaceError:
        with torch.no_grad():
            everybody = model.encoder.user_vectors(snapshot).numpy()
        return UserVectors(everybody, made, len(made))
    if not snapshot.histories.past.dataset.is_unchanged:  # users were erased meanwhile, and may not stay in it
        shutil.rmtree(folder, ignore_errors=True)
    return vectors


def erase_vectors(workspace: Workspace, users: Collection[str]) -> int:
    """Write all states anew without some users; how many vectors that left out.

    Raises:
        WorkspaceError: the disk is full or may not be written; what is not written yet is as it was.
    """
    kept, found = workspace.path / FOLDER, 0
    for left_over in kept.glob(".*"):
        shutil.rmtree(left_over, ignore_errors=True)
    for folder in [path.parent for path in _states(kept)]:
        if damaged_files(folder, always=True):
            shutil.rmtree(folder)
            continue
        table = pl.read_parquet(folder / "users.parquet")
        stays = ~table["user_id"].is_in(list(users)).to_numpy()
        if not stays.all():
            vectors = np.memmap(folder / "vectors.f32", np.float32, "r").reshape(len(table), -1)
            with atomic_folder(folder) as building:
                table.filter(stays).write_parquet(building / "users.parquet")
                vectors[stays].tofile(building / "vectors.f32")
                write_checksums(building)
            found += int((~stays).sum())
    return found


def _name(model: TrainedModel, snapshot: FeatureSnapshot) -> str:
    past = snapshot.histories.past
    return f"{past.dataset.card.version}-{int(_hash_tower(model)):016x}-{past.as_of}"


def _states(kept: Path) -> list[Path]:
    """The users of all states, the one asked for last first."""
    return sorted(kept.glob("[!.]*/users.parquet"), key=lambda path: path.parent.stat().st_mtime_ns, reverse=True)


def _drop_others(kept: Path, newest: Path) -> None:
    for users in [path for path in _states(kept) if path.parent != newest][KEPT - 1 :]:
        shutil.rmtree(users.parent, ignore_errors=True)


def _read(folder: Path, width: int, encoded: int) -> UserVectors:
    made = pl.read_parquet(folder / "users.parquet", columns=["fingerprint"])["fingerprint"].to_numpy()
    return UserVectors(np.memmap(folder / "vectors.f32", np.float32, "c").reshape(-1, width), made, encoded)


def _earlier(kept: Path, width: int) -> tuple[pl.DataFrame, Matrix] | None:
    """Users and vectors of another state that is whole."""
    for users in _states(kept):
        if not damaged_files(users.parent, always=True):
            vectors = np.memmap(users.parent / "vectors.f32", np.float32, "r")
            if vectors.size % width == 0:
                return pl.read_parquet(users).with_row_index("place"), vectors.reshape(-1, width)
    return None


def _write(
    building: Path,
    model: TrainedModel,
    snapshot: FeatureSnapshot,
    made: Fingerprints,
    earlier: tuple[pl.DataFrame, Matrix] | None,
    progress: Progress,
) -> int:
    """Write a state; how many users were encoded for it."""
    users = pl.DataFrame({"user_id": snapshot.histories.user_ids, "fingerprint": made})
    users.write_parquet(building / "users.parquet")
    place = np.full(len(made), -1)
    if earlier:
        found = users.join(earlier[0], on=["user_id", "fingerprint"], how="left", maintain_order="left")
        place = found["place"].cast(pl.Int64).fill_null(-1).to_numpy()
    with (building / "vectors.f32").open("wb") as file:
        for rows in _blocks(len(made)):
            progress("Encoding users", rows[0] / len(made))
            new = place[rows] < 0
            vectors = np.empty((len(rows), model.config.width), np.float32)
            if earlier:
                vectors[~new] = earlier[1][place[rows[~new]]]
            if new.any():
                with torch.no_grad():
                    vectors[new] = model.encoder.user_vectors(snapshot, rows[new]).numpy()
            file.write(vectors.data)
    return int((place < 0).sum())


def _blocks(users: int) -> Iterator[npt.NDArray[np.int64]]:
    for start in range(0, users, BLOCK):
        yield np.arange(start, min(start + BLOCK, users))

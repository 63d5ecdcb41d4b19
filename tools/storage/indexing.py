"""Indexing: users' vectors and attributes into Chroma, only where they changed, and back out for exact scans."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from encoders.data.events import Dataset
from encoders.demand_reader import Matrix
from encoders.errors import BrokenIndexError, DiskError, MissingExtraError, WorkspaceError
from encoders.model.users import TIMES, FeatureSnapshot, UserInputs, attribute_texts
from encoders.model_folder import TrainedModel, usable_model
from encoders.predictor import Forecaster
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, set_aside, silent
from tools.storage.vectors import UserRecords, collection_name
from tools.storage.vectors_process import PATIENCE, read_apart, write_apart

# --- One number per user that changes when what the user's vector is computed from changes, and at no
#     other time ---
#
# An index keeps it beside every vector, so that new events of a day cost the encoding of the users concerned. Items
# and attributes enter as texts: their row numbers move when the data gets another item. Each entry of a history is
# hashed by itself and the hashes are added up (modulo 2^64), so that the order of the entries does not matter.


Hashes = npt.NDArray[np.uint64]

BLOCK = 100_000
"""Users at a time: bounds the memory, not the result."""


def fingerprints(model: TrainedModel, snapshot: FeatureSnapshot) -> npt.NDArray[np.int64]:
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


# --- Indexing: users' vectors and attributes into Chroma, and back out as a snapshot for exact scans
#
# A user's vector changes only with their own events and attributes, so an index that is there already, of another as-of
# date or an earlier state of the data, is brought up to date by encoding the users concerned.


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Indexed:
    """What indexing did."""

    name: str
    """The collection."""
    users: int
    encoded: int
    """Users whose vector was computed; the others' was there already."""


def open_forecaster(workspace: Workspace, settings: Settings, as_of: date | None) -> Forecaster:
    """The newest fitting model over everything before the as-of date (None: the data set's own).

    Raises:
        WorkspaceError: no model fits; the text says which command makes one.
    """
    dataset = Dataset.current(workspace)
    as_of = as_of or dataset.card.default_as_of
    dataset.before(as_of)
    model = usable_model(workspace, settings.text_encoder, dataset.card.name, as_of)
    if model is None:
        raise WorkspaceError(
            f"{workspace.path} has no model for this data, the text encoder '{settings.text_encoder}' and {as_of}; "
            f"run 'audience train --as-of {as_of}'."
        )
    return Forecaster.open(workspace, settings, model, as_of, dataset)


def index_name(forecaster: Forecaster) -> str:
    """The collection that belongs to a forecaster."""
    card, past = forecaster.dataset.card, forecaster.snapshot.histories.past
    return collection_name(card.version, forecaster.model.config.version, past.as_of)


def build_index(
    workspace: Workspace, settings: Settings, as_of: date | None = None, progress: Progress = silent
) -> Indexed:
    """Bring the index up to date, encoding whom it does not have yet; the index of an older model is dropped."""
    progress("Reading what users did", None)
    forecaster = open_forecaster(workspace, settings, as_of)
    name, users = index_name(forecaster), _records(forecaster)

    def write() -> int:
        return write_apart(workspace, settings.chroma_url, name, users, progress, only=True)

    try:
        encoded = write()
    except BrokenIndexError as error:
        _begin_anew(workspace, settings, error)
        encoded = write()
    return Indexed(name, len(users.ids), encoded)


def read_index(workspace: Workspace, settings: Settings, forecaster: Forecaster) -> Matrix:
    """The vectors of the forecaster's users as the index holds them, [N, width]; brought up to date first.

    A broken index is set aside and built again. Where none can be used the vectors are computed by the model, which
    gives the same answers and takes longer; the log says so.

    Raises:
        WorkspaceError: another process has the index.
    """
    name, users = index_name(forecaster), _records(forecaster)

    def read() -> tuple[list[str], Matrix]:
        return read_apart(workspace, settings.chroma_url, name, users, silent)

    try:
        try:
            ids, vectors = read()
        except BrokenIndexError as error:
            _begin_anew(workspace, settings, error)
            ids, vectors = read()
    except MissingExtraError:
        return forecaster.user_vectors  # installed without an index: the model alone answers, as for a broken one
    except (BrokenIndexError, DiskError) as error:
        log.warning("%s Meanwhile the vectors of all users are computed without an index.", error)
        return forecaster.user_vectors
    if ids != users.ids:
        raise WorkspaceError("The index holds other users than the data; run 'audience index' again.")
    return np.ascontiguousarray(vectors)


def _begin_anew(workspace: Workspace, settings: Settings, error: BrokenIndexError) -> None:
    """Move a broken index out of the way; raises the ``error`` that told where it is not ours to move."""
    if settings.chroma_url or not workspace.chroma.exists():
        raise error
    lost = "nothing is lost, because the index is built again from the model"
    with workspace.lock("chroma", patience=PATIENCE):
        set_aside(workspace.chroma, workspace.path / "damaged", lost)


def _records(forecaster: Forecaster) -> UserRecords:
    model, snapshot = forecaster.model, forecaster.snapshot
    known = {row.pop("user_id"): row for row in forecaster.dataset.users.to_dicts()}

    def encode(rows: npt.NDArray[np.int64]) -> Matrix:
        with torch.no_grad():
            return np.asarray(model.encoder.user_vectors(snapshot, rows).numpy())

    ids = snapshot.histories.user_ids
    return UserRecords(
        model=model.config.version,
        ids=ids,
        fingerprints=fingerprints(model, snapshot),
        attributes=[known.get(user, {}) for user in ids],
        encode=encode,
    )

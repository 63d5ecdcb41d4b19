"""Indexing: users' vectors and attributes into Chroma, and back out as a snapshot for exact scans.

A user's vector changes only with their own events and attributes, so an index that is there already, of another as-of
date or an earlier state of the data, is brought up to date by encoding the users concerned.
"""

import logging
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import torch

from encoders.data.events import Dataset
from encoders.errors import BrokenIndexError, DiskError, WorkspaceError
from encoders.extras import MissingExtraError
from encoders.fingerprint import fingerprints
from encoders.model_folder import usable_model
from encoders.predictor import Forecaster, Matrix
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, set_aside, silent
from tools.storage.vectors import UserRecords, collection_name
from tools.storage.vectors_process import PATIENCE, read_apart, write_apart

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

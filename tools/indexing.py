"""Indexing: users' vectors and attributes into Chroma, and back out as a snapshot for exact scans."""

from datetime import date

import numpy as np

from encoders.errors import WorkspaceError
from encoders.events import Dataset
from encoders.forecast import Forecaster, Matrix
from encoders.model_folder import usable_model
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent
from tools.store import VectorStore, collection_name


def open_forecaster(workspace: Workspace, settings: Settings, as_of: date | None) -> Forecaster:
    """The newest fitting model over everything before the as-of date (None: the data set's own).

    Raises:
        WorkspaceError: no model fits; the text says which command makes one.
    """
    dataset = Dataset(workspace.data)
    as_of = as_of or dataset.card.default_as_of
    dataset.before(as_of)
    model = usable_model(workspace, settings.text_encoder, dataset.card.version, as_of)
    if model is None:
        raise WorkspaceError(
            f"{workspace.path} has no model for this data, the text encoder '{settings.text_encoder}' and {as_of}; "
            f"run 'audience train --as-of {as_of}'."
        )
    return Forecaster.open(workspace, settings, model, as_of)


def index_name(forecaster: Forecaster) -> str:
    """The collection that belongs to a forecaster."""
    config = forecaster.model.config
    return collection_name(config.data_version, config.version, forecaster.scene.histories.past.as_of)


def build_index(
    workspace: Workspace, settings: Settings, as_of: date | None = None, progress: Progress = silent
) -> str:
    """Encode every user and write the index; the index of an older model or date is dropped.

    Returns:
        The name of the collection.
    """
    progress("Encoding users", None)
    forecaster = open_forecaster(workspace, settings, as_of)
    name = index_name(forecaster)
    with VectorStore(workspace, settings.chroma_url) as store:
        _write(store, name, forecaster, progress)
        store.drop_others([name])
    return name


def read_index(workspace: Workspace, settings: Settings, forecaster: Forecaster) -> Matrix:
    """The vectors of the forecaster's users as the index holds them, [N, width]; written first where missing."""
    name = index_name(forecaster)
    with VectorStore(workspace, settings.chroma_url) as store:
        if not store.ready(name):
            _write(store, name, forecaster, silent)
        ids, vectors = store.snapshot(name)
    if ids != forecaster.scene.histories.user_ids:
        raise WorkspaceError("The index holds other users than the data; run 'audience index' again.")
    return np.ascontiguousarray(vectors)


def _write(store: VectorStore, name: str, forecaster: Forecaster, progress: Progress) -> None:
    users = forecaster.dataset.users
    known = {row.pop("user_id"): row for row in users.to_dicts()}
    ids = forecaster.scene.histories.user_ids
    store.replace(name, ids, forecaster.user_vectors, [known.get(user, {}) for user in ids], progress)

"""Indexing: users' vectors and attributes into Chroma, only where they changed."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.data.events import Dataset
from encoders.demand_reader import Matrix
from encoders.errors import BrokenIndexError, WorkspaceError
from encoders.model_folder import read_config, usable_model
from encoders.predictor import Forecaster
from encoders.settings import Settings
from encoders.user_vectors import UserVectors
from encoders.workspace import CURRENT, Progress, Workspace, atomic_file, set_aside, silent
from tools.storage.vectors import UserRecords, collection_name
from tools.storage.vectors_process import PATIENCE, write_apart


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
    return Forecaster.open(workspace, settings, _fitting(workspace, settings, dataset, as_of), as_of, dataset)


def _fitting(workspace: Workspace, settings: Settings, dataset: Dataset, as_of: date) -> Path:
    """The newest model that may be asked about a data set on a day; raises like ``open_forecaster``."""
    dataset.before(as_of)
    model = usable_model(workspace, settings.text_encoder, dataset.card.name, as_of)
    if model is None:
        raise WorkspaceError(
            f"{workspace.path} has no model for this data, the text encoder '{settings.text_encoder}' and {as_of}; "
            f"run 'audience train --as-of {as_of}'."
        )
    return model


# --- Versions: data, model and day that belong together -------------------------------------------


INDEXED = "indexed"
"""The file of a workspace that names the version which was indexed last."""


class Version(NamedTuple):
    """What answers come from, as a whole: rows, names and figures of one are never mixed with those of another."""

    folder: Path
    """Of the data."""
    data: str
    model: str
    as_of: date

    @property
    def collection(self) -> str:
        """The collection that belongs to it."""
        return collection_name(self.data, self.model, self.as_of)


def version_of(forecaster: Forecaster) -> Version:
    """What a forecaster answers from."""
    dataset, past = forecaster.dataset, forecaster.snapshot.histories.past
    return Version(dataset.folder, dataset.card.version, forecaster.model.config.version, past.as_of)


def newest_version(workspace: Workspace, settings: Settings) -> Version:
    """What would be answered from if the workspace was opened now.

    Raises:
        AudienceError: it cannot be; the text says which command helps.
    """
    dataset = Dataset.current(workspace)
    as_of = dataset.card.default_as_of
    model = _fitting(workspace, settings, dataset, as_of)
    return Version(dataset.folder, dataset.card.version, read_config(model).version, as_of)


def pointers(workspace: Workspace) -> tuple[int, ...]:
    """Another one whenever the data, the models or the index are others than before; cheap enough to ask every second.

    When files were written says that it is worth looking, and ``newest_version`` what there is.
    """
    said = (workspace.data_folder / CURRENT, workspace.data / "dataset.json", workspace.models_folder)
    files = (*said, workspace.models_folder / CURRENT, workspace.path / INDEXED)
    return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in files)


def is_indexed(workspace: Workspace, version: Version) -> bool:
    """Whether the index is of this version; where nothing was ever indexed, there is none to wait for."""
    try:
        return (workspace.path / INDEXED).read_text("utf-8").strip() == version.collection
    except OSError:
        return True


def index_name(forecaster: Forecaster) -> str:
    """The collection that belongs to a forecaster."""
    return version_of(forecaster).collection


def build_index(
    workspace: Workspace, settings: Settings, as_of: date | None = None, progress: Progress = silent
) -> Indexed:
    """Bring vectors and index up to date, encoding who is new or did something; that of an older model is dropped."""
    progress("Reading what users did", None)
    forecaster = open_forecaster(workspace, settings, as_of)
    stored = forecaster.stored_vectors(progress)
    name, users = index_name(forecaster), _records(forecaster, stored)

    def write() -> int:
        return write_apart(workspace, settings.chroma_url, name, users, progress, only=True)

    try:
        write()
    except BrokenIndexError as error:
        _begin_anew(workspace, settings, error)
        write()
    with atomic_file(workspace.path / INDEXED) as part:
        part.write_text(name, "utf-8")
    return Indexed(name, len(users.ids), stored.encoded)


def _begin_anew(workspace: Workspace, settings: Settings, error: BrokenIndexError) -> None:
    """Move a broken index out of the way; raises the ``error`` that told where it is not ours to move."""
    if settings.chroma_url or not workspace.chroma.exists():
        raise error
    lost = "nothing is lost, because the index is built again from the model"
    with workspace.lock("chroma", patience=PATIENCE):
        set_aside(workspace.chroma, workspace.path / "damaged", lost)


def _records(forecaster: Forecaster, stored: UserVectors) -> UserRecords:
    known = {row.pop("user_id"): row for row in forecaster.dataset.users.to_dicts()}

    def vectors_of(rows: npt.NDArray[np.int64]) -> Matrix:
        return np.asarray(stored.vectors[rows])

    ids = forecaster.snapshot.histories.user_ids
    return UserRecords(
        model=forecaster.model.config.version,
        ids=ids,
        fingerprints=stored.fingerprints,
        attributes=[known.get(user, {}) for user in ids],
        encode=vectors_of,
    )

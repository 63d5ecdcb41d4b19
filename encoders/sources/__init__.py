"""One file a data set: source tables in, events, items and users out."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.data_versions import publish
from encoders.workspace import Progress, Workspace, silent

if TYPE_CHECKING:
    from encoders.forgotten import Forgotten
    from encoders.history.events import DatasetCard

BUILT_IN = ("completejourney", "movielens")
"""Data sets that come from installed packages; each is the name of a module here that has ``prepare``."""


def publish_built_in(workspace: Workspace, name: str, progress: Progress = silent) -> "DatasetCard":
    """Make the built-in data set ``name`` the current data of a workspace, without users who were erased.

    Raises:
        DataError: the package it comes from is missing or cannot be read.
        WorkspaceError: the folder cannot be written, another process prepares data, or nobody can say who was erased.
    """
    from encoders.forgotten import Forgotten

    return publish(
        workspace, f"'{name}'", lambda folder: prepare_built_in(name, folder, progress, Forgotten(workspace))
    )


def prepare_built_in(
    name: str, folder: Path, progress: Progress = silent, forgotten: "Forgotten | None" = None
) -> "DatasetCard":
    """Write the built-in data set ``name`` to ``folder``, without users who were erased; its module is loaded only now.

    Raises:
        DataError: the package it comes from is missing or cannot be read.
        WorkspaceError: the folder cannot be written.
    """
    card: DatasetCard = import_module(f"{__name__}.{name}").prepare(folder, progress, forgotten)
    return card

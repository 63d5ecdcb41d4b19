"""Built-in data sets, which come inside installed packages."""

from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.data.versions import publish
from encoders.errors import DataError
from encoders.workspace import Progress, Workspace, silent

if TYPE_CHECKING:
    from encoders.data.erasing import Forgotten
    from encoders.data.events import DatasetCard

BUILT_IN = ("completejourney", "movielens")
"""Data sets that come from installed packages; each is the name of a module here that has ``prepare``."""


def publish_built_in(workspace: Workspace, name: str, progress: Progress = silent) -> "DatasetCard":
    """Make the built-in data set ``name`` the current data of a workspace, without users who were erased.

    Raises:
        DataError: the package it comes from is missing or cannot be read.
        WorkspaceError: the folder cannot be written, another process prepares data, or nobody can say who was erased.
    """
    from encoders.data.erasing import Forgotten

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
    card: DatasetCard = import_module(f"{__package__}.{name}").prepare(folder, progress, forgotten)
    return card


def package_folder(package: str, title: str, remedy: str) -> Path:
    """The folder of an installed package, found without importing it.

    Args:
        package: its import name.
        title: the data set, for the message.
        remedy: the command that installs the package.

    Raises:
        DataError: the package is not installed.
    """
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise DataError(f"The data '{title}' comes from a package that is missing; install it with: {remedy}")
    return Path(found.submodule_search_locations[0])


def recipe_of(distribution: str, *made_by: str) -> str:
    """Digest of a package's version and of the files here that read it: data of another recipe is out of date."""
    read = [Path(__file__).with_name(name).read_bytes() for name in made_by]
    return sha256(b"\0".join([version(distribution).encode(), *read])).hexdigest()[:16]

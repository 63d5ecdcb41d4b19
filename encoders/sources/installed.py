"""Data that comes inside an installed package: where it lies, and from what a prepared folder was made."""

from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from encoders.errors import DataError


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

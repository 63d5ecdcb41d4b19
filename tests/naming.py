"""Which files of a workspace name somebody, in their bytes or, where those are compressed, in their columns."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from encoders.workspace import Workspace


def files_that_name(workspace: Workspace, spellings: Iterable[str]) -> list[str]:
    """Files below the workspace that hold any of the spellings, in whatever case."""
    sought = [each.encode().lower() for each in spellings]
    files = sorted(path for path in workspace.path.rglob("*") if path.is_file())
    found = [path for path in files if any(each in data.lower() for data in _bytes_of(path) for each in sought)]
    return [str(path.relative_to(workspace.path)) for path in found]


def _bytes_of(path: Path) -> Iterator[bytes]:
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield pl.read_parquet(path).write_ndjson().encode()

"""Tables of a lake: Delta and Iceberg, each in the version that is the newest when it is opened."""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from encoders.data.databases.connections import Connection
from encoders.data.databases.frames import BATCH, frames, plain
from encoders.errors import named_extra

_METADATA = re.compile(r"v?(\d+)(?:-.*)?\.metadata\.json")


class DeltaReader:
    """The Delta tables in a folder, or at a place that the library behind it knows, such as s3://."""

    def __init__(self, connection: Connection) -> None:
        """Open nothing yet.

        Raises:
            MissingExtraError: the library is not installed.
        """
        with named_extra():
            import deltalake
        self._place, self._open = connection.url, deltalake.DeltaTable

    def table(self, name: str) -> str:
        """A table is read by its name."""
        return name

    def batches(self, name: str) -> Iterator[pl.DataFrame]:
        """The rows of a table; the first frame has the columns alone."""
        rows = pl.scan_delta(self._open(f"{self._place}/{name}"))
        yield plain(rows.collect_schema().to_frame())
        for batch in rows.collect_batches(chunk_size=BATCH, maintain_order=True):
            yield plain(batch)

    def tables(self) -> list[str]:
        """The names of the tables in the folder."""
        found = Path(self._place).glob("*/**/_delta_log")
        return [str(each.parent.relative_to(self._place)) for each in found]

    def close(self) -> None:
        """Nothing is open."""


class IcebergReader:
    """The Iceberg tables in a folder, by their newest metadata files, or those of a catalog."""

    def __init__(self, connection: Connection) -> None:
        """Load the catalog, where there is one; its address and credentials are those that pyiceberg is given.

        Raises:
            MissingExtraError: the library is not installed.
        """
        with named_extra():
            from pyiceberg.catalog import load_catalog
            from pyiceberg.table import StaticTable
        self._place = connection.url
        self._from_file = StaticTable.from_metadata
        named = connection.url.partition(":")[2].strip("/")
        self._catalog = load_catalog(named) if connection.kind == "iceberg+catalog" else None

    def table(self, name: str) -> str:
        """A table is read by its name."""
        return name

    def batches(self, name: str) -> Iterator[pl.DataFrame]:
        """The rows of a table; the first frame has the columns alone."""
        if self._catalog is not None:
            table = self._catalog.load_table(name)
        else:
            table = self._from_file(_metadata(self._place, name))
        yield from frames(table.scan().to_arrow_batch_reader())

    def tables(self) -> list[str]:
        """The names of the tables in the folder, or in the catalog."""
        if self._catalog is not None:
            spaces = self._catalog.list_namespaces()
            return [".".join(name) for space in spaces for name in self._catalog.list_tables(space)]
        found = Path(self._place).glob("*/**/metadata")
        return [str(each.parent.relative_to(self._place)) for each in found if any(each.glob("*.metadata.json"))]

    def close(self) -> None:
        """Nothing is open."""


def _metadata(place: str, name: str) -> str:
    """The metadata file that a name means: itself, or the newest of the table in a folder."""
    if name.endswith(".metadata.json"):
        return f"{place}/{name}"
    folder = Path(place) / name / "metadata"
    hint = folder / "version-hint.text"
    if hint.is_file():
        return str(folder / f"v{hint.read_text().strip()}.metadata.json")
    versions = {path: _METADATA.fullmatch(path.name) for path in folder.glob("*.metadata.json")}
    known = {int(found[1]): path for path, found in versions.items() if found}
    if not known:
        raise FileNotFoundError(
            f"{folder} has no files that end in .metadata.json; where one lies elsewhere, name it as the table"
        )
    return str(known[max(known)])

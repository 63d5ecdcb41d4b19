"""Opens the Parquet and CSV files of a spec lazily, and says plainly what is wrong with one."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from encoders.errors import DataError
from encoders.sources.spec import TableSpec, nearest

LINE = "__line__"
"""Where a row stands in its file: the line of a CSV file (the heading is line 1), the row of a Parquet file."""

FILE = "__file__"
"""Name of the file a row comes from."""


@dataclass(frozen=True)
class Table:
    """One file, read lazily, with ``LINE`` and ``FILE`` beside its own columns; CSV columns are all text."""

    path: Path
    frame: pl.LazyFrame
    schema: pl.Schema

    def require(self, column: str, use: str) -> None:
        """Raise a DataError unless the file has the column that is wanted for ``use``."""
        if column not in self.schema:
            own = [name for name in self.schema if name not in (LINE, FILE)]
            raise DataError(f"{self.path} has no column '{column}' for {use}; the nearest are {nearest(column, own)}.")

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Run a query over this file alone, so that a broken file is named.

        Raises:
            DataError: the file cannot be read to its end.
        """
        try:
            return frame.collect(engine="streaming")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise _broken(self.path, error) from error


def open_tables(base: Path, spec: TableSpec) -> list[Table]:
    """The files of a table, in the order of their names; patterns are relative to ``base``.

    Raises:
        DataError: no file matches, one has another ending or cannot be read, or all are empty.
    """
    tables = [_open(path, spec.separator) for pattern in spec.files for path in _matching(base, pattern)]
    if not sum(table.collect(table.frame.select(pl.len())).item() for table in tables):
        raise DataError(f"{', '.join(spec.files)} has no rows; nothing can be prepared from an empty table.")
    return tables


def _matching(base: Path, pattern: str) -> Iterator[Path]:
    found = sorted(glob.glob(str(base / pattern), recursive=True))  # noqa: PTH207 - patterns may be absolute
    if not found:
        raise DataError(f"No file matches '{pattern}' in {base}.")
    return map(Path, found)


def _open(path: Path, separator: str) -> Table:
    try:
        if path.suffix == ".parquet":
            frame = pl.scan_parquet(path, row_index_name=LINE, row_index_offset=1)
        elif path.suffix == ".csv":
            frame = pl.scan_csv(path, separator=separator, infer_schema=False, row_index_name=LINE, row_index_offset=2)
        else:
            raise DataError(f"{path} is neither a .parquet nor a .csv file.")
        frame = frame.with_columns(pl.lit(path.name).alias(FILE))
        return Table(path, frame, frame.collect_schema())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> DataError:
    if isinstance(error, pl.exceptions.NoDataError):
        return DataError(f"{path} is empty: not even a heading is in it.")
    first_line = str(error).strip().splitlines()[0]
    return DataError(f"{path} is broken and cannot be read ({first_line}); replace it with a whole copy.")

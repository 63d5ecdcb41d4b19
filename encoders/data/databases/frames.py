"""Rows as databases give them, as polars frames of the kinds that a Parquet file has."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from encoders.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 50_000
"""So many rows are held at once."""


def frames(reader: "pa.RecordBatchReader") -> Iterator[pl.DataFrame]:
    """The batches of an Arrow reader, and first of all one without rows that has its columns."""
    yield _frame(reader.schema.empty_table())
    for batch in reader:
        yield _frame(batch)


def _frame(rows: "pa.RecordBatch | pa.Table") -> pl.DataFrame:
    import pyarrow as pa

    check_names(rows.schema.names)
    columns = {}
    for number, kind in enumerate(rows.schema):
        column = rows.column(number)
        if isinstance(kind.type, pa.BaseExtensionType):
            column = column.cast(kind.type.storage_type)
        columns[kind.name] = pl.Series(kind.name, pl.from_arrow(column))
    return plain(pl.DataFrame(columns))


def check_names(names: Sequence[str]) -> None:
    """See that every column has a name of its own.

    Raises:
        DataError: two have one.
    """
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"The query gives {names.count(twice)} columns '{twice}'; give each a name of its own with AS.")


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame in which words that a database keeps in a list of values are words."""
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def texts(rows: Sequence[Sequence[Any]], names: Sequence[str], booleans: Sequence[bool]) -> pl.DataFrame:
    """Rows of values without kinds of their own, as text: what a CSV file would have of them.

    Args:
        rows: the values, as SQLite gives them.
        names: of the columns.
        booleans: which columns hold 1 for true and 0 for false.
    """
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pl.DataFrame(
        {
            name: pl.Series(name, list(_texts(column, boolean)), pl.String)
            for name, column, boolean in zip(names, columns, booleans, strict=True)
        }
    )


def _texts(values: Iterable[Any], boolean: bool) -> Iterator[str | None]:
    for value in values:
        if boolean and value in (0, 1):
            yield "true" if value else "false"
        elif isinstance(value, bytes):
            yield value.decode(errors="replace")
        else:
            yield value if value is None else str(value)

"""Reads the tables of databases, batch by batch; what a driver says of a failure is told in one sentence."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import polars as pl

from encoders.data.databases.connections import Connection, connection_of, hidden
from encoders.data.databases.embedded import DuckdbReader, SqliteReader
from encoders.data.databases.lakes import DeltaReader, IcebergReader
from encoders.data.databases.mysql import MysqlReader
from encoders.data.databases.servers import PostgresReader, WarehouseReader
from encoders.data.spec import DatabaseTable, nearest
from encoders.errors import AudienceError, DataError

_LONGEST = 300
_CODE = re.compile(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to \w+(?: \w+)*: )?(?:.*\b(?:ERROR|FATAL): +)?")
"""What drivers put before the words of the database."""


class Reader(Protocol):
    """One database that is open for reading, in one state for as long as it is open where it can be."""

    def table(self, name: str) -> str:
        """What ``batches`` takes for a whole table."""

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """The rows of a query; the first frame has the columns alone."""

    def tables(self) -> list[str]:
        """The names of the tables there are, as far as anybody knows; ``batches`` may have failed before."""

    def close(self) -> None:
        """Let go of it."""


_READERS: dict[str, Callable[[Connection], Reader]] = {
    "sqlite": SqliteReader,
    "duckdb": DuckdbReader,
    "delta": DeltaReader,
    "iceberg": IcebergReader,
    "iceberg+catalog": IcebergReader,
    "postgresql": PostgresReader,
    "mysql": MysqlReader,
    "snowflake": WarehouseReader,
    "bigquery": WarehouseReader,
}
_WITHOUT_SQL = {"delta", "iceberg", "iceberg+catalog"}


class Databases:
    """The databases of one data set, each opened once, so that all of its tables are read in one state."""

    def __init__(self, base: Path) -> None:
        """Open nothing yet; paths are relative to ``base``."""
        self._base = base
        self._open = ExitStack()
        self._readers: dict[str, Reader] = {}

    def __enter__(self) -> Self:
        """Close them when the block ends."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close what was opened; one that is gone already is closed."""
        with suppress(Exception):
            self._open.close()

    def batches(self, table: DatabaseTable, rows: int | None = None) -> Iterator[pl.DataFrame]:
        """The rows of a table or query; the first frame has the columns alone.

        Args:
            table: where they are.
            rows: how many are wanted, at most; None for all.

        Raises:
            DataError: the database, the table or the query cannot be used; the text names the database and what is
                wrong, and has no password.
            MissingExtraError: its driver is not installed.
        """
        connection = connection_of(table.connection, self._base)
        reader = self._reader(connection)
        if table.query is not None and connection.kind in _WITHOUT_SQL:
            raise DataError(f"{connection.shown} takes no query; name a table of it instead.")
        query = reader.table(table.table) if table.table is not None else str(table.query)
        if rows is not None and connection.kind not in _WITHOUT_SQL:
            query = f"SELECT * FROM (\n{query}\n) AS looked_at LIMIT {rows}"
        left = rows
        try:
            with closing(reader.batches(query)) as found:  # type: ignore[type-var]
                for batch in found:
                    yield batch if left is None else batch.head(left)
                    left = None if left is None else left - batch.height
                    if left is not None and left <= 0:
                        return
        except AudienceError:
            raise
        except Exception as error:
            raise self._unreadable(table, connection, reader, error) from None

    def _reader(self, connection: Connection) -> Reader:
        if connection.url not in self._readers:
            try:
                reader = _READERS[connection.kind](connection)
            except AudienceError:
                raise
            except Exception as error:
                raise DataError(f"{connection.shown} cannot be opened ({reason(error, connection)}).") from None
            self._readers[connection.url] = reader
            self._open.callback(reader.close)
        return self._readers[connection.url]

    def _unreadable(self, table: DatabaseTable, connection: Connection, reader: Reader, error: Exception) -> DataError:
        known: list[str] = []
        if table.table is not None:
            with suppress(Exception):
                known = reader.tables()
        if known and table.table is not None and table.table not in known:
            near = nearest(table.table, known)
            return DataError(f"There is no table '{table.table}' in {connection.shown}; the nearest are {near}.")
        what = f"table '{table.table}'" if table.table is not None else "the query"
        return DataError(f"{connection.shown}: {what} cannot be read ({reason(error, connection)}).")


def reason(error: Exception, connection: Connection) -> str:
    """What a driver says of a failure, in one line and without a password."""
    with_code = len(error.args) == 2 and isinstance(error.args[0], int)  # as MySQL's
    said = str(error.args[1] if with_code else error)
    lines = [" ".join(line.split()) for line in hidden(said, connection.url).splitlines() if line.strip()]
    first = _CODE.sub("", lines[0], count=1) if lines else type(error).__name__
    return first[:_LONGEST].rstrip(".")


def sample(table: DatabaseTable, base: Path, rows: int = 1_000) -> pl.DataFrame:
    """The first rows of a table or query, to be looked at.

    Args:
        table: where they are.
        base: the folder that paths are relative to.
        rows: how many, at most.

    Raises:
        DataError: it cannot be read.
        MissingExtraError: the driver is not installed.
    """
    with Databases(base) as databases:
        return pl.concat(list(databases.batches(table, rows)))

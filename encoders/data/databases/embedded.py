"""Databases that are one file: SQLite and DuckDB, opened for reading."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import polars as pl

from encoders.data.databases.connections import Connection
from encoders.data.databases.frames import BATCH, frames, texts
from encoders.data.databases.sql import identifier, quoted
from encoders.errors import DataError, named_extra

WAIT = 10.0
"""Seconds in which another program may finish what it writes."""
_QUERY = "audience_query"


def open_sqlite(path: str, writing: bool = False) -> sqlite3.Connection:
    """Open a SQLite file of the owner of the data; it is never made anew.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    mode = "rwc" if writing else "ro"
    return sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True, timeout=WAIT, isolation_level=None)


class SqliteReader:
    """One transaction of SQLite, which sees one state of the file; its values have no kinds and are text, as in CSV."""

    def __init__(self, connection: Connection) -> None:
        """Open the file.

        Raises:
            DataError: it is not there.
        """
        self._db = open_sqlite(_there(connection))
        self._db.text_factory = lambda written: written.decode(errors="replace")
        try:
            self._db.execute("BEGIN")
            self._db.execute("SELECT count(*) FROM main.sqlite_master").fetchone()
        except BaseException:
            self._db.close()
            raise

    def table(self, name: str) -> str:
        """The SELECT that reads a table."""
        return f"SELECT * FROM {quoted(name)}"

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """The rows of a query; the first frame has the columns alone."""
        self._db.execute(f"DROP VIEW IF EXISTS temp.{_QUERY}")
        self._db.execute(f"CREATE TEMP VIEW {_QUERY} AS {query}")  # knows the kinds that columns were declared with
        declared = self._db.execute("SELECT name, type FROM pragma_table_info(?)", (_QUERY,)).fetchall()
        names = [name for name, _ in declared]
        booleans = [kind.upper().startswith("BOOL") for _, kind in declared]
        yield texts([], names, booleans)
        with closing(self._db.execute(f"SELECT * FROM temp.{_QUERY}")) as cursor:
            while rows := cursor.fetchmany(BATCH):
                yield texts(rows, names, booleans)

    def tables(self) -> list[str]:
        """The names of the tables there are."""
        found = self._db.execute("SELECT name FROM main.sqlite_master WHERE type IN ('table', 'view')")
        return [name for (name,) in found]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class DuckdbReader:
    """One transaction of DuckDB, which sees one state of the file."""

    def __init__(self, connection: Connection) -> None:
        """Open the file.

        Raises:
            MissingExtraError: DuckDB is not installed.
            DataError: the file is not there.
        """
        with named_extra():
            import duckdb
        self._db = duckdb.connect(_there(connection), read_only=True)
        try:
            self._db.execute("SET enable_progress_bar = false")
            self._db.execute("BEGIN TRANSACTION READ ONLY")
        except BaseException:
            self._db.close()
            raise

    def table(self, name: str) -> str:
        """The SELECT that reads a table."""
        return f"SELECT * FROM {quoted(name)}"

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """The rows of a query; the first frame has the columns alone."""
        rows = self._db.sql(query)
        kinds = [str(kind) for kind in rows.dtypes]
        foreign = [kind.startswith(("INTERVAL", "UNION", "BIT")) for kind in kinds]
        if any(foreign):
            names = zip(map(identifier, rows.columns), foreign, strict=True)
            rows = rows.project(", ".join(f"{name}::VARCHAR AS {name}" if strange else name for name, strange in names))
        yield from frames(rows.to_arrow_reader(BATCH))

    def tables(self) -> list[str]:
        """The names of the tables there are."""
        self._db.rollback()
        found = self._db.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
        return [name for schema, table in found for name in (table, f"{schema}.{table}")]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _there(connection: Connection) -> str:
    if not Path(connection.url).is_file():
        raise DataError(f"There is no file {connection.url}, which {connection.shown} means.")
    return connection.url

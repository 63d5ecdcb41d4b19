"""Servers that are asked in SQL and answer in Arrow: PostgreSQL, and by the same interface Snowflake and BigQuery."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl

from encoders.data.databases.connections import Connection
from encoders.data.databases.frames import frames
from encoders.data.databases.sql import identifier, quoted
from encoders.errors import named_extra

if TYPE_CHECKING:
    import pyarrow as pa

_TABLES = "SELECT table_schema, table_name FROM information_schema.tables"
_WAIT_FOR_LOCK = "30s"


class PostgresReader:
    """One transaction of PostgreSQL, which sees one state of the database and cannot write."""

    def __init__(self, connection: Connection) -> None:
        """Connect; what the URL leaves out is found as by every program of PostgreSQL: PGPASSWORD, PGSERVICE, ...

        Raises:
            MissingExtraError: the driver is not installed.
        """
        with named_extra():
            from adbc_driver_postgresql import dbapi
        self._db = dbapi.connect(connection.url)
        try:
            self._run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._run(
                f"SELECT set_config('lock_timeout', '{_WAIT_FOR_LOCK}', true) "
                "WHERE current_setting('lock_timeout') = '0'"
            )
        except BaseException:
            self._db.close()
            raise

    def table(self, name: str) -> str:
        """The SELECT that reads a table."""
        return f"SELECT * FROM {quoted(name)}"

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """The rows of a query; the first frame has the columns alone."""
        with closing(self._db.cursor()) as cursor:
            schema = cursor.adbc_execute_schema(query)
            if any(map(_is_foreign, schema)):
                columns = ", ".join(f"{identifier(each.name)}{'::text' * _is_foreign(each)}" for each in schema)
                query = f"SELECT {columns} FROM (\n{query}\n) AS wanted"
            cursor.execute(query)
            yield from frames(cursor.fetch_record_batch())

    def tables(self) -> list[str]:
        """The names of the tables there are."""
        self._db.rollback()
        with closing(self._db.cursor()) as cursor:
            cursor.execute(f"{_TABLES} WHERE table_schema NOT IN ('pg_catalog', 'information_schema')")
            return [name for schema, table in cursor.fetchall() for name in (table, f"{schema}.{table}")]

    def close(self) -> None:
        """End the transaction and the connection."""
        self._db.close()

    def _run(self, statement: str) -> None:
        with closing(self._db.cursor()) as cursor:
            cursor.execute(statement)


def _is_foreign(column: "pa.Field") -> bool:
    """Whether a column is of a kind that Arrow has no like of, so that PostgreSQL has to write it out."""
    import pyarrow as pa

    kind, metadata = column.type, column.metadata or {}
    named = metadata.get(b"POSTGRESQL:type") == b"money"
    return named or isinstance(kind, pa.BaseExtensionType) or bool(re.search("interval|opaque", str(kind)))


class WarehouseReader:
    """Snowflake or BigQuery, by the ADBC driver of each; what may be read is what the role of the caller may read."""

    def __init__(self, connection: Connection) -> None:
        """Connect.

        Raises:
            MissingExtraError: the driver is not installed.
        """
        self._sign = '"'
        with named_extra():
            if connection.kind == "snowflake":
                from adbc_driver_snowflake import dbapi
            else:
                from adbc_driver_bigquery import dbapi

                self._sign = "`"
        options = _snowflake if connection.kind == "snowflake" else _bigquery
        self._db = dbapi.connect(db_kwargs=options(connection.url))

    def table(self, name: str) -> str:
        """The SELECT that reads a table."""
        return f"SELECT * FROM {quoted(name, self._sign)}"

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """The rows of a query; the first frame has the columns alone."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute(query)
            yield from frames(cursor.fetch_record_batch())

    def tables(self) -> list[str]:
        """Unknown: in a warehouse, only a data set has a list of its tables."""
        return []

    def close(self) -> None:
        """End the connection."""
        self._db.close()


def _snowflake(url: str) -> dict[str, Any]:
    """snowflake://user@account/database/schema?warehouse=... as the driver's options."""
    parts = urlsplit(url)
    database, _, schema = parts.path.strip("/").partition("/")
    known = {
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "adbc.snowflake.sql.account": parts.hostname or "",
        "adbc.snowflake.sql.db": database,
        "adbc.snowflake.sql.schema": schema,
    }
    more = {f"adbc.snowflake.sql.{name}": value for name, value in parse_qsl(parts.query)}
    return {name: value for name, value in (known | more).items() if value}


def _bigquery(url: str) -> dict[str, Any]:
    """bigquery://project/dataset as the driver's options; who asks is found in GOOGLE_APPLICATION_CREDENTIALS."""
    parts = urlsplit(url)
    known = {
        "adbc.bigquery.sql.project_id": parts.netloc,
        "adbc.bigquery.sql.dataset_id": parts.path.strip("/"),
    }
    more = {f"adbc.bigquery.sql.{name}": value for name, value in parse_qsl(parts.query)}
    return {name: value for name, value in (known | more).items() if value}

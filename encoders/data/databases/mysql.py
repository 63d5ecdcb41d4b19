"""MySQL and MariaDB: rows as the server sends them, a batch at a time."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import polars as pl

from encoders.data.databases.connections import Connection
from encoders.data.databases.frames import BATCH, check_names
from encoders.data.databases.sql import quoted
from encoders.errors import named_extra

_MOMENT = pl.Datetime("us")


class MysqlReader:
    """One transaction of MySQL, which sees one state of the database and cannot write."""

    def __init__(self, connection: Connection) -> None:
        """Connect to mysql://user@host:port/database; a password that is not in the URL is that in MYSQL_PWD.

        Raises:
            MissingExtraError: the driver is not installed.
        """
        with named_extra():
            import pymysql
            from pymysql.constants import FIELD_TYPE
            from pymysql.cursors import SSCursor
        parts = urlsplit(connection.url)
        more = dict(parse_qsl(parts.query))
        self._db = pymysql.connect(
            host=parts.hostname or "localhost",
            port=parts.port or 3306,
            user=unquote(parts.username or "") or None,
            password=unquote(parts.password or "") or os.environ.get("MYSQL_PWD", ""),
            database=unquote(parts.path.strip("/")) or None,
            unix_socket=more.get("unix_socket"),
            ssl_ca=more.get("ssl_ca"),
            charset="utf8mb4",
            cursorclass=SSCursor,
        )
        self._kinds: dict[int, pl.DataType] = {
            **dict.fromkeys((FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG), pl.Int64()),
            **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), pl.Float64()),
            FIELD_TYPE.DATE: pl.Date(),
            FIELD_TYPE.DATETIME: _MOMENT,
            FIELD_TYPE.TIMESTAMP: pl.Datetime("us", "UTC"),
        }
        try:
            for statement in (
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "SET SESSION time_zone = '+00:00'",  # a TIMESTAMP is told on the clocks of the session
                "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            ):
                self._run(statement)
        except BaseException:
            self._db.close()
            raise

    def table(self, name: str) -> str:
        """The SELECT that reads a table."""
        return f"SELECT * FROM {quoted(name, '`')}"

    def batches(self, query: str) -> Iterator[pl.DataFrame]:
        """The rows of a query; the first frame has the columns alone."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute(query)
            check_names([name for name, *_ in cursor.description])
            kinds = {name: self._kinds.get(code, pl.String()) for name, code, *_ in cursor.description}
            yield _frame([], kinds)
            while rows := cursor.fetchmany(BATCH):
                yield _frame(rows, kinds)

    def tables(self) -> list[str]:
        """The names of the tables there are."""
        with closing(self._db.cursor()) as cursor:
            cursor.execute("SELECT table_schema, table_name FROM information_schema.tables")
            return [name for schema, table in cursor.fetchall() for name in (table, f"{schema}.{table}")]

    def close(self) -> None:
        """End the transaction and the connection."""
        self._db.close()

    def _run(self, statement: str) -> None:
        with closing(self._db.cursor()) as cursor:
            cursor.execute(statement)


def _frame(rows: Any, kinds: dict[str, pl.DataType]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return pl.DataFrame(
        [
            pl.Series(name, [_fitting(value, kind) for value in column], kind)
            for (name, kind), column in zip(kinds.items(), columns, strict=True)
        ]
    )


def _fitting(value: Any, kind: pl.DataType) -> Any:
    """A value as its column takes it; a day such as 0000-00-00, which the driver gives as text, is none."""
    if kind == pl.String and value is not None:
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    if isinstance(kind, pl.Date | pl.Datetime):
        return value if isinstance(value, date | datetime) else None
    return value

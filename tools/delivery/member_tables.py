"""Tables in a database of the owner that audiences are written to: a row for each user of each version.

A version is written in one transaction, whole or not at all, and again in place of itself. So the same export may be
repeated after whatever went wrong, and who may no longer be reached is gone from a version that is written again. Who
was erased or withdrew consent goes from the other versions of the audience at the same time.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from encoders.data.databases.connections import Connection, absolute_connection, checked_connection, connection_of
from encoders.data.databases.embedded import open_sqlite
from encoders.data.databases.reading import reason
from encoders.data.databases.sql import names_in, quoted
from encoders.errors import AudienceError, DestinationError, RequestError, named_extra
from encoders.workspace import PRIVATE
from tools.types import SavedAudience

HASH, ID = "user_sha256", "user_id"
"""What a user is called there: by the hash of their id, or where the owner wants it by the id."""
WITH_HELD_OUT = " with held out"
"""Ends the content of a push that has those who are held out as well."""
_STAGED, _STAYING = "audience_staged", "audience_staying"
_MOST_PARTS = 3
"""Database, schema and table."""


def checked_table(connection: str, table: str) -> tuple[str, str]:
    """A connection and a table as they are kept: paths begin at the root, and no password is in it.

    Raises:
        RequestError: the connection holds a password or is of a kind that is not written to, or the table has no name.
    """
    try:
        kept = absolute_connection(checked_connection(connection.strip()), Path.cwd())
    except ValueError as error:
        raise RequestError(f"The connection cannot be used: {error}.") from None
    if not kept.startswith("env:"):
        _writer(connection_of(kept, Path.cwd()))
    parts = names_in(table)
    if not 1 <= len(parts) <= _MOST_PARTS or not all(parts):
        raise RequestError(f"'{table[:60]}' is no name of a table; write one such as marketing.audience_members.")
    return kept, table.strip()


class MemberTable:
    """One such table."""

    def __init__(self, name: str, connection: str, table: str, user_ids: bool) -> None:
        """Open nothing yet.

        Args:
            name: what the destination is called.
            connection: as ``checked_table`` gave it.
            table: the name of the table, with its schema where it is not the usual one.
            user_ids: whether users are written by their ids; by the hashes of these otherwise.
        """
        self.name, self._connection, self._table = name, connection, table
        self._user = ID if user_ids else HASH

    @property
    def user_ids(self) -> bool:
        """Whether users are written by their ids."""
        return self._user == ID

    def write(
        self,
        saved: SavedAudience,
        users: Sequence[str],
        held_out: Sequence[str],
        earlier: Sequence[str],
        now: datetime,
    ) -> None:
        """Put a version there, in place of what is there of it; the table is made where it is missing.

        Args:
            saved: the version.
            users: who may be reached, called as the table calls them.
            held_out: who is held out, in the same way.
            earlier: who of the versions before it may stay there.
            now: when it is written.

        Raises:
            DestinationError: it could not be written, and nothing of it was.
            MissingExtraError: the driver is not installed.
        """
        connection = connection_of(self._connection, Path.cwd())
        open_database = _writer(connection)
        rows = pl.DataFrame(
            {self._user: [*users, *held_out], "held_out": [False] * len(users) + [True] * len(held_out)},
            schema={self._user: pl.String, "held_out": pl.Boolean},
        ).select(
            pl.lit(saved.id).alias("audience_id"),
            pl.lit(saved.version, pl.Int32).alias("version"),
            self._user,
            pl.lit(saved.name).alias("name"),
            pl.lit(saved.as_of).alias("as_of"),
            "held_out",
            pl.lit(now).alias("exported_at"),
        )
        try:
            with open_database(connection) as database:
                self._put(database, rows, earlier, saved)
                database.commit()
        except AudienceError:
            raise
        except Exception as error:
            raise DestinationError(
                f"{self.name}: nothing was written to {self._table} of {connection.shown} "
                f"({reason(error, connection)}); mend that, and export there again."
            ) from None

    def _put(self, database: "_Database", rows: pl.DataFrame, earlier: Sequence[str], saved: SavedAudience) -> None:
        table, key, columns = quoted(self._table), f"audience_id, version, {self._user}", ", ".join(rows.columns)
        there = database.columns(self._table)
        if not there:
            made = ", ".join(f"{name} {database.kinds[str(rows.schema[name].base_type())]}" for name in rows.columns)
            database.run(f"CREATE TABLE {table} ({made}, PRIMARY KEY ({key}))")
        elif missing := [name for name in rows.columns if name not in there]:
            raise DestinationError(
                f"{self.name}: the table {self._table} has no column '{missing[0]}', so nothing was written; "
                "name another table, which is made where it is missing."
            )
        database.stage(rows, _STAGED)
        if saved.version > 1:
            database.stage(pl.DataFrame({self._user: earlier}, schema={self._user: pl.String}), _STAYING)
            database.run(
                f"DELETE FROM {table} WHERE audience_id = '{saved.id}' AND version < {saved.version} "
                f"AND {self._user} NOT IN (SELECT {self._user} FROM {_STAYING})"
            )
        database.run(
            f"DELETE FROM {table} WHERE audience_id = '{saved.id}' AND version = {saved.version} "
            f"AND {self._user} NOT IN (SELECT {self._user} FROM {_STAGED})"
        )
        changed = ", ".join(f"{name} = excluded.{name}" for name in ("name", "as_of", "held_out", "exported_at"))
        database.run(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {_STAGED} WHERE true "
            f"ON CONFLICT ({key}) DO UPDATE SET {changed}"
        )


class _Database(Protocol):
    """A database in a transaction, open for writing."""

    kinds: dict[str, str]
    """What the kinds of polars are called there."""

    def run(self, statement: str) -> None:
        """Run a statement."""

    def columns(self, table: str) -> list[str]:
        """The columns of a table; none where it is not there."""

    def stage(self, rows: pl.DataFrame, name: str) -> None:
        """Put rows into a table of this name, which nobody else sees."""

    def commit(self) -> None:
        """End the transaction, and keep what was done in it."""


_KINDS = {"String": "TEXT", "Int32": "INTEGER", "Date": "DATE", "Boolean": "BOOLEAN"}


class _Sqlite:
    kinds = _KINDS | {"Datetime": "TIMESTAMP"}

    def __init__(self, db: Any) -> None:
        self._db = db
        self.run("BEGIN IMMEDIATE")

    def run(self, statement: str) -> None:
        self._db.execute(statement)

    def columns(self, table: str) -> list[str]:
        return [name for (name,) in self._db.execute("SELECT name FROM pragma_table_info(?)", names_in(table)[-1:])]

    def stage(self, rows: pl.DataFrame, name: str) -> None:
        self.run(f"CREATE TEMP TABLE {name} ({', '.join(rows.columns)})")
        plain = rows.with_columns(pl.col(pl.Date, pl.Datetime).dt.to_string("iso:strict"))
        marks = ", ".join("?" * rows.width)
        self._db.executemany(f"INSERT INTO temp.{name} VALUES ({marks})", plain.iter_rows())

    def commit(self) -> None:
        self._db.commit()


_COLUMNS = "SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND table_schema = {schema}"


def _columns_query(table: str) -> str:
    *schema, name = (part.replace("'", "''") for part in names_in(table))
    return _COLUMNS.format(table=name, schema=f"'{schema[-1]}'" if schema else "current_schema()")


class _Duckdb:
    kinds = _KINDS | {"Datetime": "TIMESTAMP WITH TIME ZONE"}

    def __init__(self, db: Any) -> None:
        self._db = db
        self.run("SET enable_progress_bar = false")
        self.run("BEGIN TRANSACTION")

    def run(self, statement: str) -> None:
        self._db.execute(statement)

    def columns(self, table: str) -> list[str]:
        return [name for (name,) in self._db.execute(_columns_query(table)).fetchall()]

    def stage(self, rows: pl.DataFrame, name: str) -> None:
        self._db.register("given", rows.to_arrow(compat_level=pl.CompatLevel.oldest()))
        self.run(f"CREATE TEMP TABLE {name} AS SELECT * FROM given")

    def commit(self) -> None:
        self._db.commit()


class _Postgres:
    kinds = _KINDS | {"Datetime": "TIMESTAMP WITH TIME ZONE"}

    def __init__(self, db: Any) -> None:
        self._db, self._cursor = db, db.cursor()

    def run(self, statement: str) -> None:
        self._cursor.execute(statement)

    def columns(self, table: str) -> list[str]:
        self.run(_columns_query(table))
        return [name for (name,) in self._cursor.fetchall()]

    def stage(self, rows: pl.DataFrame, name: str) -> None:
        given = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        self._cursor.adbc_ingest(name, given, mode="create", temporary=True)

    def commit(self) -> None:
        self._cursor.close()
        self._db.commit()


@contextmanager
def _open_sqlite(connection: Connection) -> Iterator[_Database]:
    with _private(connection.url), closing(open_sqlite(connection.url, writing=True)) as db:
        yield _Sqlite(db)


@contextmanager
def _open_duckdb(connection: Connection) -> Iterator[_Database]:
    with named_extra():
        import duckdb
    with _private(connection.url), closing(duckdb.connect(connection.url)) as db:
        yield _Duckdb(db)


@contextmanager
def _open_postgres(connection: Connection) -> Iterator[_Database]:
    with named_extra():
        from adbc_driver_postgresql import dbapi
    with closing(dbapi.connect(connection.url)) as db:
        yield _Postgres(db)


@contextmanager
def _private(path: str) -> Iterator[None]:
    """See that a file that is made in the block is its owner's alone."""
    new = not Path(path).exists()
    try:
        yield
    finally:
        if new and Path(path).exists():
            Path(path).chmod(PRIVATE)


def _writer(connection: Connection) -> Callable[[Connection], Any]:
    known = {"sqlite": _open_sqlite, "duckdb": _open_duckdb, "postgresql": _open_postgres}
    if connection.kind not in known:
        raise RequestError(
            f"{connection.shown} cannot be written to from here; audiences go to PostgreSQL, DuckDB and SQLite."
        )
    return known[connection.kind]

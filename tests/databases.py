"""Real databases for tests: PostgreSQL started for one run, and files of SQLite, DuckDB, Delta and Iceberg."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from adbc_driver_postgresql import dbapi

from encoders.data.databases.embedded import open_sqlite

PASSWORD = "s3cr&t/pa:ss@w%rd"
"""With signs that a URL has to write in another way."""
QUOTED_PASSWORD = "s3cr%26t%2Fpa%3Ass%40w%25rd"
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@dataclass(frozen=True)
class Postgres:
    """A server that is running, with the superuser postgres and the owner shop, who has a password."""

    port: int

    def url(self, user: str = "shop", password: str = QUOTED_PASSWORD, database: str = "shop") -> str:
        return f"postgresql://{user}{':' * bool(password)}{password}@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str) -> None:
        """Run statements as the owner of the database."""
        with closing(dbapi.connect(self.url(), autocommit=True)) as db, closing(db.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(dbapi.connect(self.url())) as db, closing(db.cursor()) as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def put(self, table: str, frame: pl.DataFrame) -> None:
        """A table with the columns and rows of a frame."""
        with closing(dbapi.connect(self.url())) as db, closing(db.cursor()) as cursor:
            cursor.adbc_ingest(table, frame.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="create")
            for name, kind in frame.schema.items():
                if isinstance(kind, pl.Decimal):
                    cursor.execute(f'ALTER TABLE "{table}" ALTER "{name}" TYPE numeric({kind.precision}, {kind.scale})')
            db.commit()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server with its own files on a port of its own, as a user who is not root, and stop it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    as_owner: dict[str, Any] = {"user": owner, "cwd": "/"} if os.geteuid() == 0 else {}
    shutil.chown(folder, owner)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, binaries = folder / "data", BINARIES[-1]

    def call(program: str, *arguments: str) -> None:
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([binaries / program, *arguments], check=True, **quiet, **as_owner)

    try:
        call("initdb", "-D", str(data), "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync", "-A", "trust")
        options = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off"
        call("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield _with_owner(Postgres(port), data, lambda: call("pg_ctl", "-D", str(data), "reload"))
        finally:
            call("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _with_owner(server: Postgres, data: Path, reload: Any) -> Postgres:
    """Make the database and its owner, and ask everybody for a password from then on."""
    admin = dbapi.connect(server.url("postgres", "", "postgres"), autocommit=True)
    with closing(admin), closing(admin.cursor()) as cursor:
        cursor.execute(f"CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'")
        cursor.execute("GRANT pg_signal_backend TO shop")
        cursor.execute("CREATE DATABASE shop OWNER shop")
    (data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    reload()
    return server


def put_sqlite(path: Path, table: str, frame: pl.DataFrame, kinds: dict[str, str]) -> None:
    """A table of a SQLite file with the rows of a frame, its columns declared as ``kinds`` say."""
    with closing(open_sqlite(str(path), writing=True)) as db:
        columns = ", ".join(f'"{name}" {kinds.get(name, "TEXT")}' for name in frame.columns)
        db.execute(f'CREATE TABLE "{table}" ({columns})')
        marks = ", ".join("?" * frame.width)
        db.executemany(f'INSERT INTO "{table}" VALUES ({marks})', (tuple(map(_plain, row)) for row in frame.rows()))


def _plain(value: Any) -> Any:
    """A value as programs write it into SQLite, which knows numbers and texts alone."""
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, Decimal) else value


def put_duckdb(path: Path, table: str, frame: pl.DataFrame) -> None:
    """A table of a DuckDB file with the columns and rows of a frame."""
    with closing(duckdb.connect(str(path))) as db:
        db.register("given", frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
        db.execute(f'CREATE TABLE "{table}" AS SELECT * FROM given')


HELD = """
import duckdb, sys
db = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """A DuckDB file that another process has open for writing."""
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield
        other.communicate(b"")

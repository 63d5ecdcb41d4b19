"""Tables of databases: the same rows give the same data wherever they lie, and what is in the way is one sentence."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import deltalake
import polars as pl
import pytest
from pyiceberg.catalog import load_catalog

from encoders.data.databases import embedded
from encoders.data.databases.reading import Databases, sample
from encoders.data.spec import DatabaseTable
from encoders.errors import DataError
from tests.databases import PASSWORD, Postgres, held_by_another, put_duckdb, put_sqlite, running_postgres
from tests.encoders.data.small_shop import ORDER, Shop

SPEC = """
name = "shop"
title = "A shop"
main_source = "orders"
time_zone = "Europe/Berlin"

[users]
{users}
user_id = "id"
consent = "agreed"
attributes = {{ member = "member", since = "since", score = "score", nickname = "Nick name" }}

[[sources]]
name = "orders"
action = "buy"
wording = "buy {{items}}"
{orders}
user_id = "customer"
time = "at"
item = "{{category}}: {{product}}"
value = "paid"
"""

IDS = (12345678901234567, 98765432109876543, 7, 8, 9)
NASTY = (
    'He said "hi"',
    "it's; DROP TABLE x --",
    "Zażółć gęślą 🙂",
    "a,b;c\td",
    "  blanks\u00a0around ",
    "N/A",
    "",
    None,
)
USERS = pl.DataFrame(
    {
        "id": IDS,
        "agreed": [True, True, True, None, False],
        "member": [True, False, None, True, False],
        "since": [date(2020, 2, 29), date(1999, 12, 31), None, date(2024, 1, 1), date(2024, 1, 2)],
        "score": [Decimal("34.00"), Decimal("0.10"), Decimal("-7.25"), None, Decimal("1.00")],
        "Nick name": ["O'Neil", "ünï", "null", None, "x"],
    },
    schema_overrides={"score": pl.Decimal(12, 2)},
)
ORDERS = pl.DataFrame(
    [
        {
            "customer": IDS[number % len(NASTY) % 3],
            "at": datetime(
                2026, 3, 29, 0, 59, 59, 123456 + number % len(NASTY), UTC
            ),  # the clocks go forward a second later
            "category": "dairy" if number % 2 else None,
            "product": product,
            "paid": Decimal("1234567.89") if number % 2 else Decimal("0.10"),
            "gift": None if number == 1 else bool(number % 2),
        }
        for number, product in enumerate((*NASTY, NASTY[0]))
    ],
    schema_overrides={"paid": pl.Decimal(12, 2)},
)
TABLES = {"users": USERS, "orders": ORDERS}
PLACES = ("csv", "postgres", "duckdb", "sqlite", "delta", "iceberg", "catalog")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Postgres:
    monkeypatch.setenv("SHOP_DB", server.url())
    server.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    return server


def put(place: str, base: Path, tables: dict[str, pl.DataFrame], postgres: Postgres) -> str:
    """Put tables somewhere; the connection to them."""
    for name, frame in tables.items():
        if place == "postgres":
            postgres.put(name, frame)
        elif place == "duckdb":
            put_duckdb(base / "shop.duckdb", name, frame)
        elif place == "sqlite":
            put_sqlite(base / "shop.db", name, frame, {"agreed": "BOOLEAN", "member": "BOOLEAN", "gift": "BOOLEAN"})
        elif place == "delta":
            deltalake.write_deltalake(str(base / "lake" / name), frame)
    if place in ("iceberg", "catalog"):
        lake = base / "iceberg"
        lake.mkdir()
        catalog = load_catalog("shop", type="sql", uri=f"sqlite:///{lake}/catalog.db", warehouse=f"file://{lake}")
        catalog.create_namespace("shop")
        for name, frame in tables.items():
            arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            catalog.create_table(f"shop.{name}", arrow.schema).append(arrow)
        catalog.close()
    known = {"postgres": "env:SHOP_DB", "duckdb": "duckdb:///shop.duckdb", "sqlite": "sqlite:shop.db"}
    return known.get(place) or {"delta": "delta:lake", "iceberg": "iceberg:iceberg/shop"}.get(
        place, "iceberg+catalog:shop"
    )


def prepared(base: Path, users: str, orders: str) -> Any:
    shop = Shop(base)
    shop.spec.write_text(SPEC.format(users=users, orders=orders))
    done = shop.prepare()
    return done.card.version, done.card.rejected, done.summary


@pytest.mark.parametrize("place", PLACES)
def test_the_same_rows_give_the_same_data(
    place: str, tmp_path: Path, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, frame in TABLES.items():
        frame.write_parquet(tmp_path / f"{name}.parquet")
        frame.write_csv(tmp_path / f"{name}.csv")
    expected = prepared(tmp_path, 'files = ["users.parquet"]', 'files = ["orders.parquet"]')
    assert expected[1]["orders: repeated row"] == 1
    if place == "csv":
        assert prepared(tmp_path, 'files = ["users.csv"]', 'files = ["orders.csv"]') == expected
        return
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=3) for name, frame in TABLES.items()}
    connection = put(place, tmp_path, shuffled, postgres)
    if place == "catalog":
        known = partial(load_catalog, type="sql", uri=f"sqlite:///{tmp_path}/iceberg/catalog.db")
        monkeypatch.setattr("pyiceberg.catalog.load_catalog", known)  # it reads the environment when it is imported
    schema = "shop." * (place == "catalog")
    users, orders = (
        f'from = {{ connection = "{connection}", table = "{schema}{name}" }}' for name in ("users", "orders")
    )
    assert prepared(tmp_path, users, orders) == expected
    if place in ("postgres", "duckdb", "sqlite"):
        query = "SELECT * FROM orders ORDER BY product -- as text;"
        orders = f'from = {{ connection = "{connection}", query = "{query}" }}'
        assert prepared(tmp_path, users, orders) == expected


@pytest.fixture
def database_shop(open_shop: Shop) -> Shop:
    """A shop whose orders lie in a SQLite file."""
    put_sqlite(open_shop.base / "shop.db", "orders", pl.DataFrame([ORDER, ORDER | {"product": "butter"}]), {})
    open_shop.change('files = ["orders*.csv"]', 'from = { connection = "sqlite:shop.db", table = "orders" }')
    return open_shop


TABLE = 'connection = "sqlite:shop.db", table = "orders"'


def test_of_rows_with_one_key_the_order_of_the_database_decides_nothing_but_that_of_a_query_does(
    database_shop: Shop,
) -> None:
    database_shop.change('value = "paid"', 'value = "paid"\nrow_key = ["customer"]')
    versions = []
    for products in (("milk", "butter", "cheese"), ("cheese", "butter", "milk")):
        (database_shop.base / "shop.db").unlink()
        rows = [ORDER | {"product": product, "paid": str(number)} for number, product in enumerate(products)]
        put_sqlite(database_shop.base / "shop.db", "orders", pl.DataFrame(rows).drop("paid"), {})
        spec = database_shop.spec.read_text()
        database_shop.change('value = "paid"\n', "")
        versions.append(database_shop.prepare().card.version)
        query = "SELECT * FROM orders ORDER BY product = 'butter'"
        database_shop.change(TABLE, f'connection = "sqlite:shop.db", query = "{query}"')
        database_shop.prepare()
        assert database_shop.read("items")["text"].to_list() == ["dairy: butter"]
        database_shop.spec.write_text(spec)
    assert versions[0] == versions[1]


def test_rows_that_are_left_out_are_shown_with_their_table_and_row(database_shop: Shop) -> None:
    rows = [ORDER, ORDER | {"at": "soon"}, ORDER | {"paid": "free"}]
    (database_shop.base / "shop.db").unlink()
    put_sqlite(database_shop.base / "shop.db", "orders", pl.DataFrame(rows), {})
    assert [str(each) for each in database_shop.prepare().examples] == [
        "orders, row 2, column 'at': unreadable time ('soon')",
        "orders, row 3, column 'paid': unreadable value ('free')",
    ]
    database_shop.change('table = "orders"', 'query = "select * from orders"')
    assert str(database_shop.prepare().examples[0]).startswith("query of orders, row 2, column 'at'")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ('connection = "sqlite:shop.db"', "name either a table or a query"),
        (f'{TABLE}, query = "select 1"', "name either a table or a query"),
        ('connection = "sqlite:shop.db", query = "DELETE FROM orders"', "a query has to be one SELECT"),
        ('connection = "sqlite:shop.db", query = "SELECT 1; DROP TABLE orders"', "a query has to be one SELECT"),
        ('connection = "sqlite:shop.db", query = "WITH a AS (SELECT 1) DELETE FROM orders"', "cannot be read"),
        ('connection = "sqlite:shop.db", query = "SELECT nope FROM orders"', "no such column: nope"),
        ('connection = "sqlite:shop.db", query = "SELECT customer FROM orders"', "has no column 'at' for time"),
        ('connection = "sqlite:shop.db", query = "SELECT * FROM orders WHERE 0"', "query of orders has no rows"),
        (
            'connection = "sqlite:shop.db", table = "oders"',
            "no table 'oders' in sqlite:shop.db; the nearest are 'orders'",
        ),
        ('connection = "sqlite:nothing.db", table = "orders"', "There is no file .*nothing.db"),
        ('connection = "sqlite:customers.csv", table = "orders"', "cannot be opened .file is not a database"),
        ('connection = "duckdb:nothing.db", table = "orders"', "There is no file .*nothing.db"),
        ('connection = "duckdb:customers.csv", table = "orders"', "duckdb:customers.csv cannot be opened"),
        ('connection = "delta:nothing", table = "orders"', "delta:nothing: table 'orders' cannot be read"),
        ('connection = "delta:nothing", query = "SELECT 1"', "delta:nothing takes no query"),
        ('connection = "iceberg:nothing", table = "orders"', "no files that end in .metadata.json"),
        ('connection = "iceberg+catalog:nothing", table = "a.b"', "iceberg.catalog:nothing cannot be opened"),
        ('connection = "oracle:shop", table = "orders"', "a connection begins with sqlite:"),
        ('connection = "env:", table = "orders"', "followed by the name of an environment variable"),
        ('connection = "env:NOWHERE_DB", table = "orders"', "environment variable NOWHERE_DB is not set"),
        ('connection = "postgresql://a:secret@b/c", table = "orders"', "a password may not stand here"),
        ('connection = "postgresql://b/c?user=a&password=secret", table = "orders"', "a password may not stand here"),
        ('connection = "postgresql://a:se#c/ret@b/c", table = "orders"', "a password may not stand here"),
        (f'{TABLE}, tabel = "x"', "unknown entry 'sources.1.from.tabel'; the nearest known ones are 'table'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(database_shop: Shop, written: str, why: str) -> None:
    database_shop.change(TABLE, written)
    with pytest.raises(DataError, match=why) as refused:
        database_shop.prepare()
    assert "\n" not in str(refused.value)
    assert "ret" not in str(refused.value)
    with pytest.raises(DataError, match=why):
        database_shop.prepare(strict=True)


def test_a_table_is_either_files_or_in_a_database(database_shop: Shop) -> None:
    database_shop.change('wording = "buy {items}"', 'wording = "buy {items}"\nfiles = ["orders.csv"]')
    with pytest.raises(
        DataError, match=r"'sources\.1' is wrong: name either files or, in 'from', a table of a database"
    ):
        database_shop.prepare()
    database_shop.change('files = ["orders.csv"]', 'separator = ","')
    with pytest.raises(DataError, match="separator and encoding are those of files"):
        database_shop.prepare()


def test_a_file_that_another_program_holds(database_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "WAIT", 0.1)
    holding = embedded.open_sqlite(str(database_shop.base / "shop.db"), writing=True)
    holding.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DataError, match=r"sqlite:shop\.db cannot be opened \(database is locked"):
        database_shop.prepare()
    holding.close()
    put_duckdb(database_shop.base / "shop.duckdb", "orders", pl.DataFrame([ORDER]))
    database_shop.change("sqlite:shop.db", "duckdb:shop.duckdb")
    with (
        held_by_another(database_shop.base / "shop.duckdb"),
        pytest.raises(DataError, match=r"duckdb:shop\.duckdb cannot be opened .*Could not set lock"),
    ):
        database_shop.prepare()


def read(connection: str, base: Path, **where: str) -> pl.DataFrame:
    return sample(DatabaseTable(connection=connection, **where), base)


def test_the_first_rows_are_a_sample(postgres: Postgres, tmp_path: Path) -> None:
    for place in PLACES[1:6]:
        connection = put(place, tmp_path, {"orders": ORDERS}, postgres)
        found = sample(DatabaseTable(connection=connection, table="orders"), tmp_path, 2)
        assert (found.height, found.columns) == (2, ORDERS.columns)
        if place != "sqlite":
            assert found.schema["paid"] in (pl.String, pl.Decimal(12, 2))
            assert found.schema["gift"] == pl.Boolean


# --- PostgreSQL -----------------------------------------------------------------------------------


def test_kinds_that_files_do_not_have_come_as_text(postgres: Postgres, tmp_path: Path) -> None:
    postgres.run(
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "CREATE TABLE kinds (id uuid, mood mood, price money, home inet, told json, wait interval, at timetz, "
        "big numeric, code char(3), many int[])",
        "INSERT INTO kinds VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'happy', 12.5, '10.0.0.1', '{\"a\": 1}', "
        "'1 day', '10:00+02', 12345678901234567890.5, 'ab', '{1,2}')",
        "INSERT INTO kinds (id) VALUES (NULL)",
    )
    first, second = read("env:SHOP_DB", tmp_path, table="kinds").rows()
    texts = (
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "happy",
        "$12.50",
        "10.0.0.1/32",
        '{"a": 1}',
        "1 day",
        "10:00:00+02",
    )
    assert first == (*texts, "12345678901234567890.5", "ab ", [1, 2])
    assert second == (None,) * 10


def test_lists_are_refused_by_name(postgres: Postgres, open_shop: Shop) -> None:
    postgres.run(
        "CREATE TABLE orders AS SELECT '1' AS customer, now() AS at, ARRAY['a'] AS category, 'b' AS product, 1 AS paid"
    )
    open_shop.change('files = ["orders*.csv"]', 'from = { connection = "env:SHOP_DB", table = "public.orders" }')
    with pytest.raises(DataError, match=r"Column 'category' of public.orders holds List values, which are no group of"):
        open_shop.prepare()


def test_all_tables_are_read_in_one_state_and_nothing_is_written(postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("CREATE TABLE one AS SELECT 1 AS a", "CREATE TABLE two AS SELECT 1 AS a")
    with Databases(tmp_path) as databases:

        def rows(**where: str) -> int:
            return sum(each.height for each in databases.batches(DatabaseTable(connection="env:SHOP_DB", **where)))

        assert rows(table="one") == 1
        postgres.run("INSERT INTO one VALUES (2)", "INSERT INTO two VALUES (2)")
        assert rows(table="two") == 1
        with pytest.raises(DataError, match="in a read-only transaction"):
            rows(query="WITH gone AS (DELETE FROM one RETURNING *) SELECT * FROM gone")
    assert postgres.rows("SELECT count(*) FROM one") == [(2,)]


def test_a_connection_that_is_cut_while_it_is_read(postgres: Postgres, tmp_path: Path) -> None:
    query = "SELECT number, repeat('x', 200) AS text FROM generate_series(1, 2000000) AS number"
    with Databases(tmp_path) as databases:
        batches = databases.batches(DatabaseTable(connection="env:SHOP_DB", query=query))
        next(batches)
        next(batches)
        postgres.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(DataError, match=r"env:SHOP_DB: the query cannot be read .*server closed the connection"):
            list(batches)


def test_a_table_that_is_locked(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.run("CREATE TABLE held AS SELECT 1 AS a")
    monkeypatch.setenv("SHOP_DB", f"{postgres.url()}?options=-c%20lock_timeout%3D100ms")
    monkeypatch.setenv("HOLDER", postgres.url())
    code = (
        "import os, sys; from adbc_driver_postgresql import dbapi; db = dbapi.connect(os.environ['HOLDER']); "
        "db.cursor().execute('LOCK TABLE held IN ACCESS EXCLUSIVE MODE'); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(DataError, match=r"table 'held' cannot be read .*due to lock timeout"):
            read("env:SHOP_DB", tmp_path, table="held")
        holder.communicate(b"")


SECRETS = (PASSWORD, "s3cr", "w%rd", "w%25rd")


@pytest.mark.parametrize("fault", ["password", "query", "address", "unquoted", "port"])
def test_a_password_is_never_said(
    fault: str, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url()
    broken = {
        "password": postgres.url(password="s3cr-wrong-w%25rd"),
        "address": url.replace("127.0.0.1", "nowhere.invalid"),
        "unquoted": postgres.url(password=PASSWORD),
        "port": url.replace(str(postgres.port), "port"),
    }
    monkeypatch.setenv("SHOP_DB", broken.get(fault, url))
    with pytest.raises(DataError) as refused:
        read("env:SHOP_DB", tmp_path, query="SELECT nothing FROM nowhere")
    chain = [str(refused.value), str(refused.value.__cause__), *(str(refused.value.args))]
    assert not [secret for secret in SECRETS if any(secret in each for each in chain)]


def test_neither_the_command_nor_the_workspace_holds_a_password(postgres: Postgres, open_shop: Shop) -> None:
    postgres.put("orders", pl.DataFrame([ORDER, ORDER | {"at": "soon"}]))
    open_shop.change('files = ["orders*.csv"]', 'from = { connection = "env:SHOP_DB", table = "orders" }')
    workspace = open_shop.base / "workspace"
    command = [sys.executable, "-c", "from agent.cli.main import main; main()", "--workspace", str(workspace)]
    done = subprocess.run([*command, "prepare", str(open_shop.spec)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "orders, row 2, column 'at': unreadable time ('soon')" in done.stdout
    open_shop.change('table = "orders"', 'table = "order"')
    failed = subprocess.run([*command, "prepare", str(open_shop.spec)], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert "There is no table 'order' in env:SHOP_DB; the nearest are 'orders'" in " ".join(failed.stderr.split())
    said = done.stdout + done.stderr + failed.stdout + failed.stderr
    written = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    for secret in SECRETS:
        assert secret not in said
        assert secret.encode() not in written
    shutil.rmtree(workspace)

"""Servers that no test can start: what their drivers are asked, and what is made of their answers."""

import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pymysql
import pytest
from pymysql.constants import FIELD_TYPE
from pymysql.err import OperationalError

from encoders.data.databases.reading import sample
from encoders.data.spec import DatabaseTable
from encoders.errors import DataError, MissingExtraError

ROWS = pa.table({"id": [1, 2], "at": [datetime(2026, 1, 5), None]})


class Driver:
    """A connection, as the drivers make them, which remembers what it is asked."""

    def __init__(self, rows: Any = (), columns: Any = ()) -> None:
        self.asked: list[str] = []
        self.description, self._rows = columns, list(rows)

    def cursor(self) -> "Driver":
        return self

    def execute(self, statement: str) -> None:
        self.asked.append(" ".join(statement.split()))

    def fetch_record_batch(self) -> Any:
        return ROWS.to_reader()

    def fetchmany(self, rows: int) -> list[Any]:
        found, self._rows = self._rows[:rows], self._rows[rows:]
        return found

    def close(self) -> None:
        """Nothing is open."""


def adbc(monkeypatch: pytest.MonkeyPatch, name: str) -> tuple[Driver, dict[str, str]]:
    """Put a driver in the place of one that is not installed; what it is asked, and the options it is opened with."""
    driver, options = Driver(), dict[str, str]()

    def connect(db_kwargs: dict[str, str]) -> Driver:
        options.update(db_kwargs)
        return driver

    module = ModuleType(name)
    module.dbapi = SimpleNamespace(connect=connect)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    return driver, options


def test_snowflake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, options = adbc(monkeypatch, "adbc_driver_snowflake")
    monkeypatch.setenv("DWH", "snowflake://ann:p%40ss@acme-eu/SHOP/PUBLIC?warehouse=SMALL&role=READER")
    found = sample(DatabaseTable(connection="env:DWH", table="ORDERS"), tmp_path)
    assert found.rows() == [(1, datetime(2026, 1, 5)), (2, None)]
    assert driver.asked == ['SELECT * FROM ( SELECT * FROM "ORDERS" ) AS looked_at LIMIT 1000']
    assert options == {
        "username": "ann", "password": "p@ss", "adbc.snowflake.sql.account": "acme-eu",
        "adbc.snowflake.sql.db": "SHOP", "adbc.snowflake.sql.schema": "PUBLIC",
        "adbc.snowflake.sql.warehouse": "SMALL", "adbc.snowflake.sql.role": "READER",
    }  # fmt: skip


def test_bigquery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, options = adbc(monkeypatch, "adbc_driver_bigquery")
    sample(DatabaseTable(connection="bigquery://acme-shop/sales", table="sales.orders"), tmp_path)
    assert driver.asked == ["SELECT * FROM ( SELECT * FROM `sales`.`orders` ) AS looked_at LIMIT 1000"]
    assert options == {"adbc.bigquery.sql.project_id": "acme-shop", "adbc.bigquery.sql.dataset_id": "sales"}


def test_mysql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [
        ("id", FIELD_TYPE.LONGLONG), ("paid", FIELD_TYPE.NEWDECIMAL), ("at", FIELD_TYPE.TIMESTAMP),
        ("day", FIELD_TYPE.DATE), ("name", FIELD_TYPE.VAR_STRING), ("flag", FIELD_TYPE.TINY), ("raw", FIELD_TYPE.BLOB),
    ]  # fmt: skip
    rows = [
        (
            18446744073709551615,
            Decimal("34.00"),
            datetime(2026, 1, 5, 10, 0, 0, 123456),
            date(2026, 1, 5),
            "é🙂",
            1,
            b"x",
        ),
        (None, None, "0000-00-00 00:00:00", "0000-00-00", None, None, None),
    ]
    driver, asked = Driver(rows, columns), dict[str, Any]()
    monkeypatch.setattr(pymysql, "connect", lambda **options: asked.update(options) or driver)
    monkeypatch.setenv("MYSQL_PWD", "s3cret")
    found = sample(DatabaseTable(connection="mysql://ann@db.example.com/shop", table="orders"), tmp_path)
    assert found.schema["at"] == pl.Datetime("us", "UTC")
    first = found.with_columns(pl.col("at").dt.replace_time_zone(None)).row(0)
    assert first == ("18446744073709551615", "34.00", *rows[0][2:6], "x")
    assert found.row(1) == (None,) * 7
    known = {"host": "db.example.com", "port": 3306, "user": "ann", "password": "s3cret", "database": "shop"}
    assert known.items() <= asked.items()
    assert driver.asked[-2:] == [
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        "SELECT * FROM ( SELECT * FROM `orders` ) AS looked_at LIMIT 1000",
    ]


def test_what_mysql_says_is_told_without_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(**options: Any) -> None:
        raise OperationalError(1045, f"Access denied for {options['user']} with {options['password']}")

    monkeypatch.setattr(pymysql, "connect", connect)
    monkeypatch.setenv("DWH", "mysql://ann:s3cr%40t@db/shop")
    with pytest.raises(DataError, match=r"env:DWH cannot be opened \(Access denied for ann with \*\*\*"):
        sample(DatabaseTable(connection="env:DWH", table="orders"), tmp_path)


@pytest.mark.parametrize(
    ("connection", "module", "extra"),
    [
        ("postgresql://db/shop", "adbc_driver_postgresql", "postgres"),
        ("mysql://db/shop", "pymysql", "mysql"),
        ("snowflake://db/shop", "adbc_driver_snowflake", "snowflake"),
        ("bigquery://project", "adbc_driver_bigquery", "bigquery"),
        ("duckdb:shop.duckdb", "duckdb", "duckdb"),
        ("delta:lake", "deltalake", "delta"),
        ("iceberg:lake", "pyiceberg.catalog", "iceberg"),
    ],
)
def test_a_driver_that_is_missing_is_named_with_the_line_that_installs_it(
    connection: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'audience-targeting\[{extra}\]'"):
        sample(DatabaseTable(connection=connection, table="orders"), tmp_path)

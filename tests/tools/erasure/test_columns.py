"""Every column of every database of a workspace is declared, and what is the product's own is never rewritten."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from agent.labelling.ledger import LabelLedger
from encoders.data.contacts import ContactFormat
from tools.access.callers import Tokens
from tools.access.gate import Allowance, CallLimits
from tools.erasure.columns import COLUMNS, Holds, holds
from tools.erasure.databases import erase_from_database
from tools.erasure.traces import traces_of
from tools.jobs import Ledger
from tools.storage.registry import Registry


def conversations(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        SqliteSaver(db).setup()


def labels(path: Path) -> None:
    with LabelLedger.open(path):
        pass


DATABASES: dict[str, Callable[[Path], None]] = {
    "registry": lambda path: Registry(path).close(),
    "jobs": lambda path: Ledger(path).close(),
    "tokens": lambda path: Tokens(path).close(),
    "limits": lambda path: CallLimits(path).close(),
    "allowance": lambda path: Allowance(path).close(),
    "checkpoints": conversations,
    "ledger": labels,
}


def columns_of(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [
            (table, row[1])
            for table in tables
            if not table.startswith("sqlite_")
            for row in db.execute(f'PRAGMA table_info("{table}")')
        ]


@pytest.mark.parametrize("name", DATABASES)
def test_every_column_of_a_database_is_decided_on(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.db"
    DATABASES[name](path)
    columns = columns_of(path)
    assert columns
    assert [each for each in columns if each[1] not in COLUMNS.get(each[0], {})] == []


def test_what_is_unknown_is_read_as_text() -> None:
    assert holds("strange", "said") is Holds.TEXT
    assert holds("strange", "user_id") is Holds.USER


@pytest.mark.parametrize("name", DATABASES)
def test_columns_of_the_product_stay_as_they_are_whoever_is_erased(name: str, tmp_path: Path) -> None:
    """Each text column has one word; the same word is erased as a user."""
    path, word = tmp_path / f"{name}.db", "cust-7f3a9"
    DATABASES[name](path)
    columns = columns_of(path)
    own = {each for each in columns if holds(*each) is Holds.OWN}
    with closing(sqlite3.connect(path)) as db:
        for table in {table for table, _ in columns} - {"changes"}:
            names = [column for mine, column in columns if mine == table]
            values = [_value(db, table, each, word) for each in names]
            db.execute(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(names))})', values)
        db.commit()
    erase_from_database(path, traces_of([word], {}, ContactFormat(), [], []))
    with closing(sqlite3.connect(path)) as db:
        for table, column in columns:
            left = {row[0] for row in db.execute(f'SELECT "{column}" FROM "{table}"')} - {None, 0, 1, "x"}
            if left:
                assert left == ({word} if (table, column) in own else left - {word}), (table, column)


def _value(db: sqlite3.Connection, table: str, column: str, word: str) -> str | int:
    """The word where a column takes texts, somebody else where it takes users, and 1 where it takes numbers."""
    kinds = {row[1]: row[2] for row in db.execute(f'PRAGMA table_info("{table}")')}
    if kinds[column] not in ("TEXT", "BLOB"):
        return 1
    return "x" if holds(table, column) is Holds.USER else word

"""Words of the product itself, which an erasure does not take for users: "held_out", "activate", "2017-10-01".

A user may be called by such a word. Then it is the user in columns of users and in what people wrote, but not where the
product needs it to read its own files: the keys of JSON, states, scopes, ids, dates, names of sources and items.
"""

import ast
import json
import re
import sqlite3
import tomllib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl

from encoders.data.erasing import prepared_folders
from encoders.workspace import Workspace
from tools.erasure.columns import COLUMNS, Holds
from tools.storage.sqlite import DATABASE, reading_sqlite

_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:[t ][\d:.+z-]*)?")
_FLOORS = ("agent", "encoders", "prompts", "tools")
_WRITERS = ("langgraph", "langchain_core.messages")
"""Packages whose own words stand in conversations beside ours."""
_FOLDERS = ("models", "data")
_AT_ONCE = 30_000
"""Words that are looked for in one question to SQLite, which takes some more."""
_CONTACTS = "contacts.parquet"
_LONGEST_OWN = 60
"""Signs of a text in the code that may be a value; longer ones are sentences."""


def own_words(workspace: Workspace, users: Collection[str]) -> Callable[[str], bool]:
    """Says whether a word is one of the product itself, or of the data beside its users.

    Args:
        workspace: whose databases, models and prepared data are looked at.
        users: ids, and other words, that are looked for in the databases and the data; all else in the code and the
            models alone.
    """
    here = _in_json_files(workspace.path) | _in_databases(workspace.path, users) | _in_data(workspace.path, users)

    @cache
    def is_own(word: str) -> bool:
        folded = word.strip().casefold()
        if not folded or folded.isdecimal():  # a number is no word
            return False
        return bool(_DAY.fullmatch(folded)) or folded in here or _in_code(folded)

    return is_own


# --- In the code: every name in it, and every short text ---------------------------------------------------


@cache
def _in_code(word: str) -> bool:
    """Whether the code has a name or a short text that is this; only files that have it somewhere are parsed."""
    return bool(word) and any(word in source and word in _words_of(path) for path, source in _sources())


@cache
def _sources() -> tuple[tuple[Path, str], ...]:
    root = Path(__file__).parents[2]
    folders = [root / floor for floor in _FLOORS]
    for package in _WRITERS:
        with suppress(ModuleNotFoundError):
            found = find_spec(package)
            folders += map(Path, (found.submodule_search_locations or []) if found else [])
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".toml")]
    return tuple((path, path.read_text("utf-8").casefold()) for path in files)


@cache
def _words_of(path: Path) -> frozenset[str]:
    text = path.read_text("utf-8")
    if path.suffix == ".toml":
        return frozenset(each.casefold() for each in _keys(tomllib.loads(text)))
    module = ".".join([*path.parts[-3:-1], path.stem])
    modules = {module[start:] for start in range(len(module)) if not start or module[start - 1] == "."}
    return frozenset(each.casefold() for node in ast.walk(ast.parse(text)) for each in _said(node)) | modules


def _said(node: ast.AST) -> Iterator[str]:
    """The names and the short texts at a place of the code: "first time" is what a conversation may say of a wish."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= _LONGEST_OWN:
        yield node.value
    for field in ("name", "id", "attr", "arg"):
        if isinstance(name := getattr(node, field, None), str):
            yield name


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list):
        yield from (key for each in value for key in _keys(each))


# --- In the workspace: cards, models, columns of the product's own, data beside its users ------------------------


def _in_json_files(root: Path) -> set[str]:
    found: set[str] = set()
    for path in (path for folder in _FOLDERS for path in (root / folder).rglob("*.json")):
        with suppress(OSError, ValueError):
            found |= {each.casefold() for each in _texts(json.loads(path.read_text("utf-8")))}
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in _texts(each))


def _in_databases(root: Path, users: Collection[str]) -> set[str]:
    """Those of the users that columns of the product's own hold."""
    found: set[str] = set()
    asked = sorted({way for user in users for way in (user, user.lower(), user.upper())})
    for path in (path for path in root.rglob(f"*{DATABASE}") if path.is_file() and not path.is_symlink()):
        with suppress(sqlite3.Error), reading_sqlite(path) as db:
            for table, column in _own_columns(db):
                for start in range(0, len(asked), _AT_ONCE):
                    found |= _among(db, table, column, asked[start : start + _AT_ONCE])
    return {each.casefold() for each in found}


def _own_columns(db: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for _, column, *_ in db.execute(f'PRAGMA table_info("{table}")').fetchall():
            if COLUMNS.get(table, {}).get(column) is Holds.OWN:
                yield table, column


def _among(db: sqlite3.Connection, table: str, column: str, words: list[str]) -> set[str]:
    """Those of the words that are values of a column."""
    marks = ", ".join("?" * len(words))
    rows = db.execute(f'SELECT DISTINCT "{column}" FROM "{table}" WHERE "{column}" IN ({marks})', words)
    return {str(value) for (value,) in rows}


def _in_data(root: Path, users: Collection[str]) -> set[str]:
    found: set[str] = set()
    for folder in prepared_folders(root / "data"):
        found |= words_of_data(folder, users)
    return {each.casefold() for each in found}


def words_of_data(folder: Path, users: Collection[str]) -> set[str]:
    """Those of the users whose ids are also names or values in the prepared data, outside of their own rows."""
    wanted, found = sorted(users), set[str]()
    for path in sorted(folder.glob("*.parquet")):
        with suppress(OSError, pl.exceptions.PolarsError):
            schema = pl.read_parquet_schema(path)
            found |= set(wanted) & set(schema)
            texts = [name for name, kind in schema.items() if kind == pl.String and name != "user_id"]
            table = pl.scan_parquet(path)
            if "user_id" in schema:
                table = table.filter(~pl.col("user_id").cast(pl.String).is_in(wanted))
            for name in texts if path.name != _CONTACTS else []:
                hit = table.filter(pl.col(name).is_in(wanted)).select(pl.col(name).unique())
                found |= set(hit.collect(engine="streaming")[name])
    return found

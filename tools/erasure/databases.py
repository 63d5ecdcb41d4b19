"""Erasing users from SQLite files and from the index."""

import sqlite3
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from encoders.settings import Settings
from encoders.workspace import Workspace, atomic_folder
from tools.erasure.columns import Holds, holds
from tools.erasure.traces import ERASED, Traces
from tools.storage.sqlite import overwriting_sqlite, reading_sqlite, whole_transaction
from tools.storage.vectors import VectorStore
from tools.storage.vectors_process import contents_apart, rewrite_apart

_MOST_ALIKE = 100
"""So many names that are alike without the users in them are told apart by numbers."""


def erase_from_database(path: Path, traces: Traces, of_use: bool = True) -> int:
    """Erase users from a SQLite file; how many rows and values that were.

    Args:
        path: the file.
        traces: how the users are recognised.
        of_use: whether a damaged one is kept, with signs over what surely names them; otherwise it is deleted, as short
            ids cannot be told from other bytes in it.

    Raises:
        WorkspaceError: somebody else is writing to it, or it may not be written; run it again.
    """
    try:
        with overwriting_sqlite(path) as db:
            with whole_transaction(db):
                found = _erase(db, traces)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            # A run that was killed leaves bytes of them behind. They are asked of SQLite: whoever opens and closes the
            # file as a plain one lets go of the locks of all connections that this process has to it.
            if found or traces.mentioned(db.serialize()):
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return found
    except sqlite3.DatabaseError:  # damaged: what can be seen of it is overwritten where it stands
        data = path.read_bytes()
        if not of_use and _still_there(path, traces):
            for each in (path, *_logs(path)):
                each.unlink(missing_ok=True)
            return 1
        cleaned = traces.overwritten(data)
        if cleaned != data:
            path.write_bytes(cleaned)
        return int(cleaned != data)


def _erase(db: sqlite3.Connection, traces: Traces) -> int:
    triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:  # audit lines are never changed, but for this
        db.execute(f'DROP TRIGGER "{name}"')
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    found = sum(_from_table(db, name, traces) for name in sorted(tables) if not name.startswith("sqlite_"))
    if found:
        _recount(db, tables)
        _name_anew(db, tables)
    for _, sql in triggers:
        db.execute(sql)
    return found


def _from_table(db: sqlite3.Connection, table: str, traces: Traces) -> int:
    columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
    names = {each[1]: holds(table, each[1]) for each in columns}
    found = 0
    for name in (each for each in names if names[each] is Holds.USER):
        marks = ", ".join("?" * len(traces.users))
        done = db.execute(f'DELETE FROM "{table}" WHERE CAST("{name}" AS TEXT) IN ({marks})', sorted(traces.users))
        found += done.rowcount
    keys = [each[1] for each in sorted(columns, key=lambda each: each[5]) if each[5]] or ["rowid"]
    for name in names:
        if names[name] not in (Holds.USER, Holds.OWN):
            found += _from_column(db, table, name, keys, traces)
    return found


def _from_column(db: sqlite3.Connection, table: str, name: str, keys: list[str], traces: Traces) -> int:
    key = ", ".join(f'"{each}"' if each != "rowid" else each for each in keys)
    kinds = f"typeof(\"{name}\") IN ('text', 'blob')"
    changed = []
    for *place, value in db.execute(f'SELECT {key}, "{name}" FROM "{table}" WHERE {kinds}'):
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        if not traces.mentioned(data):
            continue
        cleaned = _cleaned(data, holds(table, name), traces)
        if cleaned != data:
            changed.append((cleaned.decode() if isinstance(value, str) else cleaned, *place))
    where = " AND ".join(f'"{each}" = ?' if each != "rowid" else "rowid = ?" for each in keys)
    for cleaned, *place in changed:
        written = f'"{table}" SET "{name}" = ? WHERE {where}'
        for number in range(1, _MOST_ALIKE):  # two audiences whose names named a user have names of their own
            with suppress(sqlite3.IntegrityError):
                db.execute(f"UPDATE {written}", (_numbered(cleaned, number), *place))
                break
        else:
            db.execute(f"UPDATE OR REPLACE {written}", (cleaned, *place))
    return len(changed)


def _cleaned(data: bytes, kind: Holds, traces: Traces) -> bytes:
    """A value of a column without the users it named."""
    if kind in (Holds.NAME, Holds.WORD):
        with suppress(UnicodeDecodeError):
            text = data.decode()
            return (traces.in_name(text) if kind is Holds.NAME else traces.in_word(text)).encode()
    return traces.in_bytes(data)


def columns_that_keep(path: Path, traces: Traces) -> list[str]:
    """Columns of a SQLite file that have a word of the product by which one of the users is called; sorted."""
    found = set()
    with suppress(sqlite3.DatabaseError), reading_sqlite(path) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, *_ in db.execute(f'PRAGMA table_info("{table}")').fetchall():
                values = db.execute(f'SELECT DISTINCT CAST("{column}" AS BLOB) FROM "{table}"')
                if any(value is not None and traces.keeps(value) for (value,) in values):
                    found.add(f"{table}.{column}")
    return sorted(found)


def _numbered(text: str | bytes, number: int) -> str | bytes:
    """A name with a number behind it, from the second one on; what is no name stays as it is."""
    if number == 1 or isinstance(text, bytes) or (text[:1] in ("{", "[") and not text.startswith(ERASED)):
        return text
    return f"{text} {number}"


def _recount(db: sqlite3.Connection, tables: set[str]) -> None:
    """A version of an audience has as many users as it lists."""
    if {"versions", "members"} <= tables:
        mine = "FROM members WHERE members.audience = versions.audience AND members.version = versions.version"
        db.execute(
            f"UPDATE versions SET users = (SELECT COUNT(*) {mine}), "
            f"holdout = (SELECT COALESCE(SUM(held_out), 0) {mine})"
        )


def _name_anew(db: sqlite3.Connection, tables: set[str]) -> None:
    """An audience is shown by the name that it is found by."""
    if "audiences" in tables:
        rows = db.execute("SELECT id, name, folded FROM audiences").fetchall()
        changed = [(folded, audience) for audience, name, folded in rows if name.casefold() != folded]
        db.executemany("UPDATE audiences SET name = ? WHERE id = ?", changed)


def _still_there(path: Path, traces: Traces) -> bool:
    """Whether bytes of the users are left in the file or its log, as a run that was killed leaves them."""
    return any(each.is_file() and traces.mentioned(each.read_bytes()) for each in (path, *_logs(path)))


def _logs(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm"))


def erase_from_index(workspace: Workspace, settings: Settings, users: Collection[str]) -> int:
    """Erase users from the index; how many records that were.

    Raises:
        WorkspaceError: another process owns the folder, or the server does not answer; run it again.
    """
    if not settings.chroma_url and not (workspace.chroma / "chroma.sqlite3").is_file():
        return 0
    if settings.chroma_url:
        with VectorStore(workspace, settings.chroma_url) as store:
            return store.delete_users(sorted(users))
    before = contents_apart(workspace)
    after = [each.without(users) for each in before]
    found = sum(len(one.ids) - len(other.ids) for one, other in zip(before, after, strict=True))
    if found:
        with atomic_folder(workspace.chroma) as part:
            rewrite_apart(workspace, part, after)
    return found

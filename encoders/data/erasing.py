"""Users who asked to be forgotten: keyed hashes of them, and tables without them."""

import hmac
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from encoders.checksums import clear_checksums, has_checksums, write_checksums
from encoders.data.contacts import KINDS, WITHHELD, ContactFormat
from encoders.data.events import DatasetCard
from encoders.data.folders import About, Tables, version_of_tables
from encoders.data.versions import COUNTS, damaged_data
from encoders.errors import DataError, WorkspaceError
from encoders.records import Record
from encoders.workspace import Workspace, atomic_file, plain_faults

MASK = "mask"
"""The kind of contact that a mask is: nobody is reached by it, but files that are brought may name somebody so."""


class _Listed(Record):
    users: frozenset[str] = frozenset()
    contacts: frozenset[str] = frozenset()
    digest: str = ""


class Forgotten:
    """The list of one workspace, as it was when this was made."""

    def __init__(self, workspace: Workspace) -> None:
        """Read the list; where there is none, nobody is on it.

        Raises:
            WorkspaceError: it is damaged or gone, or the key is not its own, so nobody can say who may be reached.
        """
        self._path, self._workspace = _path(workspace), workspace
        try:
            self._listed = _Listed.model_validate_json(self._path.read_text("utf-8"))
        except FileNotFoundError as error:
            if any(workspace.receipts.glob("*.json")):
                raise self._refused("is gone") from error
            self._listed, self._key = _Listed(), b""
            return
        except (OSError, ValidationError, UnicodeDecodeError) as error:
            raise self._refused(f"cannot be read ({type(error).__name__})") from error
        listed, self._key = self._listed, workspace.mask_key()
        if not hmac.compare_digest(listed.digest, _digest(self._key, listed.users, listed.contacts)):
            raise self._refused("is damaged, or mask.key is not the key that it was made with")

    def _refused(self, reason: str) -> WorkspaceError:
        return WorkspaceError(
            f"{self._path} {reason}; put a backup of it and of mask.key in their places: without them, people who were "
            "erased could be reached again."
        )

    def __bool__(self) -> bool:
        """Whether there is anybody on it."""
        return bool(self._listed.users)

    @property
    def digest(self) -> str:
        """Stands for who is on it; empty where there is none."""
        return self._listed.digest

    def has_user(self, user: str) -> bool:
        """Whether a user was erased."""
        return bool(self) and _keyed(self._key, "user", user) in self._listed.users

    def has_contact(self, kind: str, same: str) -> bool:
        """Whether a contact, in the form that all its spellings share, was that of somebody erased."""
        return bool(self._listed.contacts) and _keyed(self._key, kind, same) in self._listed.contacts

    def hashes(self, users: Iterable[str]) -> dict[str, str]:
        """The keyed hash, as it is on the list, of each of some users who was erased."""
        keyed = {user: _keyed(self._key, "user", user) for user in users} if self else {}
        return {user: known for user, known in keyed.items() if known in self._listed.users}

    def among(self, users: Iterable[str]) -> set[str]:
        """Those of some users who were erased."""
        return {user for user in users if self.has_user(user)} if self else set()


def forget(workspace: Workspace, users: Iterable[str], contacts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Put users, and their contacts as (kind, shared form), on the list for good; whoever is on it stays once.

    Returns:
        The keyed hash of each of the users.

    Raises:
        WorkspaceError: the list cannot be read or written.
    """
    before, key = Forgotten(workspace)._listed, workspace.mask_key()
    hashes = {user: _keyed(key, "user", user) for user in users}
    listed: dict[str, list[str] | str] = {
        "users": (everyone := sorted(before.users | set(hashes.values()))),
        "contacts": (theirs := sorted(before.contacts | {_keyed(key, kind, same) for kind, same in contacts})),
        "digest": _digest(key, everyone, theirs),
    }
    with atomic_file(_path(workspace)) as part:
        part.write_text(json.dumps(listed, indent=1) + "\n", "utf-8")
    return hashes


def changed_at(workspace: Workspace) -> int:
    """When the list was written last, in nanoseconds; 0 where there is none."""
    try:
        return _path(workspace).stat().st_mtime_ns
    except OSError:
        return 0


def _path(workspace: Workspace) -> Path:
    return workspace.path / "forgotten.json"


def _digest(key: bytes, users: Iterable[str], contacts: Iterable[str]) -> str:
    """What tells this list, under this key, from any other."""
    return _keyed(key, "list", json.dumps([sorted(users), sorted(contacts)]))


def _keyed(key: bytes, kind: str, value: str) -> str:
    """A hash that differs from the mask of the same user."""
    return hmac.digest(key, f"forgotten {kind}: {value}".encode(), "sha256").hex()


REASON = "forgotten"
_USER = "user_id"


def without_forgotten(tables: Tables, about: About, forgotten: Forgotten | None) -> tuple[Tables, About]:
    """The tables without users who were erased, and the counts of what that left out."""
    if not forgotten:
        return tables, about
    frames = [tables.events, tables.users, *([] if tables.contacts is None else [tables.contacts])]
    ids = pl.concat([frame.select(pl.col(_USER).cast(pl.String)) for frame in frames]).unique()
    gone = sorted(forgotten.among(ids.collect(engine="streaming")[_USER].drop_nulls()))
    if not gone:
        return tables, about
    left_out = tables.events.filter(pl.col(_USER).is_in(gone)).group_by("source").len().sort("source").collect()
    counts = {f"{source}: {REASON}": rows for source, rows in left_out.iter_rows()}
    counts["users: " + REASON] = int(tables.users.filter(pl.col(_USER).is_in(gone)).select(pl.len()).collect().item())
    counts = {reason: rows + about.rejected.get(reason, 0) for reason, rows in counts.items() if rows}
    rest = replace(
        tables,
        events=_without(tables.events, gone),
        users=_without(tables.users, gone),
        contacts=None if tables.contacts is None else _without(tables.contacts, gone),
        side_tables={name: _without(table, gone) for name, table in tables.side_tables.items()},
    )
    return rest, replace(about, rejected=dict(sorted({**about.rejected, **counts}.items())))


def without_contacts_of(barred: pl.DataFrame, contacts: pl.DataFrame, form: ContactFormat) -> pl.DataFrame:
    """Contacts without those that are also contacts of somebody who must not be reached, however they are written.

    Args:
        barred: contact columns of people who must not be reached.
        contacts: user_id and contact columns.
        form: how both are written.

    Returns:
        The same columns, and ``WITHHELD`` where something was taken away.
    """
    taken = []
    for kind in KINDS:
        if kind not in contacts.columns or not barred.height:
            continue
        rough = _rough(kind)
        near = contacts.join(barred.select(rough.alias("rough")).unique(), left_on=rough, right_on="rough", how="semi")
        never = {form.same(kind, each) for each in barred[kind].drop_nulls()} if near.height else set()
        hit = [each for each in near[kind].drop_nulls().unique() if form.same(kind, each) in never - {None}]
        if hit:
            theirs = pl.col(kind).is_in(hit)
            mark = pl.when(theirs).then(pl.lit(kind)).alias(f"{WITHHELD} {kind}")
            contacts = contacts.with_columns(pl.when(~theirs).then(pl.col(kind)).alias(kind), mark)
            taken.append(f"{WITHHELD} {kind}")
    if not taken:
        return contacts
    kinds = pl.concat_str(*taken, separator=" ", ignore_nulls=True)
    return contacts.with_columns(pl.when(kinds != "").then(kinds).alias(WITHHELD)).drop(taken)


def prepared_folders(data: Path) -> Iterator[Path]:
    """Every prepared data folder at or below ``data``, whatever its version."""
    for card in sorted(data.resolve().rglob("dataset.json")):
        yield card.parent


def erase_from_folder(folder: Path, users: Collection[str]) -> int:
    """Write a prepared folder anew without some users; how many rows that left out, 0 where nothing was written.

    Each table is replaced as a whole. The checksums are cleared first and written last, so that a run that is killed
    leaves a folder that can be read, and the next one goes on.

    Raises:
        DataError: a table cannot be read, or is not what was written.
        WorkspaceError: the disk is full or may not be written; what is not written yet is as it was.
    """
    gone = sorted(users)
    if damaged := damaged_data(folder):  # new checksums must not vouch for it
        raise DataError(f"{folder / damaged[0]} is damaged: it is not what was written; run 'audience prepare' again.")
    try:
        tables = [path for path in sorted(folder.glob("*.parquet")) if _USER in pl.read_parquet_schema(path)]
        mine = pl.col(_USER).cast(pl.String).is_in(gone)
        rows = {path.name: int(pl.scan_parquet(path).filter(mine).select(pl.len()).collect().item()) for path in tables}
        shutil.rmtree(folder / COUNTS, ignore_errors=True)
        if not any(rows.values()) and has_checksums(folder):
            return 0
        with plain_faults(folder):
            clear_checksums(folder)
        for path in (path for path in tables if rows[path.name]):
            with atomic_file(path) as part:
                pl.scan_parquet(path).filter(~mine.fill_null(False)).sink_parquet(part)
        _rewrite_version(folder)
        write_checksums(folder)
        shutil.rmtree(folder / COUNTS, ignore_errors=True)  # what was being counted when this began
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DataError(f"{folder} cannot be read ({type(error).__name__}); prepare the data again.") from error
    return sum(rows.values())


def _rewrite_version(folder: Path) -> None:
    """Give the folder the version of what it holds; its card stays the same file, which whoever reads it has locked."""
    path = folder / "dataset.json"
    before = path.read_text("utf-8")
    old = DatasetCard.model_validate_json(before).version
    made = before.replace(f'"{old}"', f'"{version_of_tables(folder)}"').encode()
    with plain_faults(path), path.open("r+b", buffering=0) as file:
        file.write(made)  # as long as before, in one call
        file.truncate()
        os.fsync(file.fileno())


def _without(table: pl.LazyFrame, users: Collection[str]) -> pl.LazyFrame:
    if _USER not in table.collect_schema():
        return table
    return table.filter(~pl.col(_USER).cast(pl.String).is_in(users).fill_null(False))


def _rough(kind: str) -> pl.Expr:
    """What equal contacts surely share; spelling all of them out takes a minute for a million of phone numbers."""
    written = pl.col(kind).str.strip_chars().str.to_lowercase()
    if kind == "email":
        return written.str.replace("googlemail", "gmail").str.replace_all(r"\+[^@]*|[.\s]", "")
    return written.str.replace(r"\.0$", "").str.replace_all(r"[^0-9a-f]", "").str.tail(6)

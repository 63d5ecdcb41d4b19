"""Erasing users from files, and leaving them out of files that would bring them back."""

import csv
import json
import os
import re
import tomllib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import polars as pl
from safetensors import SafetensorError

from encoders.checksums import is_sealed, seal, unseal
from encoders.data.contacts import KINDS, ContactFormat
from encoders.data.erasing import MASK, Forgotten, prepared_folders
from encoders.data.events import Dataset
from encoders.errors import AudienceError
from encoders.tensors import load_tensors, save_tensors
from encoders.workspace import Workspace, atomic_file, plain_faults
from tools.audiences.population import masks_of
from tools.erasure.columns import read_columns
from tools.erasure.databases import erase_from_database
from tools.erasure.traces import Traces, traces_of
from tools.storage.sqlite import DATABASE

# --- Erasing users from TOML that people or the program wrote, such as the glossary: it can be read
#     afterwards as before ---
#
# A table that names one of them goes as a whole, like the row of a table, and so does a value outside of tables; texts
# with signs in place of names would collide with one another, or be no TOML any more.


def without_named_tables(text: str, traces: Traces) -> tuple[int, str]:
    """The text of a TOML file without what names the users, and how many tables, values and remarks that were.

    Raises:
        ValueError: it is no TOML.
    """
    tomllib.loads(text)
    kept: list[str] = []
    taken = 0
    for is_table, statements in _tables(text):
        last = max((number for number, each in enumerate(statements) if _says(each)), default=-1)
        if is_table and any(_named(each, traces) for each in statements[: last + 1]):
            taken, statements = taken + 1, statements[last + 1 :]  # what follows belongs to the next table
        left = [each for each in statements if not _named(each, traces)]
        taken += len(statements) - len(left)
        kept += left
    return taken, "".join(kept)


def _tables(text: str) -> list[tuple[bool, list[str]]]:
    """The statements of each table, what stands before the first one at the beginning."""
    tables: list[tuple[bool, list[str]]] = [(False, [])]
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a list or text over several lines
        if statement.lstrip().startswith("["):
            tables.append((True, []))
        tables[-1][1].append(statement)
        statement = ""
    return tables


def _says(statement: str) -> bool:
    """Whether a statement is more than a remark or an empty line."""
    return bool(statement.strip()) and not statement.lstrip().startswith("#")


def _named(statement: str, traces: Traces) -> bool:
    said = _KEY.sub("", statement)
    return traces.in_text(said) != said


_KEY = re.compile(r"^\s*(?:\[+[\w. -]*\]+|[\w.-]+\s*=)", re.MULTILINE)
"""What the program calls a value or a table, outside of quotes; it names nobody."""


# --- Erasing users from files, and leaving them out of files that would bring them back -----------


_LINES = (".csv", ".tsv", ".txt")
_SEPARATORS = ",;\t|"
_TENSORS = ".safetensors"
_SQLITE, _PARQUET = b"SQLite format 3\x00", b"PAR1"


def erase_from_file(path: Path, traces: Traces, made_again: bool = False, ending: str = "", of_use: bool = True) -> int:
    """Erase users from one file; how many rows or values that were.

    Args:
        path: any file of the workspace.
        traces: how the users are recognised.
        made_again: it is a copy, or is computed anew where it is missing, so it is deleted whole.
        ending: of a file that is under another name for now.
        of_use: where it is a damaged database that may name them, overwrite what surely does; otherwise delete it.

    Raises:
        WorkspaceError: it may not be written; it is as it was.
    """
    if path.suffix == DATABASE and not made_again:  # it may be open, and is then not to be opened as a plain file
        return erase_from_database(path, traces, of_use)
    with path.open("rb") as file:
        magic = file.read(16)
    if magic == _SQLITE and not made_again:
        return erase_from_database(path, traces, of_use)
    if path.suffix == _TENSORS and not made_again and (cleaned := _from_tensors(path, traces)) is not None:
        return cleaned
    if magic[:4] == _PARQUET:
        found, table = _from_parquet(path, traces)
        if found and not made_again:
            with _replacing(path) as part:
                table.write_parquet(part)
    else:
        data = _as_utf8(path.read_bytes())
        found, left = (0, data) if not traces.mentioned(data) else _from_bytes(ending or path.suffix, data, traces)
        if found and not made_again:
            with _replacing(path) as part:
                part.write_bytes(left)
    if found and made_again:
        path.unlink()
    return found


def _from_tensors(path: Path, traces: Traces) -> int | None:
    """How many texts beside tensors named the users, and are written anew without them; None for a damaged file."""
    if not traces.mentioned(path.read_bytes()):
        return 0
    try:
        tensors, texts = load_tensors(path)
    except (OSError, SafetensorError):
        return None
    cleaned = {name: traces.in_file(text.encode()).decode() for name, text in texts.items()}
    if cleaned != texts:
        with _replacing(path) as part:
            save_tensors(tensors, part, **cleaned)
    return sum(cleaned[name] != text for name, text in texts.items())


def rename_tuned(path: Path, traces: Traces) -> int:
    """Take users out of the name of a tuned demand; where another has the name that is left, this one goes.

    Raises:
        WorkspaceError: it may not be renamed.
    """
    name = traces.in_name(path.stem)
    if name == path.stem:
        return 0
    with plain_faults(path):
        target = path.with_name(f"{name}{path.suffix}")
        if target.exists():
            path.unlink()
        else:
            path.rename(target)
    return 1


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Write a file anew under the date it has: what is kept for some days is kept no longer."""
    before, sealed = path.stat(), is_sealed(path)
    if sealed:
        unseal(path)
    with atomic_file(path) as part:
        yield part
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if sealed:
        seal(path)


def _as_utf8(data: bytes) -> bytes:
    """Text in UTF-16 as UTF-8, and all else as it is."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        with suppress(UnicodeDecodeError):
            return data.decode("utf-16").encode()
    return data


def _from_bytes(ending: str, data: bytes, traces: Traces) -> tuple[int, bytes]:
    rows = 0
    ending = ending.lower()
    if ending in (*_LINES, ".jsonl", ".ndjson"):
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        by_lines = _without_rows if ending in _LINES else _without_objects
        rows, left = by_lines(text, traces)
        data = left.encode() if rows else data
        if traces.own:
            cleaned = _without_words(left, traces, ending in _LINES)
            return rows + (cleaned != left), cleaned.encode() if cleaned != left else data
    if ending == ".toml":
        with suppress(ValueError):  # what is no TOML is a text like any other
            rows, left = without_named_tables(data.decode("utf-8-sig"), traces)
            return rows, left.encode() if rows else data
    if ending in _LINES and (cells := _cells_of_table(left)) is not None:
        cleaned = traces.in_text(left, lists=False)
        for cell in cells:
            cleaned = cleaned.replace(cell, traces.in_text(cell))
        return rows + (cleaned != left), cleaned.encode() if cleaned != left else data
    redacted = traces.in_file(data)
    return rows + (redacted != data), redacted


def _cells_of_table(text: str) -> set[str] | None:
    """The cells that may be lists, where lines are rows below the names of columns; None for any other text.

    In a row, what stands between commas is no list of users.
    """
    lines = text.splitlines(keepends=True)
    try:
        rows = list(csv.reader(lines, delimiter=max(_SEPARATORS, key=lines[0].count))) if lines else []
    except csv.Error:
        return None
    names = rows[0] if rows else []
    is_named = len(names) > 1 < len(rows) and not any(name.strip().isdecimal() for name in names)
    if not is_named or any(len(row) != len(names) for row in rows):
        return None
    return {cell for row in rows for cell in row if any(sign in cell for sign in ",;\n")}


def _without_words(text: str, traces: Traces, is_table: bool) -> str:
    """A table or JSON lines without the users it named, where one of them is called by a word of the product.

    In a line of several columns, and in a first line, which may be the names of columns, such a word stays.
    """
    lines = text.splitlines(keepends=True)
    if not is_table:
        return "".join(_without_word(line, traces) for line in lines)
    if lines and any(sign in lines[0] for sign in _SEPARATORS):
        return str(traces.in_word(text))
    return "".join(traces.in_word(line) if not number else traces.in_text(line) for number, line in enumerate(lines))


def _without_word(line: str, traces: Traces) -> str:
    said = line.rstrip("\r\n")
    return traces.in_file(said.encode()).decode() + line[len(said) :]


def _without_rows(text: str, traces: Traces) -> tuple[int, str]:
    """A table of separated values without the rows of the users; a row may span lines."""
    lines = text.splitlines(keepends=True)
    head = lines[0] if lines else ""
    separator = max(_SEPARATORS, key=head.count)
    columns: list[str] = []
    kept, taken, start = [], 0, 0
    reader = csv.reader(lines, delimiter=separator)
    try:
        for row in reader:
            if start == 0:
                columns = read_columns(row, traces.units)
            names = columns if len(columns) == len(row) else [""] * len(row)
            if start == 0:  # the names of columns, or a user where there are none
                names = ["" if traces.is_own(cell) else name for cell, name in zip(row, names, strict=True)]
            alone = len(row) == 1 and not (start == 0 and traces.is_own(row[0]))
            hit = any(traces.is_user(cell, name, alone) for cell, name in zip(row, names, strict=True))
            kept += [] if hit else lines[start : reader.line_num]
            taken, start = taken + hit, reader.line_num
    except csv.Error:
        return 0, text
    return taken, "".join(kept)


def _without_objects(text: str, traces: Traces) -> tuple[int, str]:
    """JSON lines without those about the users."""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if not _is_about(line, traces)]
    return len(lines) - len(kept), "".join(kept)


def _is_about(line: str, traces: Traces) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    fields = row if isinstance(row, dict) else {"user_id": row}
    cells = zip(read_columns([str(name) for name in fields], traces.units), fields.values(), strict=True)
    return any(traces.is_user(str(cell), name) for name, cell in cells if isinstance(cell, str | int | float))


def _from_parquet(path: Path, traces: Traces) -> tuple[int, pl.DataFrame]:
    """How many rows and values name the users, and the table without them."""
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        return _unreadable(path)
    hit: pl.Series = pl.Series("hit", [False] * table.height, pl.Boolean)
    called = read_columns(table.columns, traces.units)
    for (name, kind), read_as in zip(table.schema.items(), called, strict=True):
        if kind == pl.String or kind.is_integer():
            named = [
                each
                for each in table[name].unique().drop_nulls()
                if traces.is_user(str(each), read_as, len(table.columns) == 1)
            ]
            hit |= table[name].is_in(named).fill_null(False)
    left = table.filter(~hit)
    redacted = 0
    for name, kind in left.schema.items():
        if kind in (pl.String, pl.List(pl.String)):
            column = left[name].to_list()
            cleaned = [traces.in_value(each, name) for each in column]
            if cleaned != column:
                redacted += sum(a != b for a, b in zip(column, cleaned, strict=True))
                left = left.with_columns(pl.Series(name, cleaned, kind))
    return int(hit.sum()) + redacted, left


def _unreadable(path: Path) -> tuple[int, pl.DataFrame]:
    """A damaged table may name anybody, and nobody can use it."""
    path.unlink()
    return 0, pl.DataFrame()


_BETWEEN = re.compile(r'[,;\t|\r\n"{}\[\]]+')
_WITHIN = re.compile(r":\s*")
"""What a value of JSON stands behind, and an id may have in it."""


def without_erased_users(workspace: Workspace, path: Path, ending: str) -> int:
    """Take the rows of erased users out of a file that somebody brings; how many rows and values that were.

    Args:
        workspace: whose list of erased users counts.
        path: a table or text, which is written anew where it names one of them.
        ending: what kind of file it is.

    Raises:
        WorkspaceError: nobody can say who was erased, or the file cannot be written.
    """
    forgotten = Forgotten(workspace)
    if not forgotten:
        return 0
    form = _format(workspace)
    users: set[str] = set()
    masks: set[str] = set()
    contacts: dict[str, set[tuple[str, str]]] = {kind: set() for kind in KINDS}
    for cell in _cells(path):
        masks |= {each for each in cell.split()[-1:] if forgotten.has_contact(MASK, each.upper())}
        users |= forgotten.among({cell, cell.removeprefix("'"), cell.removesuffix(".0")})
        for kind in KINDS:
            same = form.same(kind, cell) if _may_be(kind, cell) else None
            if same and forgotten.has_contact(kind, same):
                contacts[kind].add((same, cell))
    if not users and not masks and not any(contacts.values()):
        return 0
    key = workspace.mask_key()
    masks |= {mask for user in users for mask in masks_of(key, user)}
    is_other = ids_of_others(workspace, users)
    return erase_from_file(path, traces_of(users, contacts, form, masks, (), is_other), ending=ending)


def ids_of_others(workspace: Workspace, users: Collection[str]) -> Callable[[str], bool]:
    """Says whether a word is the id of somebody else in any prepared data; the ids are read where that is asked."""

    @cache
    def known() -> frozenset[str]:
        found: set[str] = set()
        for folder in prepared_folders(workspace.path / "data"):
            found |= Dataset(folder).user_ids()
        return frozenset(found - set(users))

    return lambda word: word in known()


def _format(workspace: Workspace) -> ContactFormat:
    try:
        card = Dataset.current(workspace).card
    except AudienceError:
        return ContactFormat()
    return ContactFormat(card.phone_country, frozenset(card.hashed_contacts))


def _cells(path: Path) -> Iterator[str]:
    """Every value of a file, some of them in more than one way."""
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    if is_parquet:
        table = pl.scan_parquet(path)
        for name, kind in table.collect_schema().items():
            if kind == pl.String or kind.is_integer():
                values = table.select(pl.col(name).cast(pl.String).unique()).collect(engine="streaming")[name]
                yield from (value.strip() for value in values.drop_nulls())
        return
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            for cell in _BETWEEN.split(line):
                yield cell.strip()
                yield from (part.strip() for part in _WITHIN.split(cell)[1:])


def _may_be(kind: str, cell: str) -> bool:
    """Whether a value is worth reading as a contact."""
    return "@" in cell if kind == "email" else sum(map(str.isdigit, cell)) > 5

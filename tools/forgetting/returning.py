"""Files that bring back users who were erased: their rows are left out before anything of the file is kept.

Nobody knows any more who was erased, so every value of the file is looked up in the list of keyed hashes.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from encoders.contacts import KINDS, ContactFormat
from encoders.errors import AudienceError
from encoders.forgotten import MASK, Forgotten
from encoders.history.events import Dataset
from encoders.workspace import Workspace
from tools.forgetting.files import erase_from_file
from tools.forgetting.traces import traces_of
from tools.people import masks_of

_BETWEEN = re.compile(r'[,;\t|\r\n"{}\[\]]+')
_WITHIN = re.compile(r":\s*")
"""What a value of JSON stands behind, and an id may have in it."""


def leave_out_erased(workspace: Workspace, path: Path, ending: str) -> int:
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
    return erase_from_file(path, traces_of(users, contacts, form, masks, ()), ending=ending)


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

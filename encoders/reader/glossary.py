"""Writes the glossary of a company: one entry added, changed or removed, with everything else in the file as it was.

The whole file is checked as it would be before it is written, so that a mistake never gets into it; it takes the place
of the one before at once, and one process at a time changes it.
"""

from collections.abc import Callable

import tomlkit
from tomlkit.items import AoT, Table

from encoders.errors import NotThereError, RequestError
from encoders.reader.knowledge import GLOSSARY, Entry, entries_in, read_glossary
from encoders.text.words import stemmed
from encoders.workspace import Workspace, atomic_file

_PATIENCE = 5.0
"""Seconds to wait for another process that writes the glossary."""
_OPTIONAL = {"kind": "own", "when": None}
"""Keys that are not written where they say nothing."""


def put_entry(workspace: Workspace, entry: Entry, before: Entry | None = None) -> None:
    """Write an entry into the glossary.

    Args:
        workspace: whose glossary.
        entry: as it shall be.
        before: the entry whose place it takes, as the writer saw it; None: a new one.

    Raises:
        RequestError: there is one of that name already, a phrase says nothing or is said by another, or the entry was
            changed or removed meanwhile.
        DataError: the glossary has mistakes already; the text has one line for each.
        WorkspaceError: it cannot be written; all is as it was.
    """

    def change(entries: AoT, there: tuple[Entry, ...]) -> None:
        others = [each for each in there if before is None or each.name != before.name]
        check_entry(entry, others)
        if before is None:
            entries.append(_filled(tomlkit.table(), entry))
        else:
            _filled(_table(entries, there, before), entry)

    _rewrite(workspace, change)


def remove_entry(workspace: Workspace, before: Entry) -> None:
    """Take an entry, as the writer saw it, out of the glossary; raises like ``put_entry``."""

    def change(entries: AoT, there: tuple[Entry, ...]) -> None:
        _table(entries, there, before)
        del entries[there.index(before)]

    _rewrite(workspace, change)


def check_entry(entry: Entry, others: list[Entry]) -> None:
    """See that an entry can stand beside the others of a glossary.

    Raises:
        RequestError: it cannot; the text says what to change.
    """
    if entry.name.casefold() in {each.name.casefold() for each in others}:
        raise RequestError(f"There is an entry '{entry.name}' already; change that one, or take another name.")
    said = {stemmed(text): each.name for each in others for text in each.says}
    for text in entry.says:
        words = stemmed(text)
        if not words:
            raise RequestError(f"'{text}' has no word that could be recognised; write how your people say it.")
        if words in said:
            raise RequestError(f"'{text}' is said of '{said[words]}' already; a phrase can stand for one entry only.")


def _rewrite(workspace: Workspace, change: Callable[[AoT, tuple[Entry, ...]], None]) -> None:
    path = workspace.path / GLOSSARY
    with workspace.lock("glossary", patience=_PATIENCE):
        there = read_glossary(workspace.path)
        document = tomlkit.parse(path.read_text("utf-8")) if path.is_file() else tomlkit.document()
        entries = document.get("entry")
        if not isinstance(entries, AoT):  # none, or written as one list
            entries = tomlkit.aot()
            for each in there:
                entries.append(_filled(tomlkit.table(), each))
            document["entry"] = entries
        change(entries, there)
        if not len(entries):
            document.remove("entry")
        text = tomlkit.dumps(document)
        entries_in(text, str(path))
        with atomic_file(path) as part:
            part.write_text(text, "utf-8")


def _table(entries: AoT, there: tuple[Entry, ...], before: Entry) -> Table:
    """The table of an entry, where it still is what the writer saw."""
    if before in there:
        return entries[there.index(before)]
    if before.name in {each.name for each in there}:
        raise RequestError(f"'{before.name}' was changed by somebody else meanwhile; look at it again, then change it.")
    raise NotThereError(f"There is no entry '{before.name}' in your glossary any more.")


def _filled(table: Table, entry: Entry) -> Table:
    """The table with what the entry says; keys that it does not have are left out."""
    for key, value in entry.model_dump(mode="json").items():
        if key in _OPTIONAL and value == _OPTIONAL[key]:
            table.pop(key, None)
        elif table.get(key) != value:
            table[key] = value
    return table

"""Entries of plain knowledge, and the checked table that grounds them in a data set."""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from encoders.errors import DataError
from encoders.reader.targets import Targets
from encoders.text.encoders import JoinedEncoders, Matrix, TextEncoder
from encoders.text.words import stemmed
from encoders.workspace import atomic_file

GLOSSARY = "glossary.toml"
"""A company's own entries, in its workspace."""

_LONGEST = 120
_TASTES = ("fandom", "taste")
"""Kinds of entries that a name stands for whether its fans are spoken of or not."""
_Text = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class Entry(BaseModel):
    """One thing people speak of, and what it stands for."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    name: _Text
    kind: _Text = "own"
    says: tuple[_Text, ...] = Field(min_length=1, max_length=40)
    things: tuple[_Text, ...] = Field(min_length=1, max_length=40)
    when: str | None = None


@lru_cache
def trades() -> dict[str, tuple[Entry, ...]]:
    """Our own entries by trade ("shop", "film")."""
    folder = files("prompts").joinpath("knowledge")
    return {
        trade.name: tuple(
            entry
            for file in sorted(trade.iterdir(), key=lambda each: each.name)
            if file.name.endswith(".toml")
            for entry in read_entries(file)
        )
        for trade in sorted(folder.iterdir(), key=lambda each: each.name)
        if trade.is_dir() and trade.name not in {"grounded", "__pycache__"}
    }


def read_glossary(workspace: Path) -> tuple[Entry, ...]:
    """The company's own entries; none where there is no file.

    Raises:
        DataError: the file cannot be read; the text has one line for every mistake.
    """
    path = workspace / GLOSSARY
    return read_entries(path) if path.is_file() else ()


def read_entries(file: Path | Traversable) -> tuple[Entry, ...]:
    """Read one file of entries.

    Raises:
        DataError: it cannot be read; the text has one line for every mistake.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    return entries_in(text, str(file))


def entries_in(text: str, file: str) -> tuple[Entry, ...]:
    """The entries of a text that stands in ``file``, or shall; raises like ``read_entries``."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    if set(found) - {"entry"} or not isinstance(found.get("entry", []), list):
        raise DataError(f"{file}: expected nothing but tables called [[entry]].")
    entries, mistakes = [], []
    for number, table in enumerate(found.get("entry", []), start=1):
        try:
            entries.append(Entry.model_validate(table))
        except ValidationError as error:
            mistakes += [_mistake(number, table, each) for each in error.errors()]
    mistakes += _twice(entries)
    if mistakes:
        raise DataError("\n".join(f"{file}: {mistake}" for mistake in mistakes))
    return tuple(entries)


def _mistake(number: int, table: Any, error: Any) -> str:
    name = table.get("name", number) if isinstance(table, dict) else number
    return f"entry '{name}': {'.'.join(map(str, error['loc'])) or 'the entry'}: {error['msg']}."


def _twice(entries: Sequence[Entry]) -> list[str]:
    names = [entry.name for entry in entries]
    return [f"entry '{name}': there are two of this name." for name in sorted({n for n in names if names.count(n) > 1})]


class Phrases:
    """Finds the entries whose phrases a text uses: the longest first, no word twice.

    A single word fires an entry only where it belongs to that entry alone: "dishes" or "wine" say too little.
    """

    def __init__(self, entries: Sequence[Entry], ordinary: Iterable[str] = (), own: Sequence[Entry] = ()) -> None:
        """Take ``entries``, the earlier before the later where both have a phrase.

        Args:
            entries: what may fire.
            ordinary: texts whose words alone fire nothing, such as chatter and the names of groups.
            own: those of the entries that a company wrote, which knows what its words mean: they fire in any case.
        """
        self.own = given = frozenset(entry.name for entry in own)
        common = {word for text in ordinary for word in stemmed(text)}
        uses: dict[str, set[str]] = {}
        for entry in entries:
            for text in (*entry.says, *entry.things):
                for word in stemmed(text):
                    uses.setdefault(word, set()).add(entry.name)
        self._entry: dict[tuple[str, ...], Entry] = {}
        for entry in entries:
            for text in entry.says:
                words = stemmed(text)
                alone = len(words) == 1 and entry.name not in given and (words[0] in common or len(uses[words[0]]) > 1)
                if words and not alone:
                    self._entry.setdefault(words, entry)
                name = words[:-1] if words[-1:] == ("fan",) and entry.kind in _TASTES else ()
                if len(name) > 1 or (name and uses[name[0]] == {entry.name} and name[0] not in common):
                    self._entry.setdefault(name, entry)  # "Hitchcock fans" are those of "a Hitchcock evening"
        self._longest = max(map(len, self._entry), default=0)

    def find(self, text: str) -> list[tuple[Entry, str]]:
        """The entries that ``text`` speaks of, each once with the words that say so."""
        words = stemmed(text)
        found: dict[str, tuple[int, Entry, str]] = {}
        taken: set[int] = set()
        for length in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                places = set(range(start, start + length))
                entry = self._entry.get(words[start : start + length])
                if entry is not None and not places & taken:
                    taken |= places
                    found.setdefault(entry.name, (start, entry, " ".join(words[start : start + length])))
        return [(entry, said) for _, entry, said in sorted(found.values(), key=lambda each: each[0])]


GROUNDED = "grounded.toml"

Table = Mapping[str, tuple[str, ...]]
"""Names of groups, or whole texts of items, by thing; none where the data has nothing of the kind."""

_NEAR = 0.6
"""A group or item is meant by another name from this cosine on, where all encoders find the same one."""
_MOST = 3


def checked_table(data_name: str) -> Table:
    """The table of a built-in data set; empty for others."""
    file = files("prompts").joinpath("knowledge", "grounded", f"{data_name}.toml")
    return read_table(file) if file.is_file() else {}


def read_table(file: Path | Traversable) -> dict[str, tuple[str, ...]]:
    """Read a table: TOML, a thing and a list of names on each line.

    Raises:
        DataError: it cannot be read.
    """
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    wrong = [thing for thing, names in found.items() if not isinstance(names, list)]
    if wrong:
        raise DataError(f"{file}: '{wrong[0]}' needs a list of groups in brackets, [] for none.")
    return {thing: tuple(map(str, names)) for thing, names in found.items()}


def write_table(path: Path, table: Table, remark: str) -> None:
    """Write a table, sorted by thing."""
    lines = [f"# {remark}", *(f"{json.dumps(thing)} = {json.dumps(list(table[thing]))}" for thing in sorted(table))]
    with atomic_file(path) as part:
        part.write_text("\n".join([*lines, ""]), "utf-8")


def ground_things(things: Sequence[str], targets: Targets, encoder: TextEncoder) -> dict[str, tuple[str, ...]]:
    """Find what things are in the data: by name where something is called so, else by both encoders."""
    found: dict[str, tuple[str, ...]] = {}
    unnamed = []
    for thing in things:
        numbers = _by_name(thing, targets)
        if numbers:
            found[thing] = tuple(targets.texts[number] for number in numbers)
        else:
            unnamed.append(thing)
    if unnamed:
        for thing, number in zip(unnamed, _by_vector(encoder.encode(unnamed), targets, encoder), strict=True):
            found[thing] = () if number is None else (targets.group_of[number],)
    return found


def _by_name(thing: str, targets: Targets) -> tuple[int, ...]:
    """The groups of this name, else the groups of the items of this name, else those of what ends like it."""
    words = stemmed(thing)
    numbers = targets.called.get(words, ())
    groups = tuple(number for number in numbers if number < targets.groups)
    if groups:
        return groups[:_MOST]
    if len(numbers) == 1:
        return numbers
    return targets.numbers(dict.fromkeys(targets.group_of[number] for number in numbers))[:_MOST]


def _by_vector(vectors: Matrix, targets: Targets, encoder: TextEncoder) -> list[int | None]:
    """For each of N vectors the target that every encoder finds nearest, as far as its group; None without one."""
    cosines = vectors @ targets.vectors.T
    parts = [(0, vectors.shape[1])]
    if isinstance(encoder, JoinedEncoders):
        ends = np.cumsum([each.encode([""]).shape[1] for each in encoder.encoders])
        parts = list(zip([0, *ends[:-1]], ends, strict=True))
    agreed = np.ones(len(vectors), bool)
    best = cosines.argmax(axis=1)
    group_of = np.array(targets.group_of)
    for start, end in parts:
        nearest = (vectors[:, start:end] @ targets.vectors[:, start:end].T).argmax(axis=1)
        agreed &= group_of[nearest] == group_of[best]
    sure = agreed & (cosines[np.arange(len(best)), best] >= _NEAR)
    return [int(number) if good else None for number, good in zip(best, sure, strict=True)]

"""What things stand for: entries of plain knowledge, in TOML files that anybody can read and extend.

    [[entry]]
    name = "Thanksgiving dinner"
    kind = "occasion"
    says = ["thanksgiving dinner", "turkey day"]        how people say it
    things = ["whole turkey", "stuffing mix"]           what they buy, watch or do then, the most telling first
    when = "fourth Thursday of November"                where it has a date

Ours lie in ``prompts/knowledge``, a folder for each trade. A company adds its own in ``glossary.toml`` of its workspace
("VIP lunch", brands, campaigns): there the things may be groups of its data, and a phrase that both know is its own.
"""

import tomllib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from encoders.errors import DataError
from encoders.language.naming import stemmed

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
        found = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
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

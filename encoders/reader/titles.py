"""Titles of single items, found by the words that people use of them: "godfather" is The Godfather and its sequels.

A title is said without its article, year and subtitle, and the name of a series for all of its parts. In a whole
request a title counts only where its words are no ordinary ones, and a single word only where it is written as a name
by itself: "Heat" may be the film, "heat" and "Heat Magazine" are not.
"""

import re
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import NamedTuple

from encoders.language.naming import stemmed

Words = tuple[str, ...]

_PART = re.compile(r"(?:,?\s+part)?\s*(?:\s(?:\d+(?:\s\d/\d)?|'\d\d|[ivx]+)|[\u00b2\u00b3])(?:-d)?$", re.IGNORECASE)
_JOINTS = frozenset({"and", "in", "meet", "of", "versus", "vs"})
"""What follows the name of a hero in the titles of a series: "Indiana Jones and the Last Crusade"."""
_NAME = re.compile(r"\b[A-Z][\w'-]*")
_LONGER = re.compile(r"\b(?!(?:The|An?)\s)[A-Z][\w'-]*\s$|\b(?:at|from|in|near|to)\s$")
"""Words before a name that make it part of a longer one, or a place."""
_GOES_ON = re.compile(r"\s(?:of\s|&\s|[A-Z])")
_BEGINS = re.compile(r"(?:^|[.!?:;\u2013-])\s*[\"'(]*$")


class Title(NamedTuple):
    """Items that go by one name."""

    name: str
    items: tuple[int, ...]


class Found(NamedTuple):
    """A title that a request names, and the words that say so."""

    title: Title
    said: str


class Titles:
    """Finds items by what people call them."""

    def __init__(self, names: Sequence[str], items: Sequence[int]) -> None:
        """Know ``items`` by their spoken ``names``, both in the same order."""
        self._names = list(zip(names, items, strict=True))

    @cached_property
    def called(self) -> dict[Words, Title]:
        """What goes by some words: an item, all of one name, a series."""
        alone: dict[Words, list[tuple[str, int]]] = {}
        series: dict[Words, list[tuple[str, int]]] = {}
        for name, item in self._names:
            alone.setdefault(stemmed(name), []).append((name, item))
            series.setdefault(stemmed(_PART.sub("", name)), []).append((_PART.sub("", name), item))
        found = {words: _title(named) for words, named in alone.items() if words}
        found |= {words: _title(named) for words, named in series.items() if words and len(named) > 1}
        heroes = {words: _title(named) for words, named in self._heroes(found).items() if len(named) > 1}
        return heroes | found

    def _heroes(self, found: Collection[Words]) -> dict[Words, list[tuple[str, int]]]:
        """The first two words of titles that go on with "and", "in", "of", and others that begin alike."""
        joined = {words[:2] for words in found if len(words) > 2 and words[2] in _JOINTS and not _JOINTS & {*words[:2]}}
        heroes: dict[Words, list[tuple[str, int]]] = {}
        for name, item in self._names:
            words = stemmed(name)
            if words[:2] in joined and words[:2] not in found:
                heroes.setdefault(words[:2], []).append((_beginning(name, 2), item))
        return heroes

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.called), default=0)

    def find(self, text: str, ordinary: Collection[str]) -> list[Found]:
        """The titles that ``text`` names, the longest first, no word twice; ``ordinary``: stems that name nothing."""
        words = stemmed(text)
        written = _written_as_names(text)
        found: list[Found] = []
        taken: set[int] = set()
        for length in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                said = words[start : start + length]
                if said not in self.called or taken & set(range(start, start + length)):
                    continue
                rare = [word for word in said if word not in ordinary and not word.isdigit()]
                if rare and (length > 1 or said[0] in written):
                    taken |= set(range(start, start + length))
                    found.append(Found(self.called[said], " ".join(said)))
        return found


def _title(named: Sequence[tuple[str, int]]) -> Title:
    return Title(min((name for name, _ in named), key=len), tuple(item for _, item in named))


def _beginning(name: str, length: int) -> str:
    """The shortest beginning of a name that has so many words without articles, as it is written."""
    written = name.split()
    cut = next(end for end in range(1, len(written) + 1) if len(stemmed(" ".join(written[:end]))) >= length)
    return re.sub(r"['\u2019]s$", "", " ".join(written[:cut]))


def _written_as_names(text: str) -> frozenset[str]:
    """Stems of the words that begin with a capital where no sentence begins, and are no part of a longer name."""
    return frozenset(
        word
        for match in _NAME.finditer(text)
        if not _BEGINS.search(text[: match.start()]) and not _LONGER.search(text[: match.start()])
        if not _GOES_ON.match(text[match.end() :])
        for word in stemmed(match[0])
    )

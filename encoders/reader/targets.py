"""What a request can mean in one data set: groups, and single items by their titles."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.model.match import ItemVocabulary
from encoders.text.words import parts_of, stemmed, stems

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


class FoundTitle(NamedTuple):
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

    def find(self, text: str, ordinary: Collection[str]) -> list[FoundTitle]:
        """The titles that ``text`` names, the longest first, no word twice; ``ordinary``: stems that name nothing."""
        words = stemmed(text)
        written = _written_as_names(text)
        found: list[FoundTitle] = []
        taken: set[int] = set()
        for length in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                said = words[start : start + length]
                if said not in self.called or taken & set(range(start, start + length)):
                    continue
                rare = [word for word in said if word not in ordinary and not word.isdigit()]
                if rare and (length > 1 or said[0] in written):
                    taken |= set(range(start, start + length))
                    found.append(FoundTitle(self.called[said], " ".join(said)))
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


Matrix = npt.NDArray[np.float32]

_DATED = re.compile(r".+?\((?:1[89]|20)\d\d\)")
_CUT = re.compile(r"\s*(?:\(|:\s)")
_ARTICLE = re.compile(r"^(.*), (The|A|An)$")


def spoken_name(text: str, group: str) -> str:
    """What people call an item: its text without the group's name in front, a year or a description behind."""
    own = text.removeprefix(f"{group}: ")
    return own if own != text else _CUT.split(text)[0] or text


def dated_name(text: str) -> str:
    """An item's name with the year that tells it from others of the name; empty where it has none."""
    dated = _DATED.match(text)
    return dated[0] if dated else ""


@dataclass(frozen=True)
class Targets:
    """T things a request can mean: first the groups, by name, then the items."""

    names: tuple[str, ...]
    """[T]: as a demand names them."""
    source: str
    groups: int
    """How many of them are groups."""
    vectors: Matrix
    """[T, D]: of the groups' names and the items' texts."""
    texts: tuple[str, ...]
    """[T]: the groups' names and the items' whole texts."""
    group_of: tuple[str, ...]
    """[T]: the group itself, or that of the item."""

    @classmethod
    def of(cls, vocabulary: ItemVocabulary) -> "Targets":
        """Everything of the main source."""
        source_groups = {vocabulary.groups[item]: int(vocabulary.group_of[item]) for item in _main(vocabulary)}
        groups = sorted(source_groups)
        items = [
            item for item in _main(vocabulary) if vocabulary.texts[item] not in source_groups
        ]  # an item without a group is one by itself
        return cls(
            names=(*groups, *(spoken_name(vocabulary.texts[i], vocabulary.groups[i]) for i in items)),
            source=vocabulary.sources[0],
            groups=len(groups),
            vectors=np.concatenate(
                [vocabulary.group_vectors[[source_groups[name] for name in groups]], vocabulary.text_vectors[items]]
            ),
            texts=(*groups, *(vocabulary.texts[item] for item in items)),
            group_of=(*groups, *(vocabulary.groups[item] for item in items)),
        )

    @cached_property
    def singles(self) -> bool:
        """Whether items are things by themselves, as films are, rather than sorts of their group, as shampoos are."""
        sorts = [
            bool(stems(name) & stems(group)) or text.startswith(f"{group}: ")
            for name, text, group in zip(
                self.names[self.groups :], self.texts[self.groups :], self.group_of[self.groups :], strict=True
            )
        ]
        return sum(sorts) * 2 < len(sorts)

    def __len__(self) -> int:
        """How many of them a request is read as, the first of all: sorts of a group are read as the group."""
        return len(self.names) if self.singles else self.groups

    @cached_property
    def place(self) -> dict[str, int]:
        """Number of a group by its name, and of an item by its whole text."""
        return {text: number for number, text in reversed(list(enumerate(self.texts)))}

    @cached_property
    def called(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        """The things that are called by some words, groups before items; the words without plural endings."""
        found: dict[tuple[str, ...], list[int]] = {}
        for number, name in enumerate(self.names):
            ways = [name, *parts_of(name)] if number < self.groups else [name]
            for words in {stemmed(way) for way in ways}:
                if words:
                    found.setdefault(words, []).append(number)
        return {words: tuple(numbers) for words, numbers in found.items()}

    @cached_property
    def titles(self) -> Titles:
        """The items by what people call them, where they are things by themselves."""
        items = range(self.groups, len(self))
        return Titles([self.names[number] for number in items], items)

    def numbers(self, names: Iterable[str]) -> tuple[int, ...]:
        """The numbers of groups, and of items by their whole texts; what the data has not is left out."""
        return tuple(self.place[name] for name in names if name in self.place)


def _main(vocabulary: ItemVocabulary) -> npt.NDArray[np.int64]:
    return np.flatnonzero(vocabulary.main_items)

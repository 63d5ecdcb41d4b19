"""What a request can mean in one data set: the groups of its main source, and single items of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from encoders.language.naming import parts_of, stemmed, stems
from encoders.model.match import Vocabulary
from encoders.reader.titles import Titles

Matrix = npt.NDArray[np.float32]

_CUT = re.compile(r"\s*(?:\(|:\s)")
_ARTICLE = re.compile(r"^(.*), (The|A|An)$")


def spoken_name(text: str, group: str) -> str:
    """What people call an item: its text without the group's name in front, a year or a description behind."""
    own = text.removeprefix(f"{group}: ")
    return own if own != text else _CUT.split(text)[0] or text


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
    def of(cls, vocabulary: Vocabulary) -> "Targets":
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


def _main(vocabulary: Vocabulary) -> npt.NDArray[np.int64]:
    return np.flatnonzero(vocabulary.main_items)

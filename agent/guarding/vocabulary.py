"""The words the guard knows when it repairs spelling: ordinary ones by frequency, and those that name a trait."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files

from agent.guarding.plain_text import unaccented

_ENDINGS = ("'s", "’s", "s", "es", "e", "n", "en", "er", "in", "innen", "a", "o", "as", "os", "ed", "ing", "ly")
_VOWELS = frozenset("aeiouäöüáéíóúàâèêëîïôœùûæ")
_SHORTEST = 5
"""Letters of the shortest word that is looked for by a spelling that is not its own."""

_SOUNDS = (
    ("tsch", "x"), ("sch", "x"), ("tion", "xn"), ("sion", "xn"), ("cion", "xn"), ("cial", "xl"), ("shun", "xn"),
    ("sh", "x"),
    ("ch", "x"), ("ph", "f"), ("gh", "g"), ("th", "t"), ("ck", "k"), ("qu", "k"), ("kw", "k"), ("q", "k"),
    ("ce", "se"), ("ci", "si"), ("cy", "si"), ("c", "k"), ("ge", "je"), ("gi", "ji"), ("z", "s"), ("ks", "x"),
    ("kx", "x"), ("wh", "w"), ("w", "v"), ("oo", "u"),
    ("ew", "u"), ("ou", "u"), ("ue", "u"), ("ee", "i"), ("ea", "i"), ("ie", "i"), ("ei", "i"),
    ("ai", "a"), ("ay", "a"), ("ey", "i"), ("y", "i"), ("oa", "o"), ("h", ""),
)  # fmt: skip


class Vocabulary:
    """Words in lower case without accents; ``cost`` is about minus the logarithm of how often one is met."""

    def __init__(self, ordinary: Sequence[str], telling: Iterable[str]) -> None:
        """Take ``ordinary`` words, the most frequent first, and the ``telling`` ones, which name a trait."""
        self._cost: dict[str, float] = {}
        for rank, word in enumerate(ordinary):
            self._cost.setdefault(unaccented(word), math.log(rank + 30))
        self.telling = frozenset(map(unaccented, telling))
        for word in self.telling:
            self._cost.setdefault(word, math.log(20_000))
        self._deletions: dict[str, list[str]] = defaultdict(list)
        self._skeletons: dict[str, list[str]] = defaultdict(list)
        self._sounds: dict[str, list[str]] = defaultdict(list)
        self._gaps: dict[tuple[int, str], list[str]] = defaultdict(list)
        frequent = [word for word, cost in self._cost.items() if cost < math.log(12_000)]
        for word in dict.fromkeys((*self.telling, *frequent)):
            self._enter(word)

    def _enter(self, word: str) -> None:
        self._gaps[len(word), word[0]].append(word)
        bare = skeleton(word)
        if len(bare) >= 2:
            self._skeletons[bare].append(word)
        if len(word) >= _SHORTEST:
            for place in range(len(word)):
                self._deletions[word[:place] + word[place + 1 :]].append(word)
            if word in self.telling:
                self._sounds[sound(word)].append(word)

    def knows(self, word: str) -> bool:
        """Whether it is a word, or one with a common ending."""
        word = unaccented(word)
        if word in self._cost or f"{word}s" in self._cost:
            return True
        stems = (word[: -len(ending)] for ending in _ENDINGS if word.endswith(ending))
        return any(len(stem) > 3 and (stem in self._cost or f"{stem}e" in self._cost) for stem in stems)

    def cost(self, word: str) -> float:
        """How rare a word is; infinite for none."""
        return self._cost.get(unaccented(word), math.inf)

    def best(self, found: Iterable[str]) -> str:
        """The word a reader takes it for: one that names a trait before an ordinary one, then the most frequent."""
        return min(found, key=lambda word: (word not in self.telling, self._cost[word], word), default="")

    def near(self, word: str, *, name: bool = False) -> str:
        """The word one letter more, less, other or swapped away; empty when there is none.

        A word that is misspelt begins as it should, and a ``name`` is never taken for an ordinary one.
        """
        if len(word) < _SHORTEST:
            return ""
        shorter = [word[:place] + word[place + 1 :] for place in range(len(word))]
        found = {each for each in shorter if each in self._cost and len(each) >= _SHORTEST}
        for each in (word, *shorter):
            found.update(one for one in self._deletions.get(each, ()) if _one_away(one, word))
        return self.best(one for one in found if one[0] == word[0] and (one in self.telling or not name))

    def without_vowels(self, word: str) -> str:
        """The word with these consonants, where only they were written."""
        if _VOWELS & set(word) or len(word) < 3:
            return ""
        return self.best(one for one in self._skeletons.get(word, ()) if one[0] == word[0])

    def sounding(self, word: str) -> str:
        """The word for a trait that sounds like this."""
        if len(word) < _SHORTEST:
            return ""
        return self.best(self._sounds.get(sound(word), ()))

    def fitting(self, word: str, gap: str) -> list[str]:
        """The words that fit where ``gap`` stands for one letter, or for none that can be read."""
        found = []
        for one in self._gaps.get((len(word), word[0]), ()):
            if all(wanted in (gap, letter) for wanted, letter in zip(word, one, strict=True)):
                found.append(one)
        return found


def skeleton(word: str) -> str:
    """The consonants of a word."""
    return "".join(letter for letter in word if letter not in _VOWELS)


def sound(word: str) -> str:
    """A word as it is heard, roughly, in the five languages."""
    for written, heard in _SOUNDS:
        word = word.replace(written, heard)
    return "".join(letter for place, letter in enumerate(word) if place == 0 or letter != word[place - 1]).rstrip("e")


def _one_away(one: str, other: str) -> bool:
    """Whether two words differ by one letter, or by two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    if len(one) == len(other):
        swapped = one[start : start + 2] == other[start : start + 2][::-1] and one[start + 2 :] == other[start + 2 :]
        return swapped or one[start + 1 :] == other[start + 1 :]
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return longer[start + 1 :] == shorter[start:]


@lru_cache
def vocabulary() -> Vocabulary:
    """The words that come with the program; made by ``python -m agent.evaluation.train_guard``."""
    folder = files("agent.guarding")
    ordinary, telling = (folder.joinpath(name).read_text("utf-8").split() for name in ("words.txt", "telling.txt"))
    return Vocabulary(ordinary, telling)

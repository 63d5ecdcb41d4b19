"""The word lists of ``prompts/guard_*.toml``, one file a language, as compiled patterns."""

import re
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from agent.guarding.plain_text import unaccented
from prompts.loader import table

MARK = "\u2022"
"""Stands for words of the lists when what is around them is looked at."""

HIDDEN = "_"
"""Stands for every letter of a phrase that may be asked for; a letter itself, so that its neighbours stay apart."""


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    terms: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()


class _Offers(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: tuple[str, ...]
    trait: tuple[str, ...]


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
    offers: _Offers
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

"""What the word lists find in a text."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from agent.guarding.language import HIDDEN, MARK, languages
from agent.guarding.plain_text import unaccented
from prompts.loader import table

_END = re.compile(r"[.!?;:\n。！？；]")


class Found(NamedTuple):
    """Words of a text that name a restricted attribute, or a home, job or credit."""

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

    def aimed(self) -> Found | None:
        """The first restricted attribute, in the order of ``guard.toml``, that the words aim at."""
        return self._first((key, [language.aimed[key] for language in languages()]) for key in _keys())

    def follows(self) -> Found | None:
        """The attribute that the whole text adds to a request for people."""
        found = ((key, [language.follow_ups.get(key) for language in languages()]) for key in _keys())
        for key, patterns in found:
            for pattern in patterns:
                if pattern and (match := pattern.fullmatch(self.read)):
                    return self._cut(key, match)
        return None

    def offer(self) -> str:
        """The home, job or credit the text speaks of; empty when it speaks of none."""
        found = self._first([("", [language.subject for language in languages()])])
        return found.words if found else ""

    def finds(self, name: str) -> bool:
        """Whether the pattern called ``name`` of any language is in the text."""
        return any(getattr(language, name).search(self.read) for language in languages())

    def _first(self, candidates: Iterable[tuple[str, list[re.Pattern[str]]]]) -> Found | None:
        for key, patterns in candidates:
            for pattern in patterns:
                if match := pattern.search(self.read):
                    return self._cut(key, match)
        return None

    def _cut(self, key: str, match: re.Match[str]) -> Found:
        start, end = match.span()
        rest = " ".join(f"{self.plain[:start]} {self.plain[end:]}".split())
        return Found(key, self.plain[start:end], rest, self._of_people(start, end))

    def _of_people(self, start: int, end: int) -> bool:
        before, words, after = self.read[:start], self.read[start:end], self.read[end:]
        marked = f"{_END.split(before)[-1]}{MARK}{_END.split(after)[0]}"
        return any(each.people.search(words) or each.described.search(marked) for each in languages())


def _keys() -> list[str]:
    return [category["key"] for category in table("guard")["categories"]]


@lru_cache(maxsize=4096)
def aimed_at(plain: str) -> Found | None:
    """What the lists find in ``plain``, remembered."""
    return Listed(plain).aimed()

"""One text as the guard judges it: made plain, with its words repaired, and cut into sentences without courtesies."""

import re
from functools import lru_cache
from typing import NamedTuple

from agent.guard.plain_text import plain_text
from agent.guard.spelling import repair
from prompts.loader import table

_END = re.compile(r"(?<=\w\w)[.!?;:]+(?=\s|$)|[\n。！？；!?]+|\s+[/|]\s+|(?<=[\u3400-\u9fff])[:;]")
_NOISE = re.compile(r"[^\w\s'’.,%&/+-]+|(?<!\w)[-/.,+&%']+(?!\w)")
_MOST = 12
"""Sentences of one piece of text that are judged one by one; more are judged together."""


class GuardReading(NamedTuple):
    """A text in plain letters, and the same with its words repaired."""

    plain: str
    repaired: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What the word lists are held against."""
        return tuple(dict.fromkeys((self.plain, self.repaired)))


@lru_cache(maxsize=4096)
def read(text: str) -> GuardReading:
    """Read ``text`` but for what it orders and says of its sender; time is in proportion to its length."""
    plain = plain_text(text)
    return GuardReading(_about_people(plain), _about_people(repair(plain)))


def _about_people(text: str) -> str:
    """The text without what it orders the program and what it says of who sends it, unless nothing else is left."""
    for name, most in (("orders", 0), ("senders", 1)):
        rest = " ".join(_asides(name).sub(" ", text, count=most).split())
        text = rest if sum(map(str.isalnum, rest)) > 3 else text
    return text


@lru_cache
def _asides(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<=[,.;:!?] ))(?:{'|'.join(table('guard')[name])})", re.IGNORECASE)


@lru_cache(maxsize=4096)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a repaired text and, where there are several, all of them together; none for courtesy alone."""
    found = [each for each in (_bare(part) for part in _END.split(text.lower())) if each]
    found = list(dict.fromkeys(found))
    if len(found) > _MOST:
        step = -(-len(found) // _MOST)
        found = [" ".join(found[place : place + step]) for place in range(0, len(found), step)]
    return tuple(dict.fromkeys((*found, ". ".join(found)))) if found else ()


def _bare(sentence: str) -> str:
    """A sentence without courtesies before and after it, and without signs that say nothing."""
    sentence = _courtesy("closers", r"(?:\W+(?:{})(?!\w))+\W*$|\W+$").sub("", sentence)
    opener = _courtesy("openers", r"\W*(?:{})(?!\w)\W*|\W*(?:你好|您好|请|請|谢谢|麻烦|麻煩)\W*")
    while match := opener.match(sentence):
        sentence = sentence[match.end() :]
    return " ".join(_NOISE.sub(" ", sentence).split())


@lru_cache
def _courtesy(name: str, pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("{}", "|".join(table("guard")[name])))

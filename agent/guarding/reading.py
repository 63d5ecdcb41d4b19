"""One text as the guard judges it: made plain, with its words repaired, and cut into sentences without courtesies."""

import re
from functools import lru_cache
from typing import NamedTuple

from agent.guarding.plain_text import plain_text
from agent.guarding.spelling import repair
from prompts.loader import table

_END = re.compile(r"(?<=\w\w)[.!?;:]+(?=\s|$)|[\n。！？；!?]+|\s+[/|]\s+|(?<=[\u3400-\u9fff])[:;]")
_OPENERS = (
    "please", "pls", "plz", "hi", "hello", "hey", "hiya", "there", "team", "all", "ok", "okay", "so", "well", "hm+", "um+", "dear",
    "good (?:morning|afternoon|evening|day)", "thanks", "thank you", "thx", "cheers", "sorry", "sir", "mate",
    "(?:could|can|would|will) (?:you|u|we|i)", "i(?:.?d| would)? (?:like|love|want|need|wish)(?: to)?", "i(?:.?m| am) (?:after|looking for)",
    "we(?:.?d| would)? (?:like|love|want|need|wish)(?: to)?", "let.?s", "kindly",
    "(?:find|get|show|reach|target|give|pull|list|build|look for|looking for)(?: me| us| out| up)?", "(?:can|could) (?:you|u) please",
    "bitte", "hallo", "servus", "gruezi", "grüezi", "guten (?:morgen|tag|abend)", "danke", "kannst du", "ich (?:möchte|suche|will|brauche)",
    "bonjour", "salut", "merci", "svp", "stp", "s.il (?:vous|te) pla[iî]t", "je (?:veux|voudrais|cherche)", "trouve(?:z)?(?:-moi)?",
    "hola", "buen[oa]s (?:d[ií]as|tardes|noches)", "gracias", "por favor", "quiero", "necesito", "busca", "quisiera",
    "你好", "您好", "请", "請", "谢谢", "麻烦", "麻煩",
)  # fmt: skip
_OPENER = re.compile(rf"\W*(?:{'|'.join(_OPENERS)})(?!\w)\W*|\W*(?:你好|您好|请|請|谢谢|麻烦|麻煩)\W*")
_CLOSER = re.compile(r"(?:\W+(?:please|pls|plz|thanks|thank you|thx|cheers|bitte|danke|merci|svp|stp|gracias|por favor|lol))+\W*$|\W+$")
_NOISE = re.compile(r"[^\w\s'’.,%&/+-]+|(?<!\w)[-/.,+&%']+(?!\w)")
_MOST = 12
"""Sentences of one piece of text that are judged one by one; more are judged together."""


class Reading(NamedTuple):
    """A text in plain letters, and the same with its words repaired."""

    plain: str
    repaired: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What the word lists are held against."""
        return tuple(dict.fromkeys((self.plain, self.repaired)))


@lru_cache(maxsize=4096)
def read(text: str) -> Reading:
    """Read ``text`` but for what it says of its sender; time is in proportion to its length."""
    plain = plain_text(text)
    return Reading(_without_sender(plain), _without_sender(repair(plain)))


def _without_sender(text: str) -> str:
    """The text without what it says of who sends it, unless nothing else is left."""
    rest = " ".join(_senders().sub(" ", text, count=1).split())
    return rest if sum(map(str.isalnum, rest)) > 3 else text


@lru_cache
def _senders() -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<=[,.;:!?] ))(?:{'|'.join(table('guard')['senders'])})", re.IGNORECASE)


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
    sentence = _CLOSER.sub("", sentence)
    while match := _OPENER.match(sentence):
        sentence = sentence[match.end() :]
    return " ".join(_NOISE.sub(" ", sentence).split())

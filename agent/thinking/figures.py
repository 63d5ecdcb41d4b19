"""The numbers a text states, and which of them nobody has said."""

import re
import unicodedata
from collections.abc import Iterable

_NUMBER = re.compile(r"\d+(?:[.,'\u00a0\u202f]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,'\u00a0\u202f]\d{3})+")
_LARGE = re.compile(
    r"\b(?:dozens?|hundreds?|thousands?|millions?|billions?|hundert|tausend|millionen|"
    r"cientos|mil|millones|mille)\b|[百千万亿]",
    re.IGNORECASE,
)
"""Words for large numbers: a figure hidden in letters is one all the same."""


def numbers(text: str) -> set[float]:
    """The numbers written in digits in ``text``, however their thousands are marked."""
    found: set[float] = set()
    for match in _NUMBER.findall(unicodedata.normalize("NFKC", text)):
        found.add(_read(match))
        if _THOUSANDS.fullmatch(match):
            found.add(float(re.sub(r"\D", "", match)))
    return found


def unknown_numbers(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The numbers, in digits or as words for large ones, that ``text`` states and none of the ``known`` texts does."""
    said, large = set[float](), set[str]()
    for each in known:
        said |= numbers(each)
        large |= {word.lower() for word in _LARGE.findall(each)}
    plain = unicodedata.normalize("NFKC", text)
    digits = [each for each in _NUMBER.findall(plain) if not _readings(each) & said]
    words = [each for each in _LARGE.findall(plain) if each.lower() not in large]
    return tuple(dict.fromkeys((*digits, *words)))


def _readings(written: str) -> set[float]:
    """What digits with marks between them may stand for: "1,234" is a number, a larger one or two small ones."""
    if _THOUSANDS.fullmatch(written):
        return {float(re.sub(r"\D", "", written))}
    return {_read(written)}


def _read(written: str) -> float:
    """One number; a comma before other than three digits is a decimal one."""
    marked = re.sub(r"['\u00a0\u202f]", "", written).replace(",", ".")
    whole, _, decimals = marked.rpartition(".")
    return float(f"{whole.replace('.', '')}.{decimals}") if whole else float(decimals)

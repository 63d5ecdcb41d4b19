"""Text as the guard reads it: look-alike letters folded, one spelling for every way of writing the same words."""

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from prompts.loader import table

_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""The property Default_Ignorable_Code_Point of Unicode; the standard library does not have it."""

_BOXED = ((0x249C, 0x24B5), (0x1F110, 0x1F129), (0x1F150, 0x1F169), (0x1F170, 0x1F189), (0x1F1E6, 0x1F1FF))
"""Alphabets in brackets, circles and squares that NFKC leaves or spells with brackets; each runs from A to Z."""

_ORDINARY = frozenset("äöüßàâæçéèêëîïôœùûüÿáíóúñåøãõ")
"""Accented letters of the languages the guard reads; every other decoration is taken off."""

_REVERSED = re.compile("\u202e([^\u202c\u202d\u202e\n]*)\u202c?")
_UPSIDE_DOWN = dict(zip("ɐɔǝɟɓƃɥᴉɾʞɯɹʇʌʍʎbdpqnu", "acefggyijkmrtvwyqpdbun", strict=True)) | {"ɥ": "h"}
_TURNED = re.compile(r"\w*[ɐǝɟƃɥᴉɾʞɯɹʇʌʍʎ]\w*")
_WORD = re.compile(r"[^\W\d_]+(?:[\d@$!]+[^\W\d_]+)*")
_DECORATED = re.compile(
    r"LATIN (?:SMALL|CAPITAL) LETTER (?:SCRIPT |DOTLESS )?([A-Z])(?: WITH .*)?|LATIN LETTER SMALL CAPITAL ([A-Z])"
)


def fold_letters(text: str) -> str:
    """``text`` in plain letters; time is in proportion to its length.

    Reversed and upside-down words are turned, invisible and combining signs go, decorated letters and look-alikes of
    other alphabets become the letters they look like. Accents of the languages the guard reads stay.
    """
    text = _REVERSED.sub(lambda match: match.group(1)[::-1], text)
    if text.isascii():
        return text
    text = "".join(map(_seen, text))
    text = "".join(map(_seen, unicodedata.normalize("NFKC", text)))
    text = _TURNED.sub(_turned, text)
    text = "".join(map(_undecorated, _without_marks(unicodedata.normalize("NFC", text))))
    return _one_alphabet(text)


@lru_cache(maxsize=4096)
def _seen(sign: str) -> str:
    """The sign without its frame; nothing where there is nothing to be seen."""
    code = ord(sign)
    if any(low <= code <= high for low, high in _IGNORABLE) or unicodedata.category(sign) in ("Cf", "Cs", "Co"):
        return ""
    for low, high in _BOXED:
        if low <= code <= high:
            return chr(ord("a") + code - low)
    return sign


def _turned(match: re.Match[str]) -> str:
    return "".join(_UPSIDE_DOWN.get(sign, sign) for sign in reversed(match.group()))


def _without_marks(text: str) -> str:
    """Without combining signs on letters that need none; scripts that are written with them keep them."""
    kept: list[str] = []
    base = " "
    for sign in text:
        if unicodedata.category(sign) in ("Mn", "Me"):
            if ord(base) < 0x0590 or ord(base) >= 0x3000:
                continue
        else:
            base = sign
        kept.append(sign)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _undecorated(sign: str) -> str:
    if sign.isascii() or sign.lower() in _ORDINARY:
        return sign
    found = _DECORATED.fullmatch(unicodedata.name(sign, ""))
    return (found.group(1) or found.group(2)).lower() if found else sign


@lru_cache
def _look_alikes() -> dict[str, str]:
    groups: dict[str, str] = table("guard_letters")["look_alikes"]
    return {sign: letter for letter, signs in groups.items() for sign in signs}


def _latin(sign: str) -> bool:
    return sign.isascii() or sign.lower() in _ORDINARY


def _one_alphabet(text: str) -> str:
    """Words that mix alphabets in Latin letters, and words of look-alikes alone where the rest of the text is Latin."""
    known = _look_alikes()
    letters = [sign for sign in text if sign.isalpha()]
    mostly_latin = 2 * sum(map(_latin, letters)) > len(letters)

    def fold(match: re.Match[str]) -> str:
        word = match.group()
        others = [sign for sign in word if sign.isalpha() and not _latin(sign)]
        if not others or not all(sign in known for sign in others):
            return word
        if len(others) == sum(map(str.isalpha, word)) and not mostly_latin:
            return word
        return "".join(known.get(sign, sign) for sign in word)

    return _WORD.sub(fold, text)


_SPELLED_OUT = re.compile(r"(?<![^\W_])(?<![^\W_]\*)(?:[^\W_][\s./_·|*~+:'•–—-]{1,3}){2,}[^\W_](?!\*{0,3}[^\W_])")
"""Letters one by one, as in "g-a-y" and "P R E G N A N T"."""

_EMPHASIS = re.compile(r"`+|(?<![\w*_~])[*_~]+|[*_~]+(?![\w*_~])|(?<=\w\w)_+(?=\w\w)")
_STARRED = re.compile(r"[^\W_]\*[^\W_](?:\s+[^\W_]\*[^\W_])*")
"""Short words of which the middle was struck out, as in "m*n"; no letters one by one."""


def plain_text(text: str) -> str:
    """``text`` in plain letters, without marks of emphasis, and with letters one by one drawn together."""
    text = _SPELLED_OUT.sub(_together, fold_letters(text))
    return " ".join(_EMPHASIS.sub(" ", text).split())


def _together(match: re.Match[str]) -> str:
    """The words of letters one by one; a sign that differs from the usual one, with a space in it, parts two words."""
    run = match.group()
    if sum(map(str.isalpha, run)) < 2 or _STARRED.fullmatch(run):
        return run
    letters, between = run[0], re.findall(r"[\W_]+", run)
    usual = Counter(between).most_common(1)[0][0]
    for sign, letter in zip(between, re.findall(r"[^\W_]", run)[1:], strict=True):
        letters += (" " if sign != usual and re.search(r"\s", sign) else "") + letter
    return letters


def unaccented(text: str) -> str:
    """``text`` sign by sign without accents, so that places in it stay where they are."""
    if text.isascii():
        return text
    return "".join(unicodedata.normalize("NFD", sign)[0] for sign in unicodedata.normalize("NFC", text))

"""Text as the guard reads it, and the word lists of ``prompts/guard_*.toml`` with what they find in it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from prompts.loader import table

# --- Text as the guard reads it: look-alike letters folded, one spelling for every way of writing the
#     same words ---


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


# --- The word lists of ``prompts/guard_*.toml``, and what they find in a text ---------------------


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

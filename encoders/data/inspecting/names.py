"""What a column or a file is called, in the five languages of the product."""

import re
import tomllib
import unicodedata
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@cache
def vocabulary() -> dict[str, tuple[str, ...]]:
    """Each thing that a name can say, with its words."""
    told = tomllib.loads(Path(__file__).with_name("names.toml").read_text("utf-8"))
    return {thing: tuple(words) for thing, words in told.items()}


def without_accents(text: str) -> str:
    """A text in lower case and plain letters."""
    whole = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(sign for sign in whole if not unicodedata.combining(sign)).casefold()


def name_words(name: str) -> list[str]:
    """The words of a name: ``HasOptedOut`` is has, opted, out."""
    return re.findall(r"[a-z]+|\d+", without_accents(_CAMEL.sub(" ", name.replace("№", "no").replace("°", " "))))


@lru_cache(maxsize=10_000)
def says(name: str, thing: str) -> bool:
    """Whether a name has a word for a thing of the vocabulary."""
    found = name_words(name)
    line = f" {' '.join(found)} "
    glued = "".join(found)
    return any(
        f" {word} " in line
        if " " in word
        else any(fnmatchcase(each, word) for each in found) or (len(found) > 1 and glued == word)
        for word in vocabulary()[thing]
    )


def is_yes(value: str) -> bool | None:
    """Whether a word means yes, in any of the languages; None where it means neither yes nor no."""
    plain = re.sub(r"\.0$", "", without_accents(value.strip()))
    words = vocabulary()
    return True if plain in words["yes"] else False if plain in words["no"] else None


def spoken(name: str) -> str:
    """A column's name as people read it: ``age_band`` is age band, ``MailingCity`` mailing city."""
    plain = " ".join(re.findall(r"[^\W_]+", _CAMEL.sub(" ", name)))
    return plain.lower() or name

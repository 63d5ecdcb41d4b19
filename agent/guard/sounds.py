"""How words sound, roughly: what somebody who writes by ear makes of a word becomes the same as the word itself."""

import re

_COMMON = (
    ("tsch", "x"), ("sch", "x"), ("tion", "xn"), ("sion", "xn"), ("cion", "xn"), ("cial", "xl"), ("shun", "xn"),
    ("sh", "x"),
    ("ch", "x"), ("ph", "f"), ("gh", "g"), ("th", "t"), ("ck", "k"), ("qu", "k"), ("kw", "k"), ("q", "k"),
    ("ce", "se"), ("ci", "si"), ("cy", "si"), ("c", "k"), ("ge", "je"), ("gi", "ji"), ("z", "s"), ("ks", "x"),
    ("kx", "x"), ("wh", "w"), ("w", "v"), ("oo", "u"),
    ("ew", "u"), ("ou", "u"), ("ue", "u"), ("ee", "i"), ("ea", "i"), ("ie", "i"), ("ei", "i"),
    ("ai", "a"), ("ay", "a"), ("ey", "i"), ("y", "i"), ("oa", "o"), ("h", ""),
)  # fmt: skip

_GERMAN = (
    ("ß", "s"), ("tz", "z"), ("dt", "t"), ("ph", "f"), ("pf", "f"), ("v", "f"), ("ei", "ai"), ("ey", "ai"),
    ("ay", "ai"), ("eu", "oi"), ("ie", "i"), ("ij", "i"), ("ch", "x"), ("sch", "x"), ("h", ""), ("c", "k"),
    ("z", "s"), ("y", "i"), ("q", "k"), ("b", "p"), ("d", "t"), ("g", "k"),
)  # fmt: skip
_SPANISH = (
    ("ch", "x"), ("h", ""), ("qu", "k"), ("gue", "ge"), ("gui", "gi"), ("ge", "je"), ("gi", "ji"), ("j", ""),
    ("ce", "se"), ("ci", "si"), ("c", "k"), ("q", "k"), ("z", "s"), ("ll", "y"), ("y", "i"), ("v", "b"), ("w", "b"),
    ("nb", "mb"), ("np", "mp"), ("ks", "x"),
)  # fmt: skip
_ITALIAN = (
    ("sch", "sk"), ("ch", "k"), ("gh", "g"), ("h", ""), ("sce", "xe"), ("sci", "xi"), ("cqu", "k"), ("qu", "k"),
    ("gie", "ge"), ("cie", "ce"), ("gli", "li"), ("gn", "n"), ("ce", "xe"), ("ci", "xi"), ("c", "k"), ("q", "k"),
    ("j", "i"), ("y", "i"), ("w", "v"), ("np", "mp"), ("nb", "mb"), ("z", "s"),
)  # fmt: skip

_WAYS = (_COMMON, _SPANISH, _ITALIAN, _GERMAN)
CLEAR = 3
"""The ways, from the first on, that keep enough of a word for one letter of its sound to differ."""


def sounds(word: str) -> tuple[str, ...]:
    """The ways to hear a word: of all languages together, and with the ears of Spanish, Italian and German."""
    return tuple(_heard(word, way) for way in _WAYS)


def _heard(word: str, way: tuple[tuple[str, str], ...]) -> str:
    for written, heard in way:
        word = word.replace(written, heard)
    return re.sub(r"(\w)\1+", r"\1", word).rstrip("e")

"""Requests in German, Spanish, French and Chinese: recognised, brought into the English that the rules read, answered.

Nothing is translated freely. What names things stays as it was said, for the encoder knows such words; times, orders
and the labels of buttons are found by the patterns of ``prompts/languages``.
"""

import re
from collections.abc import Sequence

from prompts.loader import LANGUAGES, table

_WORD = re.compile(r"[^\W_][\w'’&.-]*", re.UNICODE)
_LATIN_END = 0x250
"""The first code point after the Latin letters."""


def language(text: str) -> str:
    """Name of the language ``text`` is written in, as far as its small words tell; English when in doubt."""
    words = [word.lower() for word in _WORD.findall(text)]
    letters = [character for character in text if character.isalpha()]
    if letters and sum(ord(character) < _LATIN_END for character in letters) < len(letters) / 2:
        return (
            "Chinese" if any("\u4e00" <= letter <= "\u9fff" for letter in letters) else "a language other than English"
        )
    english = frozenset(str(table("words")["frame"]).split())
    score = {name: sum(word in small for word in words) for name, small in _small().items()}
    best = max(score, key=lambda name: score[name])
    return best if score[best] >= 2 and score[best] > sum(word in english for word in words) else "English"


def small_words(name: str) -> frozenset[str]:
    """Words of a language, named as by ``language``, that name no thing."""
    return _small().get(name, frozenset())


def code_of(name: str) -> str:
    """The code of a language in which there are replies; "" for every other."""
    return next((code for code in LANGUAGES if table(f"languages/{code}")["name"] == name), "")


def into_english(text: str, code: str) -> str:
    """The message with what the rules have to read in English; labels that were clicked become those of the page."""
    if code not in LANGUAGES:
        return text
    known = table(f"languages/{code}")
    labels = {shown.lower(): label for label, shown in known["labels"].items()}
    if label := labels.get(text.strip().lower()):
        return str(label)
    for pattern, english in known["rewrites"]:
        text = re.sub(pattern, english, text, flags=re.IGNORECASE)
    return text


def labelled(options: Sequence[str], code: str) -> tuple[str, ...]:
    """Clickable answers as they are shown in a language."""
    labels = table(f"languages/{code}")["labels"] if code in LANGUAGES else {}
    return tuple(labels.get(option, option) for option in options)


def _small() -> dict[str, frozenset[str]]:
    others = {name: frozenset(words.split()) for name, words in table("words")["languages"].items()}
    own = (table(f"languages/{code}") for code in LANGUAGES)
    return others | {each["name"]: frozenset(each["small"].split()) for each in own}

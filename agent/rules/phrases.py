"""Which words of a request name things: the noun phrases that are looked up in the data."""

import re

from prompts.loader import table

_WORD = re.compile(r"[^\W_][\w'’&.-]*", re.UNICODE)
_LATIN_END = 0x250
"""The first code point after the Latin letters."""

_OCCASION = frozenset({"for", "during", "at"})
"""Words between a thing and its occasion ("snacks for the game"): after a thing, what follows them is not wanted."""

_JOINTS = frozenset({"to", "of"})
"""Words that hold a thing's name together ("back to school")."""

LONGEST = 5
"""Words in a phrase; a longer run of unknown words is looked up in pieces of so many."""


def language(text: str) -> str:
    """Name of the language ``text`` is written in, as far as its small words tell; English when in doubt."""
    words = [word.lower() for word in _WORD.findall(text)]
    letters = [character for character in text if character.isalpha()]
    if letters and sum(ord(character) < _LATIN_END for character in letters) < len(letters) / 2:
        return "a language other than English"
    english = _words("frame")
    score = {name: sum(word in small.split() for word in words) for name, small in table("words")["languages"].items()}
    best = max(score, key=lambda name: score[name])
    return best if score[best] >= 2 and score[best] > sum(word in english for word in words) else "English"


def noun_phrases(text: str, limit: int = 4) -> tuple[str, ...]:
    """Runs of words that are not part of the frame of a request, in their order, each once."""
    tongue = language(text)
    frame = _words("frame")
    if tongue in table("words")["languages"]:
        frame = frame | frozenset(table("words")["languages"][tongue].split())
    runs: list[list[str]] = [[]]
    position, before, joint = 0, "", ""
    for match in _WORD.finditer(text):
        broken = re.search(r"[^\s]", text[position : match.start()]) is not None
        position = match.end()
        said = match.group().strip(".’'").removesuffix("'s").removesuffix("’s")
        word = said.lower()
        if word in frame or word.isdigit():
            joint = word if word in _JOINTS and runs[-1] and not broken and not joint else ""
            before = word if word in _OCCASION else before
            if not joint:
                runs.append([])
            continue
        if broken:
            runs.append([])
        if not runs[-1] and before in _OCCASION and any(runs):
            continue
        runs[-1] += [joint] * bool(joint and runs[-1]) + [word if tongue == "English" else said]
        before = joint = ""
    phrases = [" ".join(_bare(run)[:LONGEST]) for run in runs if run]
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))[:limit]


def _bare(words: list[str]) -> list[str]:
    """The words without fillers, unless nothing else is there."""
    return [word for word in words if word not in _words("filler")] or words


def _words(key: str) -> frozenset[str]:
    return frozenset(str(table("words")[key]).split())

"""Which words of a request name things: the noun phrases that are looked up in the data."""

import re

from agent.rules.languages import small_words
from prompts.loader import table

_WORD = re.compile(r"[^\W_][\w'’&.-]*", re.UNICODE)
_CHINESE_JOINTS = re.compile(r"[^\u4e00-\u9fff]+|[和或与及、]")

_OCCASION = frozenset({"for", "during", "at"})
"""Words between a thing and its occasion ("snacks for the game"): after a thing, what follows them is not wanted."""

_JOINTS = frozenset({"to", "of"})
"""Words that hold a thing's name together ("back to school")."""

LONGEST = 5
"""Words in a phrase; a longer run of unknown words is looked up in pieces of so many."""


def noun_phrases(text: str, tongue: str = "English", limit: int = 4) -> tuple[str, ...]:
    """Runs of words that are not part of the frame of a request, in their order, each once.

    Args:
        text: a message, or a part of one.
        tongue: its language, as ``language`` names it.
        limit: so many at most.
    """
    if tongue == "Chinese":
        return _chinese(text)[:limit]
    frame = _words("frame") | small_words(tongue)
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


def _chinese(text: str) -> tuple[str, ...]:
    """What is left between the words of the frame: Chinese has no spaces to go by."""
    frame = sorted(small_words("Chinese"), key=len, reverse=True)
    pieces = re.sub("|".join(map(re.escape, frame)), " ", text)
    return tuple(dict.fromkeys(piece for piece in _CHINESE_JOINTS.split(pieces) if piece))


def _bare(words: list[str]) -> list[str]:
    """The words without fillers, unless nothing else is there."""
    return [word for word in words if word not in _words("filler")] or words


def _words(key: str) -> frozenset[str]:
    return frozenset(str(table("words")[key]).split())

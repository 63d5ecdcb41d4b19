"""Which words of a request name things: the noun phrases that are looked up in the data."""

import re
from collections.abc import Iterator
from functools import lru_cache

from agent.rules.languages import code_of, small_words
from prompts.loader import table

_WORD = re.compile(r"[^\W_][\w'’&.-]*", re.UNICODE)
_CHINESE_JOINTS = re.compile(r"[^\u4e00-\u9fff]+|[和或与及、]")

_OCCASION = frozenset({"for", "during", "at"})
"""Words between a thing and its occasion ("snacks for the game"): after a thing, what follows them is not wanted."""

_CONTRACTED = re.compile(
    r"(?:who|we|they|he|she|it|that|you|i|there|what|hasn|haven|don|doesn|didn|won|isn|aren)['’]\w{1,2}"
)

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
    frame = _words("frame") | small_words(tongue) | frame_words(tongue)
    runs: list[list[str]] = [[]]
    position, before, joint = 0, "", ""
    for match in _WORD.finditer(text):
        broken = re.search(r"[^\s]", text[position : match.start()]) is not None
        position = match.end()
        said = match.group().strip(".’'").removesuffix("'s").removesuffix("’s")
        word = said.lower()
        owner = word in _words("owners") and re.search(r"['’]s?$", match.group()) is not None
        if owner:
            said = match.group()
            word = said.lower()
        if word in frame or word.isdigit() or _CONTRACTED.fullmatch(word):
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


@lru_cache
def frame_words(tongue: str) -> frozenset[str]:
    """Words that stand around things in the messages that intents are learned from, and so name none themselves."""
    code = code_of(tongue) or ("en" if tongue == "English" else "")
    if not code:
        return frozenset()
    found: set[str] = set()
    forms = table(f"intents/{code}")["intents"]
    for intent in ("demand", "add", "replace", "exclude", "segments", "past"):
        for form in forms[intent].splitlines():
            if "{thing}" in form:
                found |= set(_frame_of(form, tongue))
    things = {match.group().lower() for match in _WORD.finditer(table(f"intents/{code}")["slots"]["thing"])}
    return frozenset(found - things - frozenset(_REPLACED))


_REPLACED = ("coffee", "kaffee", "café", "咖啡")
"""What the messages replace by something else: a thing, though it stands in no slot."""


def _frame_of(form: str, tongue: str) -> Iterator[str]:
    for piece in re.split(r"\{\w+\}", form.lower()):
        if tongue == "Chinese":
            yield from (part for part in re.split(r"[^\u4e00-\u9fff]+|咖啡", piece) if part)
        else:
            yield from (match.group().strip(".’'") for match in _WORD.finditer(piece))


def _chinese(text: str) -> tuple[str, ...]:
    """What is left between the words of the frame: Chinese has no spaces to go by."""
    frame = sorted(small_words("Chinese") | frame_words("Chinese"), key=len, reverse=True)
    pieces = re.sub("|".join(map(re.escape, frame)), " ", text)
    return tuple(dict.fromkeys(piece for piece in _CHINESE_JOINTS.split(pieces) if piece))


def _bare(words: list[str]) -> list[str]:
    """The words without fillers, unless nothing else is there."""
    return [word for word in words if word not in _words("filler")] or words


def _words(key: str) -> frozenset[str]:
    return frozenset(str(table("words")[key]).split())

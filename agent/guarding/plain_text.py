"""Text as the guard reads it: one spelling for every way of writing the same words."""

import re
import unicodedata
from collections import Counter

from agent.guarding.letters import fold_letters

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

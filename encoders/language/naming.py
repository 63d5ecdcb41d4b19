"""Whether a phrase is a name of a group, by its words alone.

Encoders see that "wine" is near "american wine"; that it is also the name of "imported wine" is a matter of words.
"""

import re

ANYTHING = "anything"
"""As what is done: every item of a source."""

_POSSESSIVE = re.compile(r"['’]s\b|['’](?=\s|$)")
_SEPARATOR = re.compile(r"\s*(?:,|/|&|:|\band\b|\bor\b)\s*")


def names(phrase: str, group: str) -> bool:
    """Whether the phrase ends in the head noun of a part of the group's name, and has no word the name lacks.

    "wine" names "imported wine", "dog food" names "dog food", but "baby" does not name "baby food".
    """
    words = [_stem(word) for word in _words(phrase)]
    heads = [_stem(_words(part)[-1]) for part in parts_of(group)]
    return bool(words) and words[-1] in heads and set(words) <= stems(group)


def stems(text: str) -> frozenset[str]:
    """Words without their plural endings, for telling whether two texts name the same thing."""
    return frozenset(_stem(word) for word in _words(text) if word not in {"and", "of", "or", "the"})


def stemmed(text: str) -> tuple[str, ...]:
    """The words of a text in their order, without plural endings, possessive endings and articles."""
    return tuple(_stem(word) for word in _words(_POSSESSIVE.sub("", text)) if word not in {"a", "an", "the"})


def parts_of(group: str) -> list[str]:
    """The things a group's name lists: "baby food and juices" lists two."""
    return [part for part in _SEPARATOR.split(group) if _words(part)]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes", "oes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word

"""Which clauses of a request say what is not wanted ("forget the juice", "the buns are somebody else's headache").

A small network over the vectors of both text encoders and the words of a clause, made from ``prompts/refusals`` by
``python -m benchmarks.conversations.train_refusals``; the weights lie beside this file. What syntax tells ("but not
tea") is read before it (``agent.reading.parse``).
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from agent.reading.intents import Matrix, forward, hashed_words, packaged, shortened

SURE = 0.65
"""A clause is left aside from this probability on: what is wanted must not be lost on a guess."""

_CUT = re.compile(r"(?:[,;:!?()\n\u2013\u2014…]|\.(?=\s|$)|\.{2,}|\s-+\s|\s(?=but\s))+")


class Wish(NamedTuple):
    """A request without what it refuses."""

    text: str
    refused: tuple[str, ...]
    """Its clauses that say what is not wanted."""


class RefusalClassifier:
    """Clauses in, the probability that each refuses what it names out."""

    def __init__(self, weights: dict[str, Matrix], encoders: Sequence[Any]) -> None:
        """Classify with the two layers of ``weights``, over the vectors of ``encoders`` and the words."""
        self._weights, self._encoders = weights, encoders

    def probabilities(self, clauses: Sequence[str]) -> Matrix:
        """The probability for each clause, [N]."""
        outputs = forward(self._weights, features(clauses, self._encoders))
        return np.asarray(1.0 / (1.0 + np.exp(outputs[:, 0] - outputs[:, 1])), np.float32)


def features(clauses: Sequence[str], encoders: Sequence[Any]) -> Matrix:
    """What the network reads of each clause, [N, D]."""
    texts = [shortened(clause) for clause in clauses]
    vectors = [encoder.encode(texts) for encoder in encoders]
    return np.concatenate([*vectors, np.stack([hashed_words(text) for text in texts])], axis=1)


def without_refused(text: str) -> Wish:
    """Leave the clauses aside that say what is not wanted; a text of one clause, or of nothing else, stays as it is."""
    places = _places(text)
    if len(places) < 2:
        return Wish(text, ())
    chances = refusal_classifier().probabilities([text[start:end] for start, end in places])
    out = [place for place, chance in zip(places, chances, strict=True) if chance >= SURE]
    if not out or len(out) == len(places):
        return Wish(text, ())
    left = text
    for start, end in reversed(out):
        left = f"{left[:start].rstrip()} {left[end:].lstrip()}"
    return Wish(" ".join(left.split()), tuple(text[start:end] for start, end in out))


def clauses(text: str) -> list[str]:
    """The clauses of a text that have a word."""
    return [text[start:end] for start, end in _places(text)]


def _places(text: str) -> list[tuple[int, int]]:
    """Where each clause begins and ends that has a word."""
    places, start = [], 0
    for cut in [*(match.span() for match in _CUT.finditer(text)), (len(text), len(text))]:
        piece = text[start : cut[0]]
        if re.search(r"\w", piece):
            begin = start + len(piece) - len(piece.lstrip())
            places.append((begin, start + len(piece.rstrip())))
        start = cut[1]
    return places


@lru_cache
def refusal_classifier() -> RefusalClassifier:
    """The one that comes with the program, loaded when a request is read first.

    Raises:
        ModelError: a text encoder cannot be loaded.
    """
    return RefusalClassifier(*packaged("refusals"))

"""What a message wants of the assistant, and which clauses say what is not wanted: two small networks."""

import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args
from zlib import crc32

import numpy as np
import numpy.typing as npt

from encoders.text.words import stems

# --- What a message wants of the assistant: a small network over the vectors of both text encoders, the
#     stage, and form ---
#
# Made by ``python -m benchmarks.conversations.train_intents`` from ``prompts/intents``; the weights lie beside this
# file.


Matrix = npt.NDArray[np.float32]

Intent = Literal[
    "demand", "add", "replace", "exclude", "people", "past", "time", "size", "goal", "save", "rename", "undo",
    "restart", "export", "compare", "combine", "like", "holdout", "outcome", "refresh", "angles", "segments",
    "explain", "fairness", "about_accuracy", "about_lift", "about_cost", "about_size", "about_people", "about_saved",
    "about_data", "help", "choose", "none_of_these", "difference", "courtesy", "chatter",
]  # fmt: skip
Stage = Literal["fresh", "draft", "question"]
"""``fresh``: nothing stands yet; ``draft``: an audience is on the page; ``question``: options wait for a choice."""

INTENTS: tuple[Intent, ...] = get_args(Intent)
STAGES: tuple[Stage, ...] = get_args(Stage)
ENCODERS = ("use", "minilm")
"""Always these two, whatever text encoder a workspace was trained with."""

_ONLY_ASKED: frozenset[Intent] = frozenset({"choose", "none_of_these", "difference"})
"""What can only be meant while a question is open."""

CHANGES: frozenset[Intent] = frozenset({"add", "replace", "exclude", "people", "past", "time", "size", "goal"})
"""What changes an audience; where none stands yet, the same words ask for one."""

_BUCKETS = 2048
"""Places that words, pairs of words and pieces of words are hashed to: orders are told by words more than by sense."""

_FORM = (r"\d", r"\?|？", r"%|percent|prozent|por ciento|pour cent|百分", r"[$€£]|\b(?:dollars?|euros?|cents?)\b|元|块",
         r"[\"“”„«»‘]|(?<!\w)'", r"[A-Z]\w+ [A-Z0-9]", r"^\W*\S+\W*$", r"^(?:\S+\s+){7,}")  # fmt: skip
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W_]+", re.UNICODE)
_MASK = -1e9


class Guess(NamedTuple):
    """The likeliest intent of a message."""

    intent: Intent
    probability: float
    second: Intent


class IntentClassifier:
    """Messages in, intents out."""

    def __init__(self, weights: dict[str, Matrix], encoders: Sequence[Any]) -> None:
        """Classify with the two layers of ``weights``, over the vectors of ``encoders`` and the form of the text."""
        self._weights, self._encoders = weights, encoders

    def guess(self, text: str, stage: Stage, options: Sequence[str] = ()) -> Guess:
        """The likeliest intent of ``text`` at ``stage``, where ``options`` are offered."""
        return self.guesses([(text, stage, options)])[0]

    def guesses(self, messages: Sequence[tuple[str, Stage, Sequence[str]]]) -> list[Guess]:
        """The same for several messages at once."""
        texts = [shortened(text) for text, _, _ in messages]
        vectors = np.concatenate([encoder.encode(texts) for encoder in self._encoders], axis=1)
        form = np.stack([form_of(text, stage, options) for text, stage, options in messages])
        outputs = forward(self._weights, np.concatenate([vectors, form], axis=1))
        found = []
        for row, (_, stage, _) in zip(outputs, messages, strict=True):
            row[[INTENTS.index(each) for each in _impossible(stage)]] = _MASK
            chances = np.exp(row - row.max())
            chances /= chances.sum()
            best, second = np.argsort(-chances, kind="stable")[:2]
            found.append(Guess(INTENTS[best], float(chances[best]), INTENTS[second]))
        return found


def _impossible(stage: Stage) -> frozenset[Intent]:
    if stage == "question":
        return frozenset()
    return _ONLY_ASKED | CHANGES if stage == "fresh" else _ONLY_ASKED


def shortened(text: str, limit: int = 300) -> str:
    """What the encoders read of a long message: its beginning, on one line."""
    return " ".join(text.split())[:limit]


def form_of(text: str, stage: Stage, options: Sequence[str]) -> Matrix:
    """What the vectors do not say of a message: its stage, its marks, what it shares with the options, its words."""
    said = stems(text)
    shared = max((len(said & stems(option)) / max(len(stems(option)), 1) for option in options), default=0.0)
    facts = [float(stage == each) for each in STAGES]
    facts += [
        float(re.search(pattern, text, re.IGNORECASE if "A-Z" not in pattern else 0) is not None) for pattern in _FORM
    ]
    facts += [shared, float(shared > 0)]
    return np.concatenate([np.array(facts, np.float32), hashed_words(text)])


def hashed_words(text: str) -> Matrix:
    """Words, pairs and pieces of words of a text, hashed; a unit vector [_BUCKETS]."""
    words = ["^", *(_numberless(word) for word in _WORD.findall(shortened(text).lower())), "$"]
    pieces = words[1:-1] + [f"{a} {b}" for a, b in pairwise(words)]
    pieces += [f"_{word[:5]}" for word in words[1:-1] if len(word) > 5]
    counts = np.zeros(_BUCKETS, np.float32)
    for piece in pieces:
        counts[crc32(piece.encode()) % _BUCKETS] += 1
    return np.asarray(counts / max(float(np.linalg.norm(counts)), 1e-9), np.float32)


def _numberless(word: str) -> str:
    return "0" if word.isdigit() else word


def forward(weights: dict[str, Matrix], inputs: Matrix) -> Matrix:
    """Outputs [N, intents] of the network for inputs [N, D]; one hidden layer with ReLU."""
    hidden = np.maximum(inputs @ weights["hidden.weight"].T + weights["hidden.bias"], 0)
    return np.asarray(hidden @ weights["output.weight"].T + weights["output.bias"], np.float32)


@lru_cache
def intent_classifier() -> IntentClassifier:
    """The one that comes with the program, loaded when a message is read first.

    Raises:
        ModelError: a text encoder cannot be loaded.
    """
    return IntentClassifier(*packaged("intents"))


def packaged(name: str) -> tuple[dict[str, Matrix], list[Any]]:
    """The weights of a classifier that lie beside this file, and the encoders it reads through. Raises like that."""
    from safetensors.numpy import load_file

    from encoders.text.encoders import text_encoder

    with as_file(files("agent.reading").joinpath(f"{name}.safetensors")) as path:
        weights = {key: each.astype(np.float32) for key, each in load_file(path).items()}
    return weights, [text_encoder(each) for each in ENCODERS]


# --- Which clauses of a request say what is not wanted ("forget the juice", "the buns are somebody
#     else's headache") ---
#
# A small network over the vectors of both text encoders and the words of a clause, made from ``prompts/refusals`` by
# ``python -m benchmarks.conversations.train_refusals``; the weights lie beside this file. What syntax tells ("but not
# tea") is read before it (``agent.reading.parse``).


SURE = 0.7
"""A clause is left aside from this probability on: what is wanted must not be lost on a guess."""

_CUT = re.compile(r"(?:[,;:!?()\n\u2013\u2014…，。；：！？（）]|\.(?=\s|$)|\.{2,}|\s-+\s|\s(?=but\s))+")


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

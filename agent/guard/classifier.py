"""The second voice of the guard: what both text encoders make of a sentence, beside what the word lists found in it.

Made by ``python -m benchmarks.conversations.train_guard`` from the half of the labelled set that is not held back and
from phrases put into frames; the weights lie beside this file as safetensors, the rest as JSON.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, field_serializer

from agent.guard.word_lists import WordListHit

Matrix = npt.NDArray[np.float32]

ENCODERS = ("use", "minilm")
"""Always these two, whatever text encoder a workspace was trained with."""

_ALONE = 1.5
"""What a sentence by itself needs more than the text it stands in; chosen on the tuning half."""

_REMEMBERED = 20_000
"""Sentences whose scores are kept."""


class ClassifierSettings(BaseModel):
    """What was chosen on the tuning half."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    categories: tuple[str, ...]
    """What the outputs of the network stand for; the first is "allowed"."""
    further: tuple[str, ...] = ()
    """Those of them that networks of their own tell from what is allowed."""
    declined: float
    """A text in which the lists find nothing is declined from this score on."""
    doubtful: float
    """So is one with words of ``ambiguous``, which innocent texts use as well."""
    named: float
    """So is one with other words of the lists, where nothing says that they describe people."""
    confirmed: float
    """So is one in which the words describe people; below it, the encoders are sure that it is innocent."""
    ambiguous: frozenset[str]
    """Words that the lists find in innocent texts too, in lower case."""

    @field_serializer("ambiguous")
    def _in_order(self, words: frozenset[str]) -> list[str]:
        return sorted(words)

    @property
    def apart(self) -> list[int]:
        """The outputs of what is ``further``."""
        return [self.categories.index(each) for each in self.further]

    def needed(self, found: WordListHit | None) -> float:
        """The score from which on a text is declined in which the lists found this, or nothing."""
        if found is None:
            return self.declined
        if found.of_people:
            return self.confirmed
        return self.doubtful if found.words.lower() in self.ambiguous else self.named


class Opinion(NamedTuple):
    """What the encoders make of one sentence."""

    score: float
    """Logarithm of the odds that it singles people out."""
    category: str
    """The likeliest restricted attribute, whether or not it is declined."""


def compared(scores: Sequence[float]) -> list[float]:
    """Scores of the sentences of a text and of the whole, which comes last: one by itself has to say more."""
    return [*(score - _ALONE for score in scores[:-1]), *scores[-1:]]


class Classifier:
    """Sentences in, opinions out; what it has judged it remembers."""

    def __init__(self, settings: ClassifierSettings, weights: dict[str, Matrix], encoders: Sequence[Any]) -> None:
        """Judge with the two layers of ``weights``, over the vectors of ``encoders`` side by side."""
        self.settings, self._weights, self._encoders = settings, weights, encoders
        self._known: dict[str, Opinion] = {}

    def opinions(self, sentences: Iterable[str]) -> list[Opinion]:
        """One opinion a sentence, in their order; those not judged yet are embedded together."""
        asked = list(sentences)
        missing = [each for each in dict.fromkeys(asked) if each not in self._known]
        if missing:
            judged = dict(zip(missing, self._judged(missing), strict=True))
            known = judged if len(self._known) > _REMEMBERED else {**self._known, **judged}
            self._known = known
            return [known[each] if each in known else self.opinions([each])[0] for each in asked]
        return [self._known[each] for each in asked]

    def likeness(self, one: str, other: str) -> float:
        """Cosine of two texts, the mean of what the encoders say."""
        return float(np.mean([np.dot(*encoder.encode([one, other])) for encoder in self._encoders]))

    def _judged(self, sentences: list[str]) -> list[Opinion]:
        vectors = np.concatenate([encoder.encode(sentences) for encoder in self._encoders], axis=1)
        scores, best = scored(forward(self._weights, vectors), self.settings.apart)
        names = self.settings.categories
        return [Opinion(float(score), names[place]) for score, place in zip(scores, best, strict=True)]


def forward(weights: dict[str, Matrix], vectors: Matrix) -> Matrix:
    """Outputs [N, categories] of the network for vectors [N, D]; one hidden layer with GELU."""
    from scipy.special import erf

    hidden = vectors @ weights["hidden.weight"].T + weights["hidden.bias"]
    hidden = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2)))
    return np.asarray(hidden @ weights["output.weight"].T + weights["output.bias"], np.float32)


def scored(outputs: Matrix, apart: Sequence[int] = ()) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Log odds of any restricted attribute [N], and the likeliest of them [N].

    Outputs ``apart`` are summed for themselves and the greater sum counts: those of one kind must not lift the other.
    """
    from scipy.special import logsumexp

    restricted = outputs.astype(np.float64)
    rest = [place for place in range(1, outputs.shape[1]) if place not in apart]
    scores = np.max([logsumexp(restricted[:, each], axis=1) for each in (rest, list(apart)) if each], axis=0)
    return scores - restricted[:, 0], restricted[:, 1:].argmax(axis=1) + 1


@lru_cache
def classifier() -> Classifier:
    """The one that comes with the program, loaded when a text is judged first.

    Raises:
        ModelError: a text encoder cannot be loaded.
    """
    from safetensors.numpy import load_file

    from encoders.text.encoders import text_encoder

    folder = files("agent.guard")
    settings = ClassifierSettings.model_validate_json(folder.joinpath("classifier.json").read_text("utf-8"))
    with as_file(folder.joinpath("classifier.safetensors")) as path:
        weights = load_file(path)
    return Classifier(settings, weights, [text_encoder(name) for name in ENCODERS])

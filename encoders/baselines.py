"""Reference scorers: what a team without this project would use. Each gets the same past and the same demands.

Those that know the category column are told which items count, as an analyst with SQL would be; the others read the
sentence alone, as our model does. Their constants were chosen on 2017-09-01, before the dates that are reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from encoders.benchmark import BenchmarkDemand
from encoders.scene import Scene
from encoders.text import TextEncoder, text_encoder

Scores = npt.NDArray[np.float64]

_EASE_PENALTY = 1000.0
_PROFILE_HALF_LIFE = 2
_SHARPNESS = 15.0


@dataclass(frozen=True)
class Baseline:
    """A scorer, and what it is told."""

    name: str
    knows_items: bool
    score: Callable[[Scene, Sequence[BenchmarkDemand]], Scores]
    """[N, B] scores of the scene's users."""


def baselines(minilm: TextEncoder) -> list[Baseline]:
    """Every reference scorer; the profile texts are read by ``minilm``."""
    return [
        Baseline("activity", False, activity),
        Baseline("profile text (MiniLM)", False, lambda scene, demands: profile_text(scene, demands, minilm)),
        Baseline(
            "profile text, centred, with activity",
            False,
            lambda scene, demands: centred_profile(scene, demands, minilm),
        ),
        Baseline("semantic match, untrained", False, lambda scene, demands: semantic_match(scene, demands, minilm)),
        Baseline("count rule with recency", True, count_rule),
        Baseline("item-item (EASE) on categories", True, ease),
        Baseline("EASE + own counts", True, ease_and_counts),
    ]


def activity(scene: Scene, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Everything a user did, whatever the demand."""
    total = np.asarray(scene.histories.counts[-1][:, scene.vocabulary.main_items].sum(axis=1)).ravel()
    return np.repeat(np.log1p(total)[:, None], len(demands), axis=1)


def count_rule(scene: Scene, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Own events of the category, discounted by age, then activity: the segment an analyst would write in SQL."""
    own = _by_demand(scene.histories.counts[1], demands)
    ever = _by_demand(scene.histories.counts[-1], demands)
    return np.log1p(own) + np.log1p(ever) + 0.2 * activity(scene, demands)


def ease(scene: Scene, demands: Sequence[BenchmarkDemand]) -> Scores:
    """EASE between the categories of the demands (Steck 2019, arXiv 1905.03375), own counts left out."""
    logged = np.log1p(_by_demand(scene.histories.counts[-1], demands))
    gram = torch.from_numpy(logged.T @ logged)
    gram.diagonal().add_(_EASE_PENALTY)
    inverse = torch.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0.0)
    return np.asarray(logged @ weights.numpy())


def ease_and_counts(scene: Scene, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Both of the above, each standardised."""
    return _standard(ease(scene, demands)) + _standard(count_rule(scene, demands))


def profile_text(scene: Scene, demands: Sequence[BenchmarkDemand], encoder: TextEncoder) -> Scores:
    """The user is the mean vector of what she did; the demand is its sentence; the score is their cosine."""
    counts = scene.histories.counts[_PROFILE_HALF_LIFE]
    profiles = _unit(counts @ _item_vectors(scene, encoder))
    return np.asarray(profiles @ _sentences(demands, encoder).T, np.float64)


def centred_profile(scene: Scene, demands: Sequence[BenchmarkDemand], encoder: TextEncoder) -> Scores:
    """The same with log counts over three half-lives, without what everybody does, and with activity added."""
    vectors = _item_vectors(scene, encoder)
    reach = scene.histories.reach()
    vectors = vectors - (reach / reach.sum()) @ vectors
    pooled = np.zeros((len(scene.histories.user_ids), vectors.shape[1]), np.float32)
    for counts in scene.histories.counts[1:]:
        logged = sp.csr_matrix(counts, copy=True)
        logged.data = np.log1p(logged.data)
        pooled += logged @ vectors
    profiles = _unit(pooled)
    profiles = _unit(profiles - profiles[scene.histories.in_population].mean(0))
    sentences = _sentences(demands, encoder)
    near = profiles @ _unit(sentences - sentences.mean(0)).T
    return _standard(np.asarray(near, np.float64)) + 2.0 * _standard(activity(scene, demands))


def semantic_match(scene: Scene, demands: Sequence[BenchmarkDemand], encoder: TextEncoder) -> Scores:
    """Log of recency-weighted counts, weighed by a softmax over the cosines of sentence and items."""
    logits = _SHARPNESS * _sentences(demands, encoder) @ _item_vectors(scene, encoder).T
    weights = np.exp(logits - logits.max(1, keepdims=True)) * scene.vocabulary.main_items
    weights /= weights.sum(1, keepdims=True)
    logged = sp.csr_matrix(scene.histories.counts[_PROFILE_HALF_LIFE], copy=True)
    logged.data = np.log1p(logged.data)
    return np.asarray(logged @ weights.T)


def _by_demand(counts: sp.csr_matrix, demands: Sequence[BenchmarkDemand]) -> Scores:
    rows = np.concatenate([demand.items for demand in demands])
    columns = np.repeat(np.arange(len(demands)), [len(demand.items) for demand in demands])
    shape = (counts.shape[1], len(demands))
    return np.asarray(
        (counts @ sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)).toarray(), np.float64
    )


def _item_vectors(scene: Scene, encoder: TextEncoder) -> npt.NDArray[np.float32]:
    return _embedded(encoder.name, tuple(scene.vocabulary.texts))


@lru_cache(maxsize=1)
def _embedded(encoder: str, texts: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Three baselines read the same vocabulary; it is embedded once."""
    return text_encoder(encoder).encode(texts)


def _sentences(demands: Sequence[BenchmarkDemand], encoder: TextEncoder) -> npt.NDArray[np.float32]:
    return encoder.encode([demand.sentence for demand in demands])


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _standard(scores: Scores) -> Scores:
    return np.asarray((scores - scores.mean(0)) / (scores.std(0) + 1e-9))

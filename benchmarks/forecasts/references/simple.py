"""References without training: what a team without this project would begin with.

Their constants were chosen on 2017-09-01, before the dates that are reported. Those that are told categories score a
demand of several parts as ``references.parts`` says.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from benchmarks.forecasts.demands import BenchmarkDemand, Items
from benchmarks.forecasts.references.parts import by_parts, standardised
from benchmarks.forecasts.study import Scores, Study
from encoders.features.counts import HALF_LIVES
from encoders.model.users import FeatureSnapshot
from encoders.text.encoders import text_encoder

Matrix = npt.NDArray[np.float32]

_MONTH, _QUARTER, _EVER = (HALF_LIVES.index(half_life) for half_life in (30.0, 90.0, None))
_EASE_PENALTY = 1000.0
_SHARPNESS = 15.0


def activity(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Everything a user did, whatever the demand."""
    return np.repeat(_activity(study.snapshot)[:, None], len(demands), axis=1)


def count_rule(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Own events of the category, discounted by age, then activity: the segment an analyst would write in SQL."""
    return by_parts(study.snapshot, demands, lambda parts: _counted(study.snapshot, parts))


def ease(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """EASE between the item groups (Steck 2019, arXiv 1905.03375), own counts left out."""
    return by_parts(study.snapshot, demands, lambda parts: _ease(study.snapshot, parts))


def ease_and_counts(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Both of the above, each standardised."""
    snapshot = study.snapshot
    return by_parts(
        snapshot, demands, lambda parts: standardised(_ease(snapshot, parts)) + standardised(_counted(snapshot, parts))
    )


def profile_text(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """The user is the mean vector of what they did; the demand is its sentence; the score is their cosine."""
    counts = study.snapshot.histories.counts[_QUARTER]
    profiles = _unit(counts @ item_vectors(study))
    return np.asarray(profiles @ _sentences(study, demands).T, np.float64)


def centred_profile(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """The same with log counts over three half-lives, without what everybody does, and with activity added."""
    histories = study.snapshot.histories
    vectors = item_vectors(study)
    reach = histories.reach()
    vectors = vectors - (reach / reach.sum()) @ vectors
    pooled = np.zeros((len(histories.user_ids), vectors.shape[1]), np.float32)
    for half_life in (_MONTH, _QUARTER, _EVER):
        pooled += _logged(histories.counts[half_life]) @ vectors
    profiles = _unit(pooled)
    profiles = _unit(profiles - profiles[histories.in_population].mean(0))
    near = profiles @ _unit(_sentences(study, demands) - _usual_sentence(study)).T
    return standardised(np.asarray(near, np.float64)) + 2.0 * standardised(activity(study, demands))


def semantic_match(study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Log of recency-weighted counts, weighed by a softmax over the cosines of sentence and items."""
    snapshot = study.snapshot
    logits = _SHARPNESS * _sentences(study, demands) @ item_vectors(study).T
    weights = np.exp(logits - logits.max(1, keepdims=True)) * snapshot.vocabulary.main_items
    weights /= weights.sum(1, keepdims=True)
    return np.asarray(_logged(snapshot.histories.counts[_QUARTER]) @ weights.T, np.float64)


def _activity(snapshot: FeatureSnapshot) -> Scores:
    total = np.asarray(snapshot.histories.counts[_EVER][:, snapshot.vocabulary.main_items].sum(axis=1)).ravel()
    return np.asarray(np.log1p(total), np.float64)


def _counted(snapshot: FeatureSnapshot, parts: list[Items]) -> Scores:
    own = _sums(snapshot.histories.counts[_MONTH], parts)
    ever = _sums(snapshot.histories.counts[_EVER], parts)
    return np.asarray(np.log1p(own) + np.log1p(ever) + 0.2 * _activity(snapshot)[:, None])


def _ease(snapshot: FeatureSnapshot, parts: list[Items]) -> Scores:
    """Ridge regression of a part's log counts on those of the groups that have none of its items.

    Where the part is a group, that is its column of EASE: a diagonal of zero means to do without oneself.
    """
    vocabulary, counts = snapshot.vocabulary, snapshot.histories.counts[_EVER]
    main = np.flatnonzero(vocabulary.main_items)
    names, member = np.unique(np.array(vocabulary.groups)[main], return_inverse=True)
    logged = np.log1p(_sums(counts, [main[member == number] for number in range(len(names))]))
    gram = logged.T @ logged
    gram[np.diag_indices_from(gram)] += _EASE_PENALTY
    group_of = np.full(counts.shape[1], -1)
    group_of[main] = member
    columns = []
    for items, target in zip(parts, np.log1p(_sums(counts, parts)).T, strict=True):
        others = np.setdiff1d(np.arange(len(names)), group_of[items])
        weights = np.linalg.solve(gram[np.ix_(others, others)], logged[:, others].T @ target)
        columns.append(logged[:, others] @ weights)
    return np.stack(columns, axis=1)


def _sums(counts: sp.csr_matrix, parts: list[Items]) -> Scores:
    """Events with the items of each part, [N, P]."""
    rows = np.concatenate(parts)
    columns = np.repeat(np.arange(len(parts)), [len(items) for items in parts])
    indicator = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(counts.shape[1], len(parts)))
    return np.asarray((counts @ indicator).toarray(), np.float64)


def _logged(counts: sp.csr_matrix) -> sp.csr_matrix:
    logged = sp.csr_matrix(counts, copy=True)
    logged.data = np.log1p(logged.data)
    return logged


def _sentences(study: Study, demands: Sequence[BenchmarkDemand]) -> Matrix:
    return study.minilm.encode([demand.sentence for demand in demands])


def _usual_sentence(study: Study) -> Matrix:
    """The mean vector of plain sentences about every group: what all sentences have in common."""
    card, vocabulary = study.snapshot.histories.past.dataset.card, study.snapshot.vocabulary
    groups = sorted({vocabulary.groups[item] for item in np.flatnonzero(vocabulary.main_items)})
    wording = card.wordings.get(card.main_source, "do {items}")
    sentences = tuple(f"{card.unit_plural} that will {wording.format(items=group)}" for group in groups)
    return np.asarray(_embedded(study.minilm.name, sentences).mean(0), np.float32)


def item_vectors(study: Study) -> Matrix:
    """Item texts through MiniLM, [V, D]."""
    return _embedded(study.minilm.name, tuple(study.snapshot.vocabulary.texts))


@lru_cache(maxsize=4)
def _embedded(encoder: str, texts: tuple[str, ...]) -> Matrix:
    """Several references read the same vocabulary, for every task; it is embedded once."""
    return text_encoder(encoder).encode(texts)


def _unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)

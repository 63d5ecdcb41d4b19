"""How varied a set of labels is, and which of them are hard: far from the words of the data, and yet right."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.cluster import KMeans

Matrix = npt.NDArray[np.float32]

_SAME = 0.95
"""Cosine from which two sentences say nearly the same."""
_CLUSTERS = 30
_HARD = 0.75
"""Labels farther from the data than so many of the others are hard positives."""


class Diversity(BaseModel):
    """How varied a set is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: int
    distinct_1: float
    """Different words, as a share of all words."""
    distinct_2: float
    """Different pairs of neighbouring words, likewise."""
    near_duplicates: float
    """Share of the labels that say nearly the same as an earlier one."""
    topics: float
    """Share of the groups in the horizons that a label rests on."""
    clusters: float
    """Share of the clusters of those groups, by meaning, that a label rests on."""


def diversity(sentences: Sequence[str], vectors: Matrix, groups: Matrix, named: npt.NDArray[np.bool_]) -> Diversity:
    """Measure a set.

    Args:
        sentences: N labels.
        vectors: [N, D], unit vectors of theirs.
        groups: [G, D], unit vectors of the names of all groups in the horizons.
        named: [G], whether any label rests on a group.
    """
    words = [re.findall(r"\w+", sentence.lower()) for sentence in sentences]
    single = Counter(word for each in words for word in each)
    pairs = Counter(pair for each in words for pair in pairwise(each))
    return Diversity(
        labels=len(sentences),
        distinct_1=len(single) / max(1, single.total()),
        distinct_2=len(pairs) / max(1, pairs.total()),
        near_duplicates=float(np.mean(_repeats(vectors))) if len(vectors) else 0.0,
        topics=float(named.mean()) if len(named) else 0.0,
        clusters=_clusters_named(groups, named),
    )


def hard(distances: npt.NDArray[np.float64], threshold: float = _HARD) -> npt.NDArray[np.bool_]:
    """Which of N labels are hard positives: right, and yet farthest from the words of the data."""
    if not len(distances):
        return np.zeros(0, bool)
    return np.asarray(distances > np.quantile(distances, threshold))


def _repeats(vectors: Matrix) -> npt.NDArray[np.bool_]:
    cosines = np.tril(vectors @ vectors.T, k=-1)
    return np.asarray(cosines.max(axis=1) >= _SAME)


def _clusters_named(groups: Matrix, named: npt.NDArray[np.bool_]) -> float:
    if not len(groups):
        return 0.0
    cluster = KMeans(min(_CLUSTERS, len(groups)), n_init=3, random_state=0).fit_predict(groups)
    return len(set(cluster[named])) / len(set(cluster))

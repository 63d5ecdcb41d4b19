"""References that are given a list of users instead of a sentence: what is usually done for a look-alike audience.

Their constants were chosen on 2017-08-01, before the dates that are reported.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.utils.extmath import randomized_svd

from benchmarks.forecasts.demands import Items
from benchmarks.forecasts.references.simple import item_vectors
from benchmarks.forecasts.study import Study
from encoders.features.counts import done_in

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]

_LATELY, _LONG, _EVER = 1, 2, 3
"""Which of the half-lives of the histories is meant: 30 days, 90 days, or none."""
_WINDOW = 28
"""Seeds are compared with others by what they did in so many days before the as-of date."""
_SURPRISING = 2.0
"""In standard deviations of what chance gives."""
_DIRECTIONS = 64
_STRENGTH = 1e-5
"""Inverse of the penalty of the logistic regression, per seed."""


class SeedReferences:
    """Every reference that reads seeds, over the users of one study."""

    def __init__(self, study: Study) -> None:
        """Nothing is computed before it is asked for."""
        self._study = study
        self._histories = study.snapshot.histories

    def scores(self, seeds: Items, others: Items) -> dict[str, Vector]:
        """By name, [N] scores of all users.

        Args:
            seeds: rows of the users that are given.
            others: rows of the background.
        """
        return {
            "nearest mean of profile texts (MiniLM), with activity": self._nearest_mean(seeds),
            "Rocchio on log counts": self._rocchio(seeds, others),
            "logistic regression, seeds against background": self._logistic(seeds, others),
            "over-indexing groups, counted": self._over_indexing(seeds, others),
            "the most over-indexing group, counted, with activity": self._most_over_indexing(seeds, others),
        }

    def _nearest_mean(self, seeds: Items) -> Vector:
        """Cosine with the mean profile text of the seeds; alone it is far behind, so activity is added."""
        near = self._profiles @ self._profiles[seeds].mean(0)
        return np.asarray(_standard(near) + 2.0 * self._activity)

    def _rocchio(self, seeds: Items, others: Items) -> Vector:
        """Rocchio's direction from the background's centroid to the seeds' (Manning et al. 2008, section 9.1)."""
        counts = np.log1p(self._by_group(_LATELY))
        return np.asarray(counts @ (counts[seeds].mean(0) - counts[others].mean(0)))

    def _logistic(self, seeds: Items, others: Items) -> Vector:
        """Both classes weigh the same; fewer seeds are held back more."""
        rows = np.concatenate([seeds, others])
        model = LogisticRegression(C=_STRENGTH * len(seeds), class_weight="balanced", max_iter=1000)
        model.fit(self._reduced[rows], np.arange(len(rows)) < len(seeds))
        return np.asarray(model.decision_function(self._reduced), np.float64)

    def _over_indexing(self, seeds: Items, others: Items) -> Vector:
        """Log counts of the groups that surprisingly many seeds did something with, by how surprising that is."""
        surprise = self._surprise(seeds, others)
        weights = np.where(surprise > _SURPRISING, surprise, 0.0)
        return np.asarray(self._logged @ weights)

    def _most_over_indexing(self, seeds: Items, others: Items) -> Vector:
        """What an analyst would do who looks for the one category that sets the seeds apart."""
        best = int(self._surprise(seeds, others).argmax())
        return np.asarray(self._logged[:, best] + 0.2 * self._activity)

    def _surprise(self, seeds: Items, others: Items) -> Vector:
        """By how many standard deviations more seeds than usual did something with each group lately."""
        count, share = self._did[seeds].sum(0), self._did[others].mean(0)
        return np.asarray((count - len(seeds) * share) / np.sqrt(len(seeds) * share * (1 - share) + 0.25))

    @cached_property
    def _groups(self) -> sp.csr_matrix:
        """[V, G]: which item is of which group of the main source."""
        vocabulary = self._study.snapshot.vocabulary
        main = np.flatnonzero(vocabulary.main_items)
        names, number = np.unique([vocabulary.groups[item] for item in main], return_inverse=True)
        return sp.csr_matrix((np.ones(len(main)), (main, number)), shape=(len(vocabulary.texts), len(names)))

    def _by_group(self, half_life: int) -> Matrix:
        return np.asarray((self._histories.counts[half_life] @ self._groups).toarray(), np.float64)

    @cached_property
    def _did(self) -> Matrix:
        """[N, G]: ones where a user did anything with a group lately."""
        past, histories = self._histories.past.events(_WINDOW).collect(), self._histories
        done = done_in(past, histories.user_ids, self._groups.shape[0])
        return np.asarray((done @ self._groups).toarray() > 0, np.float64)

    @cached_property
    def _logged(self) -> Matrix:
        return np.asarray(np.log1p(self._by_group(_LATELY)) + np.log1p(self._by_group(_EVER)))

    @cached_property
    def _activity(self) -> Vector:
        return _standard(np.log1p(self._by_group(_EVER).sum(1)))

    @cached_property
    def _reduced(self) -> Matrix:
        """[N, directions + 1]: main directions of what users do, lately and ever, and activity."""
        counts = np.hstack([np.log1p(self._by_group(_LATELY)), np.log1p(self._by_group(_EVER))])
        counts -= counts[self._histories.in_population].mean(0)
        left, size, _ = randomized_svd(counts, min(_DIRECTIONS, *counts.shape), random_state=self._study.seed)
        return np.column_stack([left * size, self._activity])

    @cached_property
    def _profiles(self) -> Matrix:
        """[N, D]: mean text vector of what each user did, of length one."""
        counts = sp.csr_matrix(self._histories.counts[_LONG], copy=True)
        counts.data = np.log1p(counts.data)
        profiles = counts @ item_vectors(self._study)
        return np.asarray(profiles / np.maximum(np.linalg.norm(profiles, axis=1, keepdims=True), 1e-9), np.float64)


def _standard(scores: Vector) -> Vector:
    return np.asarray((scores - scores.mean()) / (scores.std() + 1e-9))

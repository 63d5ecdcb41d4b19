"""What became of the demands: the only file of the benchmark that looks past the as-of date."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from encoders.benchmark.demands import BenchmarkDemand
from encoders.benchmark.topics import Items
from encoders.history.events import HORIZON_DAYS, Dataset
from encoders.history.histories import done_in
from encoders.model.scene import Scene

EDGE = 25
"""A demand counts when at least so many users of the population respond, and so many do not."""


@dataclass(frozen=True)
class Outcome:
    """What happened to B countable demands among P users."""

    demands: list[BenchmarkDemand]
    rows: npt.NDArray[np.int64]
    """[P]: rows of the scene."""
    responded: npt.NDArray[np.bool_]
    """[P, B]"""
    newcomer: npt.NDArray[np.bool_]
    """[P, B]: the user's history has nothing of what is asked for."""

    def take(self, chosen: npt.NDArray[np.int64]) -> "Outcome":
        """The same for some of the demands."""
        demands = [self.demands[number] for number in chosen]
        return Outcome(demands, self.rows, self.responded[:, chosen], self.newcomer[:, chosen])


def observe(dataset: Dataset, scene: Scene, demands: Sequence[BenchmarkDemand]) -> Outcome:
    """See who of the population responded in the horizon after the date of ``scene``.

    Demands with fewer than ``EDGE`` responders, or fewer others, are left out.

    Raises:
        DataError: the horizon is not over in the data.
    """
    histories = scene.histories
    rows = np.flatnonzero(histories.in_population)
    then = dataset.outcome(histories.past.as_of, HORIZON_DAYS)
    future = done_in(then, histories.user_ids, len(scene.vocabulary.texts))[rows]
    past = histories.counts[-1][rows]
    responded = np.zeros((len(rows), len(demands)), bool)
    newcomer = np.zeros_like(responded)
    for number, demand in enumerate(demands):
        wanted = [_did(future, items) for items in demand.all_of]
        responded[:, number] = np.all(wanted, axis=0) & ~_did(future, demand.none_of)
        newcomer[:, number] = ~_did(past, demand.items)
    responders = responded.sum(0)
    countable = np.flatnonzero((responders >= EDGE) & (responders <= len(rows) - EDGE))
    return Outcome(list(demands), rows, responded, newcomer).take(countable)


def _did(done: sp.csr_matrix, items: Items) -> npt.NDArray[np.bool_]:
    return np.asarray(done[:, items].sum(axis=1)).ravel() > 0

"""What a list of users has in common, in words: where a look-alike audience without a sentence begins.

Seeds are held against the background of all other users, as Pinterest does it (deWet and Ou, "Finding Users Who Act
Alike", KDD 2019). What sets them apart is looked for among the groups of items, because a group has a name, and a name
can be read by the text encoder: from there on, a list of users is a demand like any other.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch.nn import functional

from encoders.forecast import Forecaster
from encoders.history.events import HORIZON_DAYS
from encoders.language.demand import Demand, Part
from encoders.model.dual import EncodedParts, encode_parts

Rows = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]

_WINDOWS = (28, 91, None)
"""In days before the as-of date: seeds may have in common what they did lately, or at any time."""
_GROUPS = 10
"""At most so many groups take part."""
_SHARPNESS = 4
"""Power of the evidence of a group, relative to the best one's; see dev/LOG.md."""
_NAMED = 0.5
"""Groups of at least so much weight, relative to the best one's, are named in the sentence."""


@dataclass(frozen=True)
class Ground:
    """What seeds have in common: names of groups, best first, and weights of which the first is one."""

    groups: tuple[str, ...]
    weights: Weights


class Background:
    """Everything the users of one forecaster did, by group of the main source."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Count by group; takes one pass over the events for each window."""
        vocabulary = forecaster.scene.vocabulary
        main = np.flatnonzero(vocabulary.main_items)
        self._forecaster = forecaster
        names, number = np.unique([vocabulary.groups[item] for item in main], return_inverse=True)
        self._names = [str(name) for name in names]
        shape = (len(vocabulary.texts), len(names))
        belongs = sp.csr_matrix((np.ones(len(main), np.float32), (main, number)), shape=shape)
        self._did = [sp.csr_matrix((forecaster.done_within(days) @ belongs) > 0) for days in _WINDOWS]

    def ground(self, seeds: Rows, others: Rows) -> Ground:
        """The groups that more of ``seeds`` than of ``others`` did something with.

        The evidence of a group is the log-likelihood ratio of the seeds' share against the others' (Dunning, "Accurate
        Methods for the Statistics of Surprise and Coincidence", 1993), in the window where it is largest.
        """
        evidence = np.max([_surprise(did, seeds, others) for did in self._did], axis=0)
        best = np.argsort(-evidence, kind="stable")[:_GROUPS]
        best = best[evidence[best] > 0]
        if not len(best):
            best = np.argsort(-np.asarray(self._did[-1][others].sum(0)).ravel(), kind="stable")[:1]
            return Ground((self._names[best[0]],), np.ones(1, np.float32))
        weights = (evidence[best] / evidence[best[0]]) ** _SHARPNESS
        return Ground(tuple(self._names[group] for group in best), weights.astype(np.float32))

    def demand(self, ground: Ground) -> Demand:
        """The sentence that comes nearest to what the seeds have in common."""
        named = tuple(group for group, weight in zip(ground.groups, ground.weights, strict=True) if weight >= _NAMED)
        return Demand(self._sentence(" or ".join(named)), (Part(named),), HORIZON_DAYS)

    def encode(self, grounds: list[Ground]) -> EncodedParts:
        """One part per ground, of a single phrase: the mean of its groups by weight."""
        distinct = sorted({group for ground in grounds for group in ground.groups})
        number = {group: place for place, group in enumerate(distinct)}
        demands = [Demand(self._sentence(group), (Part((group,)),)) for group in distinct]
        single, _ = encode_parts(self._forecaster.encoder, demands, [0] * len(distinct))
        weights = torch.zeros(len(grounds), len(distinct))
        for row, ground in enumerate(grounds):
            weights[row, [number[group] for group in ground.groups]] = torch.from_numpy(ground.weights)
        return EncodedParts(
            phrases=functional.normalize(weights @ single.phrases, dim=-1),
            owner=torch.arange(len(grounds)),
            sentences=functional.normalize(weights @ single.sentences, dim=-1),
            source=np.zeros(len(grounds), np.int64),
        )

    def _sentence(self, items: str) -> str:
        card = self._forecaster.dataset.card
        return f"{card.unit_plural} that will {card.wordings.get(card.main_source, 'do {items}').format(items=items)}"


def _surprise(did: sp.csr_matrix, seeds: Rows, others: Rows) -> npt.NDArray[np.float64]:
    """Log-likelihood ratio of each group, zero where the seeds did less than the others."""
    count = np.asarray(did[seeds].sum(0), np.float64).ravel()
    usual = (np.asarray(did[others].sum(0), np.float64).ravel() + 0.5) / (len(others) + 1)
    share = (count + usual) / (len(seeds) + 1)
    ratio = count * np.log(share / usual) + (len(seeds) - count) * np.log((1 - share) / (1 - usual))
    return np.asarray(np.where(share > usual, np.maximum(ratio, 0.0), 0.0))

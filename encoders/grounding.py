"""Which items a phrase really means: from a cosine to a yes or no.

The match weighs every item a little; some questions need a set instead: who has done it already, how many do it in a
usual month, which groups shall the marketer read. A logistic model over an item's own relevance and its distance from
the best one is fitted on labels, whose items are known.
"""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.linear_model import LogisticRegression

from encoders.labels import Label

Matrix = npt.NDArray[np.float32]

MEANT = 0.4
"""An item is meant from this probability on."""
_NEAREST = 60
_FAINT = 0.3
"""Where even the best item is less relevant than this (a cosine), the data has nothing of the kind."""


class Grounding(BaseModel):
    """Coefficients of the logistic model; the only state."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    relevance: float
    distance: float
    intercept: float

    @classmethod
    def fit(cls, relevance: Matrix, belongs: npt.NDArray[np.bool_], labels: list[Label]) -> "Grounding":
        """Learn from labels.

        Args:
            relevance: [B, V] cosines.
            belongs: [B, V], whether an item is of the source that the label speaks of.
            labels: B labels; their items are the truth.
        """
        near, truth = [], []
        for row, allowed, label in zip(relevance, belongs, labels, strict=True):
            masked = np.where(allowed, row, -2.0)
            nearest = np.argsort(-masked)[: min(_NEAREST, allowed.sum())]
            near.append(np.stack([masked[nearest], masked.max() - masked[nearest]], axis=1))
            truth.append(np.isin(nearest, label.items))
        model = LogisticRegression(C=10.0).fit(np.concatenate(near), np.concatenate(truth))
        weights = model.coef_[0]
        return cls(relevance=weights[0], distance=weights[1], intercept=model.intercept_[0])

    def meant(self, relevance: Matrix, belongs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Items that a phrase means, most relevant first; at least one unless nothing is near.

        Args:
            relevance: [V] cosines.
            belongs: [V], items that may be meant.
        """
        masked = np.where(belongs, relevance, -2.0)
        best = float(masked.max())
        if best < _FAINT:
            return np.zeros(0, np.int64)
        logit = self.relevance * masked + self.distance * (best - masked) + self.intercept
        chosen = np.flatnonzero((logit >= np.log(MEANT / (1 - MEANT))) | (masked == best))
        return chosen[np.argsort(-masked[chosen], kind="stable")]

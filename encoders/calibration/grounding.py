"""Which items a phrase really means: from cosines to a yes or no.

The match weighs every item a little; some questions need a set instead: who has done it already, how many do it in a
usual month, which groups shall the marketer read. A logistic model over how near an item and its group are, and how
far behind the nearest, is fitted on labels, whose items are known. Marketers do not use the words of the data, so
most of those labels are blurred: their vectors are mixed with those of other sentences.
"""

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from encoders.records import Record
from encoders.training.labels import Label

Matrix = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

MEANT = 0.5
"""An item is meant from this probability on."""
_NEAREST = 150
_SINGLE, _CLEAR = 0.1, 0.5
"""Where no item is sure, but one is nearer than any group by so much, and clearly near, it is meant alone."""
_AS_NEAR = 0.03
"""With it, what is as near."""
_FAINT = 0.3
"""Where even the best item or group is less near than this (a cosine), the data has nothing of the kind."""


class ItemGrounding(Record):
    """Coefficients of the logistic model; the only state."""

    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, text: Matrix, group: Matrix, belongs: Mask, labels: list[Label]) -> "ItemGrounding":
        """Learn from labels.

        Args:
            text: [B, V] cosines with the items' own texts.
            group: [B, V] cosines with the names of their groups.
            belongs: [B, V], whether an item is of the source that the label speaks of.
            labels: B labels; their items are the truth.
        """
        features, truth = [], []
        for near, near_group, allowed, label in zip(text, group, belongs, labels, strict=True):
            items = np.flatnonzero(allowed)
            items = items[np.argsort(-(near + near_group)[items])[:_NEAREST]]
            features.append(_features(near[items], near_group[items]))
            truth.append(np.isin(items, label.items))
        model = LogisticRegression(C=10.0, max_iter=1000).fit(np.concatenate(features), np.concatenate(truth))
        return cls(weights=tuple(model.coef_[0]), intercept=float(model.intercept_[0]))

    def meant(self, text: Matrix, group: Matrix, belongs: Mask) -> npt.NDArray[np.int64]:
        """Items that a phrase means, nearest first; the nearest group where no item is sure.

        Nothing is meant where nothing is near.

        Args:
            text: [V] cosines with the items' own texts.
            group: [V] cosines with the names of their groups.
            belongs: [V], items that may be meant.
        """
        items = np.flatnonzero(belongs)
        if not len(items) or max(text[items].max(), group[items].max()) < _FAINT:
            return np.zeros(0, np.int64)
        logits = _features(text[items], group[items]) @ np.array(self.weights) + self.intercept
        chosen = logits >= np.log(MEANT / (1 - MEANT))
        if not chosen.any() and text[items].max() > max(_CLEAR, group[items].max() + _SINGLE):
            chosen = text[items] >= text[items].max() - _AS_NEAR
        if not chosen.any():
            chosen = group[items] == group[items][logits.argmax()]
        order = np.argsort(-logits[chosen], kind="stable")
        return np.asarray(items[chosen][order], np.int64)


def _features(text: Matrix, group: Matrix) -> npt.NDArray[np.float64]:
    """[V, 8]: nearness, distances from the nearest, and both again where a single item is nearer than any group."""
    behind, group_behind = text.max() - text, group.max() - group
    single = np.full_like(text, text.max() - group.max())
    columns = [text, group, behind, group_behind, single, single * behind, single * group_behind, group_behind**2]
    return np.stack(columns, axis=-1).astype(np.float64)

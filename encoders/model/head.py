"""The head: from match channels, activity and the cosine of dense vectors to one score."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from encoders.history.activity import ACTIVITY
from encoders.model.match import CHANNELS

Addition = Literal["match", "structure", "activity", "dense"]
"""The parts of a score: own events, what goes together, activity, the cosine of dense vectors."""

_HIDDEN = 32


class Head(nn.Module):
    """A line and a small network over standardised features, added."""

    def __init__(self, without: tuple[Addition, ...] = ()) -> None:
        """Make a head that does not look at some parts of the score."""
        super().__init__()
        channel = [family not in without for family in CHANNELS]
        kept = [*channel, *channel, *(len(ACTIVITY) * ["activity" not in without]), "dense" not in without]
        self._kept = torch.tensor(kept, dtype=torch.float32)
        self.line = nn.Linear(len(kept), 1)
        self.bend = nn.Sequential(nn.Linear(len(kept), _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1))

    def forward(self, found: Tensor, aligned: Tensor, activity: Tensor, here: npt.NDArray[np.bool_]) -> Tensor:
        """Score N users against B demands.

        Args:
            found: [N, B, len(CHANNELS)] from the match.
            aligned: [N, B] cosines of the dense vectors.
            activity: [N, len(ACTIVITY)].
            here: [N], users over whom everything is standardised.

        Returns:
            [N, B] logits.
        """
        standard, mean = _standard(found, here)
        features = [
            standard,
            (mean / 4.0).expand_as(found),
            activity[:, None].expand(-1, found.shape[1], -1),
            _standard(aligned[..., None], here)[0],
        ]
        joined = torch.cat(features, dim=-1) * self._kept
        return torch.add(self.line(joined), self.bend(joined)).squeeze(-1)


def _standard(values: Tensor, here: npt.NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """Values [N, B, C] in deviations from their mean over the users ``here``, and that mean."""
    mean, deviation = values[here].mean(0), values[here].std(0, correction=0)
    return (values - mean) / (deviation + 0.05), mean

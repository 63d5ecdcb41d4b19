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
_NEAREST = 2
_BLOCK = 16384
"""Users or scores at a time: what lies between two steps then stays in the cache."""


class Head(nn.Module):
    """A line and a small network over standardised features, added."""

    def __init__(self, without: tuple[Addition, ...] = ()) -> None:
        """Make a head that does not look at some parts of the score."""
        super().__init__()
        channel = [family not in without for family in CHANNELS]
        kept = [
            *channel,
            *channel,
            *(_NEAREST * [True]),
            *(len(ACTIVITY) * ["activity" not in without]),
            "dense" not in without,
        ]
        self._kept = torch.tensor(kept, dtype=torch.float32)
        self.line = nn.Linear(len(kept), 1)
        self.bend = nn.Sequential(nn.Linear(len(kept), _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1))

    def forward(
        self, found: Tensor, nearest: Tensor, aligned: Tensor, activity: Tensor, here: npt.NDArray[np.bool_]
    ) -> Tensor:
        """Score N users against B demands.

        Args:
            found: [N, B, len(CHANNELS)] from the match.
            nearest: [B, 2] cosines of each demand with what is nearest to it: far from all, no narrow match is a guide.
            aligned: [N, B] cosines of the dense vectors.
            activity: [N, len(ACTIVITY)].
            here: [N], users over whom everything is standardised.

        Returns:
            [N, B] logits.
        """
        demands, channels = found.shape[1:]
        first = self.bend[0]
        weight = torch.cat([self.line.weight, first.get_parameter("weight")]) * self._kept
        bias = torch.cat([self.line.bias, first.get_parameter("bias")])
        mean, scale = _level(found, here)
        dense_mean, dense_scale = _level(aligned[..., None], here)
        ends = (channels, 2 * channels + _NEAREST)
        of_users, of_demand, of_rest = torch.tensor_split(weight, ends, dim=1)
        level = torch.cat([mean / 4.0, 4.0 * nearest - 2.0], dim=1) @ of_demand.T + bias
        weight = torch.cat([of_users, of_rest], dim=1).T
        block = max(1, _BLOCK // max(1, demands))
        scores = []
        for start in range(0, len(found), block):
            rows = slice(start, start + block)
            standard = (found[rows] - mean) / scale
            dense = (aligned[rows, :, None] - dense_mean) / dense_scale
            features = torch.cat([standard, activity[rows, None].expand(-1, demands, -1), dense], dim=-1)
            hidden = features @ weight + level
            scores.append(hidden[..., 0] + self.bend[1:](hidden[..., 1:]).squeeze(-1))
        return torch.cat(scores)


def _level(values: Tensor, here: npt.NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    """Mean and scale of values [N, B, C] over the users ``here``, each [B, C]; a constant keeps a finite scale."""
    channels, chosen = values.permute(1, 2, 0), torch.from_numpy(here).to(values.dtype)
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(here), _BLOCK)]
    mean = torch.stack([(channels[..., rows] * chosen[rows]).sum(-1) for rows in blocks]).sum(0) / chosen.sum()
    apart = [((channels[..., rows] - mean[..., None]) * chosen[rows]).square().sum(-1) for rows in blocks]
    return mean, (torch.stack(apart).sum(0) / chosen.sum()).sqrt() + 0.05

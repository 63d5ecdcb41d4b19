"""The dual encoder: sentences on one side, histories on the other, one score for each pair.

    score(user, demand) = head(match channels, activity) + scale * cosine(user vector, sentence vector)

The cosine is FOUND's alignment (arXiv 2412.12468): what users do next pulls their vectors towards the sentences that
say so. The match keeps the counts that a single vector forgets (see ``encoders.match``).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.demand import Demand, Part
from encoders.histories import ACTIVITY_FEATURES
from encoders.match import CHANNELS, Match, Nearness, Vocabulary
from encoders.scene import Scene
from encoders.text import TextEncoder
from encoders.user import UserTower

WIDTH = 128
_HIDDEN = 32


@dataclass(frozen=True)
class EncodedParts:
    """B parts of demands, as the model reads them."""

    phrases: Tensor
    """[P, D]: every alternative, mixed with its whole sentence."""
    owner: Tensor
    """[P]: the part it belongs to."""
    sentences: Tensor
    """[B, D]"""
    source: npt.NDArray[np.int64]
    """[B]: the source each part speaks of, as an index into ``Vocabulary.sources``."""

    def __len__(self) -> int:
        return len(self.sentences)

    def take(self, chosen: npt.NDArray[np.int64]) -> "EncodedParts":
        """Some of the parts, in the order of ``chosen``."""
        owner = self.owner.numpy()
        places = [np.flatnonzero(owner == part) for part in chosen]
        phrases = torch.from_numpy(np.concatenate(places))
        new_owner = torch.from_numpy(np.repeat(np.arange(len(chosen)), [len(place) for place in places]))
        picked = torch.from_numpy(chosen)
        return EncodedParts(self.phrases[phrases], new_owner, self.sentences[picked], self.source[chosen])


def encode_parts(
    encoder: TextEncoder, demands: list[Demand], source_of: list[int]
) -> tuple[EncodedParts, list[tuple[int, Part]]]:
    """Embed the parts of ``demands``.

    Args:
        encoder: the frozen text encoder.
        demands: sentences, taken apart.
        source_of: the source each demand speaks of.

    Returns:
        The encoded parts, and for each of them its demand's number and what it says.
    """
    parts = [(number, part) for number, demand in enumerate(demands) for part in demand.parts]
    sentences = [
        demands[number].sentence if len(demands[number].parts) == 1 else " or ".join(part.phrases)
        for number, part in parts
    ]
    phrases = [phrase for _, part in parts for phrase in part.phrases]
    owner = np.repeat(np.arange(len(parts)), [len(part.phrases) for _, part in parts])
    distinct = sorted({*sentences, *phrases})
    vectors = dict(zip(distinct, encoder.encode(distinct), strict=True))
    whole = torch.from_numpy(np.stack([vectors[text] for text in sentences]))
    single = torch.from_numpy(np.stack([vectors[text] for text in phrases]))
    mixed = functional.normalize(single + whole[owner], dim=-1)
    source = np.array([source_of[number] for number, _ in parts], np.int64)
    return EncodedParts(mixed, torch.from_numpy(owner), whole, source), parts


class DualEncoder(nn.Module):
    """Both towers, the match and the head."""

    def __init__(self, dimension: int, width: int = WIDTH) -> None:
        """Make a model over text vectors of ``dimension``; user and sentence vectors get ``width`` numbers."""
        super().__init__()
        self.dimension, self.width = dimension, width
        self.match = Match(dimension)
        self.users = UserTower(dimension, width)
        self.texts = nn.Sequential(nn.Linear(dimension, width), nn.GELU(), nn.Linear(width, width))
        features = 2 * CHANNELS + ACTIVITY_FEATURES
        self.linear = nn.Linear(features, 1)
        self.head = nn.Sequential(nn.Linear(features, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, 1))
        self.log_dense = nn.Parameter(torch.zeros(()))

    def user_vectors(self, scene: Scene, rows: npt.NDArray[np.int64] | None = None) -> Tensor:
        """Unit vectors of the scene's users (or of some ``rows``), [N, width]."""
        inputs = scene.inputs if rows is None else scene.inputs.rows(rows)
        vectors: Tensor = self.users(torch.from_numpy(inputs.pools), torch.from_numpy(inputs.activity))
        return vectors

    def sentence_vectors(self, parts: EncodedParts) -> Tensor:
        """Unit vectors of the parts, [B, width]."""
        return functional.normalize(self.texts(parts.sentences), dim=-1)

    def nearness(self, vocabulary: Vocabulary, parts: EncodedParts) -> Nearness:
        """How near every item and its group are to every part."""
        return self.match.nearness(parts.phrases, parts.owner, vocabulary, len(parts))

    def score(
        self,
        scene: Scene,
        parts: EncodedParts,
        near: Nearness,
        users: Tensor,
        rows: npt.NDArray[np.int64] | None = None,
    ) -> Tensor:
        """Score users against parts.

        Args:
            scene: the users.
            parts: B encoded parts.
            near: from ``nearness`` for the same parts.
            users: [N, width] from ``user_vectors`` for the same ``rows``.
            rows: which users; None for all. Channels are standardised over those of them in the population.

        Returns:
            [N, B] logits.
        """
        belongs = scene.of_source(parts.source)
        relevance = self.match.relevance(near)
        target = self.match.attention(relevance, torch.from_numpy(belongs))
        other = self.match.attention(relevance, torch.from_numpy(scene.histories.seen & ~belongs))[0]
        counts, logged, activity, everyone = scene.counted(rows)
        channels = self.match.channels(counts, logged, scene.structure, target, other)
        mean, deviation = channels[everyone].mean(0), channels[everyone].std(0, correction=0)
        standard = (channels - mean) / (deviation + 0.05)
        level = (mean / 4.0).expand_as(channels)
        features = torch.cat([standard, level, activity[:, None].expand(-1, len(parts), -1)], dim=-1)
        matched = (self.linear(features) + self.head(features)).squeeze(-1)
        aligned = users @ self.sentence_vectors(parts).T
        return torch.add(matched, self.log_dense.exp() * aligned)

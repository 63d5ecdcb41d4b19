"""The dual encoder: sentences on one side, histories on the other, and the head that makes one score."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.features.counts import ACTIVITY
from encoders.features.sparse import Rows
from encoders.model.match import CHANNELS, Attention, ItemEmbeddings, Match, Similarities, channels
from encoders.model.users import FeatureSnapshot, UserTower
from encoders.text.demand import Demand, Part
from encoders.text.encoders import JoinedEncoders, LearningEncoder, TextEncoder

Addition = Literal["match", "structure", "activity", "dense"]
"""The parts of a score: own events, what goes together, activity, the cosine of dense vectors."""

_HIDDEN = 32
_NEAREST = 2
BLOCK = 16384
"""Users or scores at a time: what lies between two steps then stays in the cache."""


class ScoreHead(nn.Module):
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
        self.kept = torch.tensor(kept, dtype=torch.float32)
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
        weight = torch.cat([self.line.weight, first.get_parameter("weight")]) * self.kept
        bias = torch.cat([self.line.bias, first.get_parameter("bias")])
        mean, scale = _level(found, here)
        dense_mean, dense_scale = _level(aligned[..., None], here)
        ends = (channels, 2 * channels + _NEAREST)
        of_users, of_demand, of_rest = torch.tensor_split(weight, ends, dim=1)
        level = torch.cat([mean / 4.0, 4.0 * nearest - 2.0], dim=1) @ of_demand.T + bias
        weight = torch.cat([of_users, of_rest], dim=1).T
        block = max(1, BLOCK // max(1, demands))
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
    blocks = [slice(start, start + BLOCK) for start in range(0, len(here), BLOCK)]
    mean = torch.stack([(channels[..., rows] * chosen[rows]).sum(-1) for rows in blocks]).sum(0) / chosen.sum()
    apart = [((channels[..., rows] - mean[..., None]) * chosen[rows]).square().sum(-1) for rows in blocks]
    return mean, (torch.stack(apart).sum(0) / chosen.sum()).sqrt() + 0.05


WIDTH = 128
_SCALE = 10.0
"""Where the scale of the cosine begins."""


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
    gain: float = 1.0
    """What cosines with the data are multiplied with, where only one of several encoders knows the words."""

    def __len__(self) -> int:
        return len(self.sentences)

    def take(self, chosen: npt.NDArray[np.int64]) -> "EncodedParts":
        """Some of the parts, in the order of ``chosen``."""
        owner = self.owner.numpy()
        places = [np.flatnonzero(owner == part) for part in chosen]
        phrases = torch.from_numpy(np.concatenate(places))
        new_owner = torch.from_numpy(np.repeat(np.arange(len(chosen)), [len(place) for place in places]))
        picked = torch.from_numpy(chosen)
        return EncodedParts(self.phrases[phrases], new_owner, self.sentences[picked], self.source[chosen], self.gain)

    def apart(self) -> "EncodedParts":
        """Every phrase as a part of its own."""
        owner = self.owner.numpy()
        alone = torch.arange(len(owner))
        return EncodedParts(self.phrases, alone, self.sentences[self.owner], self.source[owner], self.gain)

    def by_first_alone(self, encoder: JoinedEncoders) -> "EncodedParts":
        """The same as the first of several encoders reads them."""
        phrases, sentences = map(encoder.first_alone, (self.phrases, self.sentences))
        return EncodedParts(phrases, self.owner, sentences, self.source, encoder.gain)


def encode_parts(
    encoder: TextEncoder | LearningEncoder, demands: list[Demand], source_of: list[int]
) -> tuple[EncodedParts, list[tuple[int, Part]]]:
    """Embed the parts of ``demands``.

    Args:
        encoder: the text encoder; the parts carry its gradient where it gives one.
        demands: sentences, taken apart.
        source_of: the source each demand speaks of.

    Returns:
        The encoded parts, and for each of them its demand's number and what it says.
    """
    parts = [(number, part) for number, demand in enumerate(demands) for part in demand.parts]
    sentences = [
        demands[number].bare if len(demands[number].parts) == 1 else " or ".join(part.phrases) for number, part in parts
    ]
    phrases = [phrase for _, part in parts for phrase in part.phrases]
    owner = np.repeat(np.arange(len(parts)), [len(part.phrases) for _, part in parts])
    distinct = sorted({*sentences, *phrases})
    place = {text: number for number, text in enumerate(distinct)}
    vectors = torch.as_tensor(encoder.encode(distinct))
    whole = vectors[[place[text] for text in sentences]]
    single = vectors[[place[text] for text in phrases]]
    mixed = functional.normalize(single + whole[owner], dim=-1)
    source = np.array([source_of[number] for number, _ in parts], np.int64)
    return EncodedParts(mixed, torch.from_numpy(owner), whole, source), parts


class DualEncoder(nn.Module):
    """Both towers, the match and the head."""

    def __init__(self, dimension: int, width: int = WIDTH, without: tuple[Addition, ...] = ()) -> None:
        """Make a model over text vectors of ``dimension``; user and sentence vectors get ``width`` numbers.

        Args:
            dimension: of the text vectors.
            width: of the dense vectors.
            without: what to leave out, for finding out what it is worth.
        """
        super().__init__()
        self.dimension, self.width, self.without = dimension, width, without
        self.match = Match(dimension)
        alone = {"match", "structure", "activity"} <= set(without)
        self.users = UserTower(dimension, width, with_activity=alone)
        self.texts = nn.Sequential(nn.Linear(dimension, width), nn.GELU(), nn.Linear(width, width))
        self.alone = alone
        self.head = ScoreHead(without)
        self.log_scale = nn.Parameter(torch.tensor(_SCALE).log())

    def user_vectors(self, snapshot: FeatureSnapshot, rows: Rows | None = None) -> Tensor:
        """Unit vectors of the snapshot's users (or of some ``rows``), [N, width]; some of them at a time."""
        texts = torch.from_numpy(snapshot.vocabulary.text_vectors)
        rows = np.arange(len(snapshot.inputs)) if rows is None else rows
        some = (rows[start : start + BLOCK] for start in range(0, max(1, len(rows)), BLOCK))
        return torch.cat([self.users(texts, snapshot.inputs.take(few)) for few in some])

    def sentence_vectors(self, parts: EncodedParts) -> Tensor:
        """Unit vectors of the parts, [B, width]."""
        return functional.normalize(self.texts(parts.sentences), dim=-1)

    def aligned(self, parts: EncodedParts, users: Tensor) -> Tensor:
        """Scaled cosines of users [N, width] with parts: FOUND's score, [N, B]."""
        return self.log_scale.exp() * (users @ self.sentence_vectors(parts).T)

    def nearness(self, placed: ItemEmbeddings, parts: EncodedParts) -> Similarities:
        """How near every item and group, as ``match.place`` has them, are to every part."""
        near = self.match.nearness(parts.phrases, parts.owner, placed, len(parts))
        return near if parts.gain == 1.0 else Similarities(*(parts.gain * cosines for cosines in near))

    def attention(self, snapshot: FeatureSnapshot, parts: EncodedParts, near: Similarities) -> Attention:
        """Where the parts look, among what had been seen by the snapshot's date."""
        belongs = snapshot.of_source(parts.source)
        return self.match.attention(
            near,
            torch.from_numpy(belongs),
            torch.from_numpy(snapshot.groups_of_source(parts.source)),
            torch.from_numpy(snapshot.histories.seen & ~belongs),
        )

    def score(
        self,
        snapshot: FeatureSnapshot,
        parts: EncodedParts,
        near: Similarities,
        users: Tensor,
        rows: Rows | None = None,
    ) -> Tensor:
        """Score users against parts.

        Args:
            snapshot: the users.
            parts: B encoded parts.
            near: from ``nearness`` for the same parts.
            users: [N, width] from ``user_vectors`` for the same ``rows``.
            rows: which users; None for all. Channels are standardised over those of them in the population.

        Returns:
            [N, B] logits.
        """
        aligned = self.aligned(parts, users)
        if self.alone:
            return aligned
        found, nearest = self.channels(snapshot, parts, near, rows)
        scores: Tensor = self.head(found, nearest, aligned, snapshot.activity(rows), snapshot.in_population(rows))
        return scores

    def channels(
        self, snapshot: FeatureSnapshot, parts: EncodedParts, near: Similarities, rows: Rows | None = None
    ) -> tuple[Tensor, Tensor]:
        """The match of users with parts, [N, B, len(CHANNELS)], and how near the data comes to each part, [B, 2].

        Arguments as of ``score``.
        """
        attention = self.attention(snapshot, parts, near)
        found = channels(
            snapshot.counted(rows),
            attention,
            snapshot.structure,
            snapshot.group_structures,
            snapshot.directions,
            snapshot.source_totals(parts.source, rows),
        )
        return found, attention.nearest

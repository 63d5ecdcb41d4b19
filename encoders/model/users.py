"""Users as the model sees them: the tower of their histories, and all that is known of a data set as of one date."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.data.events import Dataset, Past
from encoders.features.counts import ACTIVITY, HALF_LIVES, SLOTS, UserFeatures, read_user_features
from encoders.features.forms import Counted, count_all, count_some
from encoders.features.shards import stored_features
from encoders.features.sparse import Rows, take_rows
from encoders.features.structure import Factors, Structure, Structures
from encoders.model.match import ItemVocabulary, sparse_product
from encoders.text.encoders import TextEncoder, embed_vocabulary
from encoders.workspace import Workspace

# --- The user side: a history becomes one vector --------------------------------------------------
#
# Each source has a time-aware encoder over the slots of its history, attributes have one that skips what is missing,
# and attention fuses them; a source that is empty for a user, or for a whole data set, is masked. The tower reads items
# and attributes as texts, never as numbers, so it can serve data it was not trained on. Time is counted from the user's
# own last event, so that a vector changes only when its user does something.


Matrix = npt.NDArray[np.float32]

TIMES = len(SLOTS) + 1
"""Time slots of a history."""
_AGES = (*((early + late) / 2 for early, late in zip((0, *SLOTS), SLOTS, strict=False)), 1.5 * SLOTS[-1])
"""Typical age of each slot, in days before the last event."""
_HEADS = 4


@dataclass(frozen=True)
class UserInputs:
    """What the tower reads, for N users."""

    slots: tuple[sp.csr_matrix, ...]
    """One [N * TIMES, V] matrix of log counts per source, the main source first."""
    attributes: npt.NDArray[np.int64]
    """[N, fields]: row of ``attribute_vectors``, or -1 where nothing is known."""
    attribute_vectors: Matrix
    """[K, D]"""
    activity: Matrix
    """[N, len(ACTIVITY)], standardised."""

    def __len__(self) -> int:
        return len(self.attributes)

    def take(self, rows: Rows) -> "UserInputs":
        """The same for some users, in the order of ``rows``."""
        wide = (rows[:, None] * TIMES + np.arange(TIMES)).ravel()
        slots = tuple(take_rows((matrix,), wide)[0] for matrix in self.slots)
        return UserInputs(slots, self.attributes[rows], self.attribute_vectors, self.activity[rows])


def attribute_texts(users: pl.DataFrame, user_ids: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Write attributes out as "field: value" texts.

    Returns:
        The distinct texts, and per user and field which of them holds, [N, fields]; -1 where it is not known.
    """
    names = [name for name in users.columns if name != "user_id"]
    rows = pl.DataFrame({"user_id": list(user_ids)}, schema={"user_id": pl.String})
    known = rows.join(users, on="user_id", how="left", maintain_order="left")
    written = known.select(pl.concat_str(pl.lit(f"{name}: "), name).alias(name) for name in names)
    texts = sorted({text for column in written for text in column.drop_nulls()})
    number = {text: place for place, text in enumerate(texts)}
    columns = [
        column.replace_strict(number, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy() for column in written
    ]
    return texts, np.stack(columns, axis=1) if columns else np.zeros((len(rows), 0), np.int64)


class SourceEncoder(nn.Module):
    """Attention over the time slots of one source, aware of how long ago each was and how full."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.age = nn.Linear(2, width)
        self.question = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.attention = nn.MultiheadAttention(width, _HEADS, batch_first=True)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, content: Tensor, volume: Tensor, present: Tensor) -> Tensor:
        """Encode the slots of N users, [N, width]; zeros for a user without any.

        Args:
            content: [N, TIMES, width], what the slots hold.
            volume: [N, TIMES], how much.
            present: [N, TIMES], slots that may be looked at.
        """
        some = present.any(1)
        if not some.any():
            return content.new_zeros(len(content), content.shape[-1])
        content, volume, present = content[some], volume[some], present[some]
        ages = torch.tensor(_AGES).div(30.0).log1p().expand_as(volume)
        tokens = functional.normalize(content, dim=-1) + self.age(torch.stack([ages, volume.log1p()], dim=-1))
        question = self.question.expand(len(tokens), -1, -1)
        found, _ = self.attention(question, tokens, tokens, key_padding_mask=~present, need_weights=False)
        pooled = found[:, 0]
        encoded: Tensor = pooled + self.out(pooled)
        return encoded.new_zeros(len(some), encoded.shape[1]).masked_scatter(some[:, None], encoded)


class UserTower(nn.Module):
    """All sources and the attributes of a user, fused by attention."""

    def __init__(self, dimension: int, width: int, *, with_activity: bool = False) -> None:
        """Make a tower from text vectors of ``dimension`` to user vectors of ``width``.

        Args:
            dimension: of the text vectors.
            width: of the user vectors.
            with_activity: also read how active a user is, as a tower must that stands alone; beside a head that knows
                it, the vectors stay the same from day to day without it.
        """
        super().__init__()
        self.with_activity = with_activity
        self.project = nn.Linear(dimension, width, bias=False)
        self.gate = nn.Linear(dimension, 1)
        self.main, self.other = SourceEncoder(width), SourceEncoder(width)
        self.fields = nn.Linear(dimension, width)
        self.field_attention = nn.Linear(width, 1)
        self.activity = nn.Linear(len(ACTIVITY), width)
        self.kind = nn.Parameter(torch.randn(4, width) * 0.02)
        self.attention = nn.Linear(width, 1)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, item_vectors: Tensor, inputs: UserInputs, times: slice = slice(None)) -> Tensor:
        """Unit vectors of N users, [N, width].

        Args:
            item_vectors: [V, D] text vectors.
            inputs: of the users.
            times: which time slots may be looked at; all unless two views of one user are to be compared.
        """
        items = self.project(item_vectors) * functional.softplus(self.gate(item_vectors))
        looked_at = torch.zeros(TIMES, dtype=torch.bool)
        looked_at[times] = True
        tokens, present = [], []
        for number, slots in enumerate(inputs.slots):
            content = sparse_product(slots, items).view(len(inputs), TIMES, -1)
            volume = torch.from_numpy(np.asarray(slots.sum(axis=1), np.float32)).view(len(inputs), TIMES)
            there = (volume > 0) & looked_at
            encoder = self.main if number == 0 else self.other
            tokens.append(encoder(content, volume, there) + self.kind[min(number, 1)])
            present.append(there.any(1))
        tokens.append(self._attributes(inputs) + self.kind[2])
        present.append(torch.from_numpy((inputs.attributes >= 0).any(1)))
        last = self.activity(torch.from_numpy(inputs.activity)) if self.with_activity else 0.0
        tokens.append((last + self.kind[3]).expand(len(inputs), -1))
        present.append(torch.ones(len(inputs), dtype=torch.bool))
        return self._fuse(torch.stack(tokens, dim=1), torch.stack(present, dim=1))

    def _fuse(self, tokens: Tensor, present: Tensor) -> Tensor:
        weights = self.attention(torch.tanh(tokens)).squeeze(-1).masked_fill(~present, -torch.inf).softmax(-1)
        return functional.normalize(self.out((weights[..., None] * tokens).sum(1)), dim=-1)

    def _attributes(self, inputs: UserInputs) -> Tensor:
        """Attention over the fields that are known, [N, width]; zeros where none is."""
        known = torch.from_numpy(inputs.attributes >= 0)
        if not known.any():
            return torch.zeros(len(inputs), self.project.out_features)
        fields = self.fields(torch.from_numpy(inputs.attribute_vectors))
        pull = self.field_attention(torch.tanh(fields)).squeeze(-1)
        places = torch.from_numpy(inputs.attributes.clip(0))
        weights = torch.where(known, pull[places].exp(), 0.0)
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-9)
        return torch.sum(weights[..., None] * fields[places], dim=1)


# --- Everything the model needs to know of one data set as of one date, without any trained parameter


_LATELY = HALF_LIVES.index(90.0)


@dataclass(frozen=True)
class FeatureSnapshot:
    """Users of one as-of date over one vocabulary."""

    histories: UserFeatures
    vocabulary: ItemVocabulary
    structure: Structure = field(repr=False)
    """What goes together among items."""
    group_structures: tuple[Structure, Structure] = field(repr=False)
    """What goes together among groups, ever and lately."""
    directions: Factors = field(repr=False)
    """Main directions of what users do."""
    inputs: UserInputs = field(repr=False)

    @cached_property
    def everyone(self) -> Counted:
        """The counts of all users, as the match multiplies with them."""
        return count_all(self.histories)

    def counted(self, rows: Rows | None = None) -> Counted:
        """The counts of all users, or of some ``rows``."""
        return self.everyone if rows is None else count_some(self.everyone, rows)

    def activity(self, rows: Rows | None = None) -> Tensor:
        """Standardised activity of all users, or of some ``rows``: [N, len(ACTIVITY)]."""
        return torch.from_numpy(self.inputs.activity if rows is None else self.inputs.activity[rows])

    def source_totals(self, source: Rows, rows: Rows | None = None) -> Tensor:
        """How much users did in the sources that B demands speak of, lately and ever, as logarithms: [N, B, 2].

        Zero for the main source: the activity says it already.
        """
        totals = self._source_totals if rows is None else self._source_totals[rows]
        return torch.from_numpy(totals[:, source])

    @cached_property
    def _source_totals(self) -> npt.NDArray[np.float32]:
        """The same of all users and sources, [N, S, 2]."""
        vocabulary, counts = self.vocabulary, self.histories.counts
        of_source = np.eye(len(vocabulary.sources), dtype=np.float32)[vocabulary.source_of]
        of_source[:, 0] = 0.0
        return np.asarray(np.log1p(np.stack([counts[_LATELY] @ of_source, counts[-1] @ of_source], axis=-1)))

    def in_population(self, rows: Rows | None = None) -> npt.NDArray[np.bool_]:
        """Which of all users, or of some ``rows``, are in the population: [N]."""
        mask = self.histories.in_population
        return mask if rows is None else mask[rows]

    def of_source(self, source: Rows) -> npt.NDArray[np.bool_]:
        """Whether each item belongs to each of B sources and had been seen by the as-of date, [B, V]."""
        return np.asarray((self.vocabulary.source_of == source[:, None]) & self.histories.seen)

    def groups_of_source(self, source: Rows) -> npt.NDArray[np.bool_]:
        """Whether each group belongs to each of B sources and had been seen by the as-of date, [B, G]."""
        return np.asarray((self.vocabulary.source_of_group == source[:, None]) & self.histories.seen_groups)


def read_vocabulary(dataset: Dataset, encoder: TextEncoder, workspace: Workspace) -> ItemVocabulary:
    """Embed the item vocabulary of ``dataset``, or take it from the workspace's cache."""
    items, groups = dataset.items, dataset.groups
    sources = dataset.sources
    number = {source: place for place, source in enumerate(sources)}
    texts = items["text"].to_list()
    names = groups["group"].to_list()
    return ItemVocabulary(
        texts=texts,
        groups=[names[group] for group in dataset.group_of],
        sources=sources,
        source_of=np.array([number[source] for source in items["source"]], np.int64),
        group_of=dataset.group_of,
        source_of_group=np.array([number[source] for source in groups["source"]], np.int64),
        text_vectors=embed_vocabulary(workspace, encoder, texts),
        group_vectors=embed_vocabulary(workspace, encoder, names),
    )


def read_snapshot(past: Past, vocabulary: ItemVocabulary, encoder: TextEncoder) -> FeatureSnapshot:
    """Count and structure everything that happened before the as-of date of ``past``, in memory."""
    histories = read_user_features(past)
    everyone = count_all(histories)
    structures = Structures.of(everyone.logged, everyone.group_logged, histories.in_population)
    return _snapshot(histories, structures, vocabulary, encoder)


def open_snapshot(past: Past, vocabulary: ItemVocabulary, encoder: TextEncoder) -> FeatureSnapshot:
    """The same, mapped from files beside the data; they are made first where they are missing."""
    stored = stored_features(past)
    return _snapshot(stored.features, stored.structures, vocabulary, encoder)


def _snapshot(
    histories: UserFeatures, structures: Structures, vocabulary: ItemVocabulary, encoder: TextEncoder
) -> FeatureSnapshot:
    texts, attributes = attribute_texts(histories.past.dataset.users, histories.user_ids)
    activity, here = histories.activity, histories.in_population
    inputs = UserInputs(
        slots=histories.slots,
        attributes=attributes,
        attribute_vectors=encoder.encode(texts),
        activity=(activity - activity[here].mean(0)) / (activity[here].std(0) + 0.05),
    )
    return FeatureSnapshot(
        histories=histories,
        vocabulary=vocabulary,
        structure=structures.items,
        group_structures=structures.groups,
        directions=structures.directions,
        inputs=inputs,
    )

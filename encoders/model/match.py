"""The demand-conditioned match: a sentence attends to the items of the data, and so to every user's own events."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.features.counts import GROUP_HALF_LIVES, HALF_LIVES
from encoders.features.forms import Counted
from encoders.features.structure import Factors, Structure

_WIDE = 5
"""Columns of the dense matrix from which on bags of rows are faster."""

with warnings.catch_warnings(action="ignore"):  # torch says once that it may still change this kind of tensor
    torch.eye(1).to_sparse_csr()


class _Product(torch.autograd.Function):
    """A constant sparse matrix times a dense one."""

    @staticmethod
    def forward(ctx: Any, matrix: sp.csr_matrix, dense: Tensor) -> Tensor:
        ctx.matrix = matrix
        starts, columns, data = (torch.from_numpy(part) for part in (matrix.indptr, matrix.indices, matrix.data))
        library = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        if dense.shape[1] >= _WIDE or not library:
            return torch.embedding_bag(dense.contiguous(), columns, starts, False, 0, False, data, True)[0]
        sparse = torch.sparse_csr_tensor(starts, columns, data, size=matrix.shape, check_invariants=False)
        return torch.stack([torch.mv(sparse, column) for column in dense.T]).T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, torch.from_numpy(np.ascontiguousarray(ctx.matrix.T @ gradients[0].contiguous().numpy()))


def sparse_product(matrix: sp.csr_matrix, dense: Tensor) -> Tensor:
    """``matrix`` [N, V] times ``dense`` [V, B], both float32, with a gradient for ``dense``."""
    result: Tensor = _Product.apply(matrix, dense)  # type: ignore[no-untyped-call]
    return result


Matrix = npt.NDArray[np.float32]

SHARPNESS = (16.0, 32.0)
"""Where the scales of the two attention heads over items begin: one wide, one narrow."""
_GROUP_SHARPNESS = 32.0

Family = Literal["match", "structure"]
_MATCH: tuple[Family, ...] = ("match",)
_HEAD: tuple[Family, ...] = (*(len(HALF_LIVES) * _MATCH), "structure")
_GROUP: tuple[Family, ...] = (*(len(GROUP_HALF_LIVES) * _MATCH), "match", "structure", "structure")
CHANNELS: tuple[Family, ...] = (
    *(len(SHARPNESS) * _HEAD),
    "match",
    "match",
    "structure",
    *_GROUP,
    "match",
    "match",
    "match",
)
"""What each channel is made of: own events, or what goes together."""

_FLOOR = 1e-3
_MISFIT = -1e4
_EITHER = 15.0
"""How near the soft maximum of two cosines is to the greater one."""


@dataclass(frozen=True)
class ItemVocabulary:
    """The V items and G groups of the data in the space of the text encoder."""

    texts: list[str]
    groups: list[str]
    """Name of the group of each item, [V]."""
    sources: list[str]
    """Names of the sources, the main one first."""
    source_of: npt.NDArray[np.int64]
    """[V]: index into ``sources``."""
    group_of: npt.NDArray[np.int64]
    """[V]: number of the item's group."""
    source_of_group: npt.NDArray[np.int64]
    """[G]: index into ``sources``."""
    text_vectors: Matrix
    """[V, D]"""
    group_vectors: Matrix
    """[G, D]"""

    @property
    def main_items(self) -> npt.NDArray[np.bool_]:
        """[V]: whether the item belongs to the main source."""
        return np.asarray(self.source_of == 0)


class ItemEmbeddings(NamedTuple):
    """A vocabulary where a model places it; what stays the same from sentence to sentence."""

    texts: Tensor
    """[V, D]"""
    groups: Tensor
    """[G, D]"""
    group_of: Tensor
    """[V]: number of the item's group."""


class Similarities(NamedTuple):
    """Cosines of B demands with V items and G groups."""

    text: Tensor
    """[B, V]: with the items' own texts."""
    group: Tensor
    """[B, V]: with the names of their groups."""
    groups: Tensor
    """[B, G]: with the names of all groups."""
    best: Tensor
    """[B]: of a demand's alternatives with what is nearest to each, on average: whether the data has such a thing."""


class Attention(NamedTuple):
    """Where B demands look; every row sums to one, or to zero where nothing is allowed."""

    items: Tensor
    """[heads, B, V]: items of the source a demand speaks of, wide head first."""
    groups: Tensor
    """[B, G]: groups of that source."""
    other: Tensor
    """[B, V]: items of every other source."""
    nearest: Tensor
    """[B, 2]: cosines with the nearest of those items and groups."""


class TextTower(nn.Module):
    """A frozen encoder's vectors, shifted and bent a little: the trainable part of the text side."""

    def __init__(self, dimension: int, rank: int = 16) -> None:
        """Begin as the identity on vectors of ``dimension``."""
        super().__init__()
        self.centre = nn.Parameter(torch.zeros(dimension))
        self.down = nn.Linear(dimension, rank, bias=False)
        self.up = nn.Linear(rank, dimension, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, vectors: Tensor) -> Tensor:
        """Unit vectors of the same shape."""
        shifted = vectors - self.centre
        return functional.normalize(shifted + self.up(self.down(shifted)), dim=-1)


class Match(nn.Module):
    """From sentences to weights of items and groups, and from those to match channels."""

    def __init__(self, dimension: int) -> None:
        """Make a match over text vectors of ``dimension``."""
        super().__init__()
        self.sentences = TextTower(dimension)
        self.items = TextTower(dimension)
        self.log_sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        self.log_group_sharpness = nn.Parameter(torch.tensor(_GROUP_SHARPNESS).log())

    def place(self, vocabulary: ItemVocabulary) -> ItemEmbeddings:
        """V items and G groups where sentences can be compared with them."""
        texts, groups = torch.from_numpy(vocabulary.text_vectors), torch.from_numpy(vocabulary.group_vectors)
        return ItemEmbeddings(self.items(texts), self.items(groups), torch.from_numpy(vocabulary.group_of))

    def nearness(self, phrases: Tensor, owner: Tensor, placed: ItemEmbeddings, demands: int) -> Similarities:
        """How near every item and group are to a demand: to its alternatives on average, for one may be misread.

        Args:
            phrases: [P, D], the phrases of all demands, one after the other.
            owner: [P], which demand a phrase belongs to.
            placed: V items, G groups.
            demands: B.
        """
        sentences = self.sentences(phrases)

        def averaged(cosines: Tensor) -> Tensor:
            none = cosines.new_zeros((demands, cosines.shape[1]))
            return none.scatter_reduce(0, owner[:, None].expand_as(cosines), cosines, "mean", include_self=False)

        texts, names = sentences @ placed.texts.T, sentences @ placed.groups.T
        best = torch.maximum(texts.detach().amax(-1), names.detach().amax(-1))
        groups = averaged(names)
        return Similarities(averaged(texts), groups[:, placed.group_of], groups, averaged(best[:, None])[:, 0])

    def relevance(self, near: Similarities) -> Tensor:
        """One figure per item, [B, V]: about the greater of both cosines, for a thing or its group may be named."""
        return torch.logaddexp(_EITHER * near.text, _EITHER * near.group) / _EITHER

    def attention(self, near: Similarities, items: Tensor, groups: Tensor, others: Tensor) -> Attention:
        """Turn cosines into weights.

        Args:
            near: B demands.
            items: [B, V], items that each demand may mean.
            groups: [B, G], groups likewise.
            others: [B, V], items of every other source.
        """
        relevance = self.relevance(near)
        sharpness = self.log_sharpness.exp()[:, None, None]
        return Attention(
            _weights(sharpness * relevance, items),
            _weights(self.log_group_sharpness.exp() * near.groups, groups),
            _weights(sharpness[0] * relevance, others),
            torch.stack([_best(near.text, items), _best(near.groups, groups)], dim=-1),
        )


def _best(cosines: Tensor, allowed: Tensor) -> Tensor:
    return cosines.masked_fill(~allowed, -1.0).amax(-1)


def _weights(logits: Tensor, allowed: Tensor) -> Tensor:
    return torch.mul(logits.masked_fill(~allowed, _MISFIT).softmax(-1), allowed)


def channels(
    counted: Counted,
    attention: Attention,
    items: Structure,
    groups: tuple[Structure, Structure],
    directions: Factors,
    source: Tensor,
) -> Tensor:
    """The match of N users with B demands.

    Args:
        counted: what the users did.
        attention: of the demands.
        items: what goes together among items.
        groups: the same among groups, ever and lately.
        directions: main directions of the same users.
        source: [N, B, 2], how much the users did in the whole source that a demand speaks of, lately and ever.

    Returns:
        [N, B, len(CHANNELS)]; in memory one channel lies behind the other, each of them whole.
    """

    def product(matrix: sp.csr_matrix, weights: Tensor) -> tuple[Tensor, ...]:
        """One [N, B] per head of ``weights`` [heads, B, V]; the matrix is read once for all of them."""
        return sparse_product(matrix, weights.flatten(0, 1).T).chunk(len(weights), dim=1)

    def own(matrix: sp.csr_matrix, weights: Tensor) -> list[Tensor]:
        return [torch.log(_FLOOR + match) for match in product(matrix, weights)]

    narrow, by_group = attention.items[-1:], attention.groups[None]
    everywhere = torch.cat([attention.items, attention.other[None]])
    counts = [own(m, everywhere if m is counted.counts[-2] else attention.items) for m in counted.counts]
    related = product(counted.logged, torch.stack([items.spread(head) for head in attention.items]))
    found = []
    for head, together in enumerate(related):
        found += [*(match[head] for match in counts), together]
    found += [*own(counted.kinds, narrow), *own(counted.value, narrow), directions.match(counted.rows, narrow[0])]
    for matrix in (*counted.group_days, counted.group_last):
        found += own(matrix, by_group)
    for logged, structure in zip(counted.group_logged, groups, strict=True):
        found += product(logged, structure.spread(attention.groups)[None])
    found.append(counts[-2][-1])
    found += source.unbind(-1)
    return torch.stack(found).permute(1, 2, 0)

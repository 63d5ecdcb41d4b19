"""The demand-conditioned match: a sentence attends to the items of the data, and so to every user's own events.

One dense vector forgets counts. Here the sentence becomes a weight per item, and a user's match is the weighted count
of her own events, which is one sparse product for all users: exact, fast, and its own explanation. A second product
goes through item-item structure (EASE) and so reaches what a user has not done yet.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.histories import HALF_LIVES, Histories

Matrix = npt.NDArray[np.float32]

SHARPNESS = (16.0, 32.0)
"""Where the scales of the two attention heads begin: one wide, one narrow."""

CHANNELS = len(HALF_LIVES) * len(SHARPNESS) + 3
"""Counts per head and half-life, item-item structure per head, and the other sources."""

_FLOOR = 1e-3
_EASE_ITEMS = 4096
_EASE_PENALTY = 300.0
_MISFIT = -1e4


@dataclass(frozen=True)
class Vocabulary:
    """The items of the data in the space of the text encoder."""

    texts: list[str]
    groups: list[str]
    sources: list[str]
    """Names of the sources, the main one first."""
    source_of: npt.NDArray[np.int64]
    """[V]: index into ``sources``."""
    text_vectors: Matrix
    """[V, D]"""
    group_vectors: Matrix
    """[V, D]: the vector of the item's group."""

    @property
    def main_items(self) -> npt.NDArray[np.bool_]:
        """[V]: whether the item belongs to the main source."""
        return np.asarray(self.source_of == 0)


class Nearness(NamedTuple):
    """Cosines of B demands with V items."""

    text: Tensor
    """[B, V]: with the items' own texts."""
    group: Tensor
    """[B, V]: with the names of their groups."""


class _Product(torch.autograd.Function):
    """A constant sparse matrix times a dense one; scipy does it several times faster than torch on a CPU."""

    @staticmethod
    def forward(ctx: Any, matrix: sp.csr_matrix, dense: Tensor) -> Tensor:
        ctx.matrix = matrix
        return torch.from_numpy(np.ascontiguousarray(matrix @ dense.detach().numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, torch.from_numpy(np.ascontiguousarray(ctx.matrix.T @ gradients[0].contiguous().numpy()))


def sparse_product(matrix: sp.csr_matrix, dense: Tensor) -> Tensor:
    """``matrix`` [N, V] times ``dense`` [V, B], with a gradient for ``dense``."""
    result: Tensor = _Product.apply(matrix, dense)  # type: ignore[no-untyped-call]
    return result


def item_structure(histories: Histories) -> Tensor:
    """EASE: weights that predict one item from the others (Steck 2019, arXiv 1905.03375).

    Only the ``_EASE_ITEMS`` most common items take part; the others keep zero rows and columns.

    Returns:
        [V, V], zero on the diagonal. Row i says what having done item i adds to every other item.
    """
    logged = histories.logged
    reach = histories.reach()
    kept = np.sort(np.argsort(-reach, kind="stable")[:_EASE_ITEMS])
    kept = kept[reach[kept] > 1]
    dense = logged[:, kept].toarray()
    gram = torch.from_numpy(dense.T @ dense)
    gram.diagonal().add_(_EASE_PENALTY)
    inverse = torch.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0.0)
    full = torch.zeros(logged.shape[1], logged.shape[1])
    index = torch.from_numpy(kept)
    full[index[:, None], index] = weights
    return full


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
    """From sentences to item weights, and from item weights to match channels."""

    def __init__(self, dimension: int) -> None:
        """Make a match over text vectors of ``dimension``."""
        super().__init__()
        self.sentences = TextTower(dimension)
        self.items = TextTower(dimension)
        self.log_sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        self.group_share = nn.Parameter(torch.zeros(()))

    def nearness(self, phrases: Tensor, owner: Tensor, vocabulary: Vocabulary, demands: int) -> Nearness:
        """How near every item and its group are to a demand: the nearest of its alternatives counts.

        Args:
            phrases: [P, D], the phrases of all demands, one after the other.
            owner: [P], which demand a phrase belongs to.
            vocabulary: V items.
            demands: B.
        """
        sentences = self.sentences(phrases)

        def nearest(vectors: Matrix) -> Tensor:
            near = sentences @ self.items(torch.from_numpy(vectors)).T
            empty = near.new_full((demands, near.shape[1]), -2.0)
            return torch.scatter_reduce(empty, 0, owner[:, None].expand_as(near), near, "amax")

        return Nearness(nearest(vocabulary.text_vectors), nearest(vocabulary.group_vectors))

    def relevance(self, near: Nearness) -> Tensor:
        """One figure per item from both cosines, [B, V]."""
        return torch.lerp(near.text, near.group, torch.sigmoid(self.group_share))

    def attention(self, relevance: Tensor, allowed: Tensor) -> Tensor:
        """Item weights that sum to one over the ``allowed`` items: [heads, B, V]; zeros where none is allowed."""
        logits = self.log_sharpness.exp()[:, None, None] * relevance
        weights = logits.masked_fill(~allowed, _MISFIT).softmax(-1)
        return torch.mul(weights, allowed)

    def channels(
        self, counts: tuple[sp.csr_matrix, ...], logged: sp.csr_matrix, structure: Tensor, target: Tensor, other: Tensor
    ) -> Tensor:
        """The match of N users with B demands.

        Args:
            counts: one [N, V] matrix per half-life.
            logged: [N, V], log counts.
            structure: [V, V] from ``item_structure``.
            target: [heads, B, V], weights over items of the source the demand speaks of.
            other: [B, V], weights over items of every other source.

        Returns:
            [N, B, CHANNELS]
        """
        found = []
        for head in target:
            found += [torch.log(_FLOOR + sparse_product(matrix, head.T)) for matrix in counts]
            found.append(sparse_product(logged, structure @ head.T))
        found.append(torch.log(_FLOOR + sparse_product(counts[-2], other.T)))
        return torch.stack(found, dim=-1)

"""What goes together: how events with some things speak for others that a user has not touched yet."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

MOST_THINGS = 4096
"""So many things take part, the most common ones; the others keep no neighbours."""
MOST_USERS = 20_000
"""What goes together is learned from so many users at most: of more, from a sample that is drawn once."""
_RANK = 16
_ITEM_PENALTY = 300.0
_GROUP_PENALTIES = (1000.0, 500.0)


@dataclass(frozen=True)
class Structure:
    """Weights between V things, for the K of them that take part."""

    kept: Tensor
    """[K]: which of the V things."""
    weights: Tensor
    """[K, K], zero on the diagonal: row i says what having done thing i adds to every other thing."""

    def spread(self, attention: Tensor) -> Tensor:
        """What having done each of V things adds to demands that attend to some of them, [B, V] -> [B, V]."""
        return torch.zeros_like(attention).index_copy(1, self.kept, attention[:, self.kept] @ self.weights.T)


@dataclass(frozen=True)
class Factors:
    """The main directions of what users do."""

    users: Tensor
    """[N, R]"""
    things: Tensor
    """[V, R]"""

    def match(self, rows: npt.NDArray[np.int64] | None, attention: Tensor) -> Tensor:
        """How much demands lie in the directions of users: attention [B, V] -> [N, B]."""
        users = self.users if rows is None else self.users[torch.from_numpy(rows)]
        return users @ (attention @ self.things).T


@dataclass(frozen=True)
class Structures:
    """All that goes together in what some users did."""

    items: Structure
    groups: tuple[Structure, Structure]
    """Among groups, ever and lately."""
    directions: Factors

    @classmethod
    def of(
        cls, items: sp.csr_matrix, groups: tuple[sp.csr_matrix, ...], population: npt.NDArray[np.bool_]
    ) -> "Structures":
        """Learn it from the log counts of N users.

        Args:
            items: [N, V].
            groups: [N, G] twice, ever and lately.
            population: [N].
        """
        rows = _sampled(items.shape[0])
        few, here = items[rows], population[rows]
        ever, lately = (ease(logged[rows], here, p) for logged, p in zip(groups, _GROUP_PENALTIES, strict=True))
        directions = factors(few)
        if len(rows) < items.shape[0]:
            users = torch.from_numpy(np.asarray(items @ directions.things.numpy(), np.float32))
            directions = Factors(users, directions.things)
        return cls(ease(few, here, _ITEM_PENALTY), (ever, lately), directions)

    def tensors(self) -> dict[str, Tensor]:
        """All of it by names."""
        named = zip(("items", "ever", "lately"), (self.items, *self.groups), strict=True)
        found = {f"{name}.{part}": tensor for name, each in named for part, tensor in vars(each).items()}
        return found | {f"directions.{part}": tensor.contiguous() for part, tensor in vars(self.directions).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> "Structures":
        """The same from what ``tensors`` gave."""
        items, ever, lately = (
            Structure(tensors[f"{name}.kept"], tensors[f"{name}.weights"]) for name in ("items", "ever", "lately")
        )
        return cls(items, (ever, lately), Factors(tensors["directions.users"], tensors["directions.things"]))


def _sampled(users: int) -> npt.NDArray[np.int64]:
    """Rows of the users that are learned from: all, or a sample."""
    if users <= MOST_USERS:
        return np.arange(users)
    return np.sort(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))


def ease(logged: sp.csr_matrix, population: npt.NDArray[np.bool_], penalty: float) -> Structure:
    """EASE: weights that predict one thing from the others (Steck 2019, arXiv 1905.03375).

    Args:
        logged: [N, V] log counts.
        population: [N]; things that only one of them did are left out.
        penalty: ridge penalty, in squared log counts.
    """
    reach = np.asarray(logged[population].getnnz(axis=0))
    kept = np.sort(np.argsort(-reach, kind="stable")[:MOST_THINGS])
    kept = kept[reach[kept] > 1]
    columns = logged[:, kept].astype(np.float64)  # a sum over a million users needs the digits
    gram = torch.from_numpy((columns.T @ columns).toarray().astype(np.float32))
    gram.diagonal().add_(penalty)
    inverse = torch.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0.0)
    return Structure(torch.from_numpy(kept), weights.contiguous())


def factors(logged: sp.csr_matrix) -> Factors:
    """A truncated singular value decomposition of log counts [N, V]."""
    rank = min(_RANK, *logged.shape)
    left, sizes, right = randomized_svd(logged, rank, random_state=0)
    return Factors(torch.from_numpy(left * sizes), torch.from_numpy(np.ascontiguousarray(right.T)))

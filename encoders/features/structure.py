"""What goes together: how events with some things speak for others that a user has not touched yet."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

MOST_THINGS = 4096
"""So many things take part, the most common ones; the others keep no neighbours."""
_RANK = 16


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
    return Structure(torch.from_numpy(kept), weights)


def factors(logged: sp.csr_matrix) -> Factors:
    """A truncated singular value decomposition of log counts [N, V]."""
    rank = min(_RANK, *logged.shape)
    left, sizes, right = randomized_svd(logged, rank, random_state=0)
    return Factors(torch.from_numpy(left * sizes), torch.from_numpy(np.ascontiguousarray(right.T)))

"""Sparse times dense with a gradient: what makes one pass over all users cheap.

Both ways forward run on all cores. A product per column is fastest while the dense matrix is narrow, as for one
sentence; where it is wide, as in training and in the user tower, a sum of bags of rows is four times faster than
scipy's product.
"""

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

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

"""Sparse matrices that share their places."""

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Rows = npt.NDArray[np.int64]
Family = tuple[sp.csr_matrix, ...]
"""Matrices with the same sparsity."""


def take_rows(family: Family, rows: Rows) -> Family:
    """Some rows of matrices with the same sparsity; their places are looked up once for all of them."""
    first = family[0]
    numbered = sp.csr_matrix((np.arange(first.nnz), first.indices, first.indptr), shape=first.shape)[rows]
    places, shape = numbered.data, numbered.shape
    return tuple(
        sp.csr_matrix((matrix.data[places], numbered.indices, numbered.indptr), shape=shape) for matrix in family
    )


def with_values(matrix: sp.csr_matrix, data: npt.NDArray[np.float32]) -> sp.csr_matrix:
    """Other values in the places of a matrix."""
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)

"""What some users did, in the forms that the match multiplies with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from encoders.history.histories import Histories

Rows = npt.NDArray[np.int64]
Family = tuple[sp.csr_matrix, ...]
"""Matrices with the same sparsity."""


@dataclass(frozen=True)
class Counted:
    """Counts of N users over V items in G groups; see ``Histories`` for what they mean."""

    rows: Rows | None
    """[N]: which users of the histories; None for all."""
    counts: Family
    logged: sp.csr_matrix
    kinds: sp.csr_matrix
    """[N, V]: one where the user did anything with the item."""
    value: sp.csr_matrix
    group_days: Family
    group_last: sp.csr_matrix
    group_logged: Family
    """[N, G] twice: logs of one plus the days with a group, ever and lately."""


def count_all(histories: Histories) -> Counted:
    """The forms of all users."""
    return _forms(None, (*histories.counts, histories.value), (*histories.group_days, histories.group_last))


def count_some(everything: Counted, rows: Rows) -> Counted:
    """The forms of some users, in the order of ``rows``."""
    items = take_rows((*everything.counts, everything.value), rows)
    return _forms(rows, items, take_rows((*everything.group_days, everything.group_last), rows))


def take_rows(family: Family, rows: Rows) -> Family:
    """Some rows of matrices with the same sparsity; their places are looked up once for all of them."""
    first = family[0]
    numbered = sp.csr_matrix((np.arange(first.nnz), first.indices, first.indptr), shape=first.shape)[rows]
    places, shape = numbered.data, numbered.shape
    return tuple(
        sp.csr_matrix((matrix.data[places], numbered.indices, numbered.indptr), shape=shape) for matrix in family
    )


def _forms(rows: Rows | None, items: Family, groups: Family) -> Counted:
    *counts, value = items
    *days, last = groups
    return Counted(
        rows=rows,
        counts=tuple(counts),
        logged=_with(counts[-1], np.log1p(counts[-1].data)),
        kinds=_with(counts[-1], np.ones_like(counts[-1].data)),
        value=value,
        group_days=tuple(days),
        group_last=last,
        group_logged=tuple(_with(matrix, np.log1p(matrix.data)) for matrix in (days[-1], days[-2])),
    )


def _with(matrix: sp.csr_matrix, data: npt.NDArray[np.float32]) -> sp.csr_matrix:
    return sp.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape)

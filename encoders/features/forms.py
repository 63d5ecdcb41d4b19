"""The counts of users in the forms that the match multiplies with."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from encoders.features.counts import UserFeatures
from encoders.features.sparse import Family, Rows, take_rows, with_values


@dataclass(frozen=True)
class Counted:
    """Counts of N users over V items in G groups; see ``UserFeatures`` for what they mean."""

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


def count_all(histories: UserFeatures) -> Counted:
    """The forms of all users."""
    return _forms(None, (*histories.counts, histories.value), (*histories.group_days, histories.group_last))


def count_some(everything: Counted, rows: Rows) -> Counted:
    """The forms of some users, in the order of ``rows``."""
    items = take_rows((*everything.counts, everything.value), rows)
    return _forms(rows, items, take_rows((*everything.group_days, everything.group_last), rows))


def _forms(rows: Rows | None, items: Family, groups: Family) -> Counted:
    *counts, value = items
    *days, last = groups
    return Counted(
        rows=rows,
        counts=tuple(counts),
        logged=with_values(counts[-1], np.log1p(counts[-1].data)),
        kinds=with_values(counts[-1], np.ones_like(counts[-1].data)),
        value=value,
        group_days=tuple(days),
        group_last=last,
        group_logged=tuple(with_values(matrix, np.log1p(matrix.data)) for matrix in (days[-1], days[-2])),
    )

"""What sets an audience apart: attributes and behaviour against everyone, as an index (100 = like everyone)."""

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from tools.types import ProfileRow

Mask = npt.NDArray[np.bool_]

SMALLEST_CELL = 10
"""A row that fewer users of the audience stand behind is not shown."""
_CLEAR = 1.64
"""Differences within so many standard errors of nothing are left out."""


def profile_rows(
    audience: Mask, everyone: Mask, attributes: pl.DataFrame, did: sp.csr_matrix, groups: list[str], limit: int
) -> tuple[ProfileRow, ...]:
    """The rows that differ most, half of them attributes where there are so many.

    Args:
        audience: [N], who is in it.
        everyone: [N], the population it is compared with.
        attributes: N rows; unknown values count neither here nor there.
        did: [N, G], whether a user did something of each group lately.
        groups: G names.
        limit: how many rows at most.
    """
    rows = []
    for field in (name for name in attributes.columns if name != "user_id"):
        values = attributes[field]
        known = values.is_not_null().to_numpy()
        for value in values.drop_nulls().unique().sort():
            has = (values == value).fill_null(False).to_numpy()
            rows.append(_row("attribute", field, value, audience & known, everyone & known, has))
    done = did.toarray() > 0
    rows += [
        _row("behaviour", "did in the last 91 days", group, audience, everyone, done[:, number])
        for number, group in enumerate(groups)
    ]
    clear = sorted((row for row in rows if row is not None), key=lambda row: (-_surely(row, audience), row.value))
    attribute = [row for row in clear if row.kind == "attribute"][: limit // 2]
    behaviour = [row for row in clear if row.kind == "behaviour"][: limit - len(attribute)]
    return tuple(sorted([*attribute, *behaviour], key=lambda row: -row.index))


def _surely(row: ProfileRow, audience: Mask) -> float:
    """The index that can be relied on: the lower end of its interval, so that a few users do not lead the list."""
    share = row.audience_share
    error = np.sqrt(share * (1 - share) / audience.sum())
    return float((share - _CLEAR * error) / row.everyone_share)


def _row(kind: str, field: str, value: str, audience: Mask, everyone: Mask, has: Mask) -> ProfileRow | None:
    inside, all_users = int(audience.sum()), int(everyone.sum())
    users = int((audience & has).sum())
    if not inside or users < SMALLEST_CELL:
        return None
    share, usual = users / inside, float((everyone & has).sum() / all_users)
    error = np.sqrt(usual * (1 - usual) / inside)
    if (share - usual) <= _CLEAR * error:
        return None
    return ProfileRow(
        kind="attribute" if kind == "attribute" else "behaviour",
        field=field,
        value=value,
        audience_share=share,
        everyone_share=usual,
        index=100 * share / usual,
        users=users,
    )

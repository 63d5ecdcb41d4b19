"""What sets an audience apart: attributes and behaviour against everyone, as an index (100 = like everyone)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import scipy.sparse as sp

from tools.conditions import value_key
from tools.disclosure import Disclosure, Mask, Question
from tools.types import ProfileRow

SMALLEST_CELL = 10
"""A row that fewer users of the audience stand behind is not shown."""
_CLEAR = 1.64
"""Differences within so many standard errors of nothing are left out."""


class Group(NamedTuple):
    """A group of items."""

    name: str
    key: str
    """Of having done something of it lately."""


class Profile:
    """An audience beside the population, as counts of both are shown."""

    def __init__(self, audience: Mask, everyone: Mask, disclosure: Disclosure, question: Question) -> None:
        """Count nothing yet.

        Args:
            audience: [N], who is in it.
            everyone: [N], the population it is compared with.
            disclosure: how counts of them are shown.
            question: who is in the audience, in canonical words.
        """
        self._audience, self._everyone = audience, everyone
        self._disclosure, self._question = disclosure, question

    def rows(
        self, attributes: pl.DataFrame, did: sp.csr_matrix, groups: Sequence[Group], limit: int
    ) -> tuple[ProfileRow, ...]:
        """The rows that differ most, half of them attributes where there are so many.

        Args:
            attributes: N rows; unknown values count neither here nor there.
            did: [N, G], whether a user did something of each group lately.
            groups: G of them.
            limit: how many rows at most.
        """
        rows = [row for name in attributes.columns if name != "user_id" for row in self._of(attributes[name])]
        done, whole = did.toarray() > 0, self._shown(np.ones(len(self._audience), bool), "")
        size = whole[0] or len(self._audience)
        field = "did in the last 91 days"
        rows += [
            self._row("behaviour", field, group.name, done[:, number], whole, group.key)
            for number, group in enumerate(groups)
        ]
        clear = sorted((row for row in rows if row is not None), key=lambda row: (-_surely(row, size), row.value))
        attribute = [row for row in clear if row.kind == "attribute"][: limit // 2]
        behaviour = [row for row in clear if row.kind == "behaviour"][: limit - len(attribute)]
        return tuple(sorted([*attribute, *behaviour], key=lambda row: -row.index))

    def _of(self, values: pl.Series) -> list[ProfileRow | None]:
        """One row a value of an attribute."""
        known = values.is_not_null().to_numpy()
        named = [str(value) for value in values.drop_nulls().unique().sort()]
        whole = self._shown(known, value_key(values.name, *named))
        return [
            self._row(
                "attribute",
                values.name,
                value,
                (values == value).fill_null(False).to_numpy(),
                whole,
                value_key(values.name, value),
            )
            for value in named
        ]

    def _shown(self, has: Mask, key: str) -> tuple[int | None, int | None]:
        """Users of the audience and of everyone who have something, as they are shown."""
        key_of = (key,) if key else ()
        inside = self._disclosure.count(self._audience & has, *self._question, *key_of)
        return inside, self._disclosure.count(self._everyone & has, *key_of)

    def _row(
        self, kind: str, field: str, value: str, has: Mask, whole: tuple[int | None, int | None], key: str
    ) -> ProfileRow | None:
        inside, everyone = whole
        if not inside or not everyone or int((self._audience & has).sum()) < SMALLEST_CELL:
            return None
        users, all_users = self._shown(has, key)
        shown = users or self._disclosure.rough(self._audience & has)
        usually = all_users or self._disclosure.rough(self._everyone & has)
        if not shown or not usually:
            return None
        share, usual = min(1.0, shown / inside), min(1.0, usually / everyone)
        if share - usual <= _CLEAR * np.sqrt(usual * (1 - usual) / inside):
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


def _surely(row: ProfileRow, size: int) -> float:
    """The index that can be relied on: the lower end of its interval, so that a few users do not lead the list."""
    share = row.audience_share
    error = np.sqrt(share * (1 - share) / size)
    return float((share - _CLEAR * error) / row.everyone_share)

"""The user side: a history becomes one vector.

What a user did is first pooled in the space of the text encoder (recent, long-term, other sources, attributes), so
that the tower never sees an identity of an item, a source or a field and can serve data it was not trained on. The
pools are fused by attention; a pool that is empty for a user is masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.histories import ACTIVITY_FEATURES, Histories

Matrix = npt.NDArray[np.float32]

POOLS = ("recent", "long-term", "other sources", "attributes")
_RECENT, _LONG = 1, 3
"""Which of the half-lives feed the first two pools."""


@dataclass(frozen=True)
class UserInputs:
    """What the tower reads, for N users."""

    pools: Matrix
    """[N, len(POOLS), D]: mean text vectors; zeros where there is nothing."""
    activity: Matrix
    """[N, ACTIVITY_FEATURES]"""

    def rows(self, rows: npt.NDArray[np.int64]) -> "UserInputs":
        """The same for some users only."""
        return UserInputs(self.pools[rows], self.activity[rows])


def user_inputs(
    histories: Histories, item_vectors: Matrix, main_items: npt.NDArray[np.bool_], attributes: Matrix
) -> UserInputs:
    """Pool the histories.

    Args:
        histories: N users over V items.
        item_vectors: [V, D].
        main_items: [V], whether an item belongs to the main source.
        attributes: [N, D], zeros where nothing is known of a user.
    """
    rarity = np.log(histories.in_population.sum() / (1.0 + histories.reach()) + 1.0).astype(np.float32)
    main = sp.diags_array(rarity * main_items)
    other = sp.diags_array(rarity * ~main_items)
    pools = [
        _pool(histories.counts[_RECENT] @ main, item_vectors),
        _pool(histories.counts[_LONG] @ main, item_vectors),
        _pool(histories.counts[_LONG] @ other, item_vectors),
        attributes,
    ]
    return UserInputs(np.stack(pools, axis=1).astype(np.float32), histories.activity)


def _pool(weights: sp.csr_matrix, vectors: Matrix) -> Matrix:
    weights = sp.csr_matrix(weights)
    weights.data = np.log1p(weights.data)
    pooled = weights @ vectors
    return np.asarray(pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-6), np.float32)


def attribute_texts(users: pl.DataFrame, user_ids: Sequence[str]) -> tuple[list[str], sp.csr_matrix]:
    """Write attributes out as "field: value" texts.

    Returns:
        The distinct texts, and a [N, texts] matrix that says whose they are.
    """
    written = [pl.concat_str(pl.lit(f"{name}: "), name) for name in users.columns if name != "user_id"]
    known = users.select("user_id", pl.concat_list(written or [pl.lit(None, pl.String)]).alias("text"))
    rows = pl.DataFrame({"user_id": list(user_ids)}, schema={"user_id": pl.String}).with_row_index("row")
    long = rows.join(known.explode("text").drop_nulls("text"), on="user_id")
    texts = long["text"].unique().sort().to_list()
    column = {text: number for number, text in enumerate(texts)}
    columns = np.array([column[text] for text in long["text"]], np.int64)
    ones = np.ones(len(long), np.float32)
    return texts, sp.csr_matrix((ones, (long["row"].to_numpy(), columns)), shape=(len(user_ids), len(texts)))


class UserTower(nn.Module):
    """Attention over the pools and the activity of a user."""

    def __init__(self, dimension: int, width: int) -> None:
        """Make a tower from text vectors of ``dimension`` to user vectors of ``width``."""
        super().__init__()
        self.project = nn.Linear(dimension, width)
        self.kind = nn.Parameter(torch.randn(len(POOLS) + 1, width) * 0.02)
        self.activity = nn.Linear(ACTIVITY_FEATURES, width)
        self.attention = nn.Linear(width, 1)
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, pools: Tensor, activity: Tensor) -> Tensor:
        """Unit vectors, [N, width], for pools [N, len(POOLS), dimension] and activity [N, ACTIVITY_FEATURES]."""
        tokens = torch.cat([self.project(pools), self.activity(activity)[:, None]], dim=1) + self.kind
        present = torch.cat([pools.abs().sum(-1) > 0, torch.ones(len(pools), 1, dtype=torch.bool)], dim=1)
        weights = self.attention(torch.tanh(tokens)).squeeze(-1).masked_fill(~present, -torch.inf).softmax(-1)
        return functional.normalize(self.out((weights[..., None] * tokens).sum(1)), dim=-1)

import numpy as np
import polars as pl
import pytest
import torch
from planted import AS_OF, World

from encoders.histories import read_histories
from encoders.user import POOLS, UserTower, attribute_texts, user_inputs


@pytest.mark.parametrize("name", ["age", "row", "value", "variable", "text", "count", "user"])
def test_attributes_become_texts_whatever_they_are_called(name: str) -> None:
    users = pl.DataFrame({"user_id": ["a", "b", "c"], name: ["old", None, "young"], "other": ["x", None, None]})
    texts, owned = attribute_texts(users, ["c", "a", "b", "without attributes"])
    assert texts == sorted([f"{name}: old", f"{name}: young", "other: x"])
    mine = [{texts[column] for column in row.nonzero()[0]} for row in owned.toarray()]
    assert mine == [{f"{name}: young"}, {f"{name}: old", "other: x"}, set(), set()]


def test_users_without_attributes_at_all() -> None:
    texts, owned = attribute_texts(pl.DataFrame({"user_id": ["a"]}), ["a", "b"])
    assert texts == []
    assert owned.shape == (2, 0)


def test_pools_are_mean_directions_of_what_was_done(world: World) -> None:
    histories = read_histories(world.dataset.before(AS_OF))
    items = len(world.dataset.items)
    vectors = np.eye(items, dtype=np.float32)
    main = (world.dataset.items["source"] == "purchases").to_numpy()
    nothing = np.zeros((len(histories.user_ids), items), np.float32)
    inputs = user_inputs(histories, vectors, main, nothing)
    done = histories.counts[-1].toarray() > 0
    assert inputs.pools.shape == (len(histories.user_ids), len(POOLS), items)
    assert ((inputs.pools[:, 1] > 0) == (done & main)).all()
    assert ((inputs.pools[:, 2] > 0) == (done & ~main)).all()
    norms = np.linalg.norm(inputs.pools, axis=2)
    assert np.allclose(norms[norms > 0], 1, atol=1e-5)


def test_a_pool_that_is_empty_is_not_read() -> None:
    tower = UserTower(4, 8).eval()
    pools, activity = torch.zeros(2, len(POOLS), 4), torch.randn(2, 4)
    pools[:, 0] = torch.tensor([1.0, 0, 0, 0])
    tower.kind.data[1:4] += 100 * torch.randn(3, 8)
    before = tower(pools, activity)
    tower.kind.data[1:4] = 0
    torch.testing.assert_close(tower(pools, activity), before)
    torch.testing.assert_close(before.norm(dim=-1), torch.ones(2))

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

import encoders.features.structure
from encoders.features.counts import UserFeatures, read_user_features
from encoders.features.structure import Structure, ease, factors
from tests.planted import AS_OF, World


@pytest.fixture(scope="module")
def histories(world: World) -> UserFeatures:
    return read_user_features(world.dataset.before(AS_OF))


def someone_did(users: int, things: int, seed: int) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.csr_matrix((rng.random((users, things)) < 0.5) * rng.uniform(0.5, 3, (users, things)), dtype=np.float32)


@given(st.integers(6, 30), st.integers(2, 6), st.integers(0, 2**31), st.floats(0.5, 500))
def test_ease_equals_one_ridge_regression_per_thing(users: int, things: int, seed: int, penalty: float) -> None:
    """Every thing is regressed on all others, each regression solved by itself."""
    logged = someone_did(users, things, seed)
    structure = ease(logged, np.ones(users, bool), penalty)
    dense = logged.toarray().astype(np.float64)
    kept = np.flatnonzero((dense > 0).sum(0) > 1)
    assert structure.kept.tolist() == kept.tolist()
    expected = np.zeros((len(kept), len(kept)))
    for place, thing in enumerate(kept):
        others = np.delete(kept, place)
        gram = dense[:, others].T @ dense[:, others] + penalty * np.eye(len(others))
        solved = np.linalg.solve(gram, dense[:, others].T @ dense[:, thing])
        expected[np.arange(len(kept)) != place, place] = solved
    np.testing.assert_allclose(structure.weights.numpy(), expected, rtol=1e-2, atol=1e-3)
    assert not structure.weights.diagonal().any()


def test_ease_equals_itself_on_a_dense_table(histories: UserFeatures) -> None:
    """The product of the sparse table with itself is that of the dense one."""
    structure = ease(histories.logged, histories.in_population, 300.0)
    dense = histories.logged.toarray()[:, structure.kept.numpy()].astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + 300.0 * np.eye(dense.shape[1]))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(structure.weights.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_only_the_most_common_things_take_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.features.structure, "MOST_THINGS", 2)
    logged = sp.csr_matrix(np.array([[1, 0, 1, 1], [1, 0, 1, 1], [1, 0, 0, 1], [0, 1, 1, 0]], np.float32))
    assert ease(logged, np.ones(4, bool), 1.0).kept.tolist() == [0, 2]
    assert ease(logged, np.array([True, False, False, True]), 1.0).kept.tolist() == [2], "others do not count"


def test_where_nobody_shares_anything_nothing_goes_together() -> None:
    structure = ease(sp.csr_matrix(np.eye(3, dtype=np.float32)), np.ones(3, bool), 1.0)
    assert not structure.spread(torch.ones(2, 3)).any()


def test_spreading_says_what_a_thing_adds_to_what_is_attended_to() -> None:
    """Three of four things take part: attention to thing 3 reaches those who did thing 1, never the other way."""
    weights = torch.tensor([[0.0, 0.0, 0.5], [0.1, 0.0, 0.0], [0.0, 0.0, 0.0]])
    structure = Structure(torch.tensor([1, 2, 3]), weights)
    assert structure.spread(torch.tensor([[0.0, 0, 0, 1], [0, 1, 0, 0], [1, 0, 0, 0]])).tolist() == [
        [0.0, 0.5, 0.0, 0.0],
        [0.0, 0.0, pytest.approx(0.1), 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ]


def test_what_goes_together_in_the_world(world: World, histories: UserFeatures) -> None:
    structure = ease(histories.logged, histories.in_population, 300.0)
    weights = np.zeros((len(world.dataset.items),) * 2, np.float32)
    kept = structure.kept.numpy()
    weights[np.ix_(kept, kept)] = structure.weights.numpy()
    main = (world.dataset.items["source"] == "purchases").to_numpy()
    group = world.dataset.items["group"].to_numpy()
    diapers, food, wine = (np.flatnonzero(main & (group == name)) for name in ("diapers", "baby food", "wine"))
    assert weights[np.ix_(diapers, food)].min() > weights[np.ix_(diapers, wine)].max()
    assert not weights[np.flatnonzero(group == "telescope")].any(), "one user is too few to learn from"


@given(st.integers(2, 20), st.integers(2, 12), st.integers(0, 2**31))
def test_factors_of_a_small_table_give_it_back(users: int, things: int, seed: int) -> None:
    logged = someone_did(users, things, seed)
    directions = factors(logged)
    rebuilt = directions.match(None, torch.eye(things))
    np.testing.assert_allclose(rebuilt.numpy(), logged.toarray(), atol=1e-3)


def test_factors_are_the_best_of_their_rank(histories: UserFeatures) -> None:
    """A full decomposition leaves out hardly less, and the rows of some users are rows of those of all."""
    dense = histories.logged.toarray()
    directions = factors(histories.logged)
    left, sizes, right = np.linalg.svd(dense.astype(np.float64), full_matrices=False)
    rank = directions.things.shape[1]
    best = np.linalg.norm(dense - (left[:, :rank] * sizes[:rank]) @ right[:rank])
    everyone = torch.eye(dense.shape[1])
    assert np.linalg.norm(dense - directions.match(None, everyone).numpy()) < 1.01 * best
    rows = np.array([5, 0, 5])
    torch.testing.assert_close(directions.match(rows, everyone), directions.match(None, everyone)[rows])

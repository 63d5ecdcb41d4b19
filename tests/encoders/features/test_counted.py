import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from encoders.features.counts import UserFeatures, read_user_features
from encoders.features.forms import Counted, count_all, count_some
from encoders.features.sparse import take_rows
from tests.planted import AS_OF, World


@pytest.fixture(scope="module")
def histories(world: World) -> UserFeatures:
    return read_user_features(world.dataset.before(AS_OF))


@pytest.fixture(scope="module")
def everything(histories: UserFeatures) -> Counted:
    return count_all(histories)


@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.floats(0, 1),
    st.integers(0, 2**31),
    st.lists(st.integers(0, 99), max_size=9),
)
def test_taking_rows_equals_slicing(rows: int, columns: int, density: float, seed: int, wanted: list[int]) -> None:
    """Whatever the order and however often; a zero that is stored stays stored."""
    rng = np.random.default_rng(seed)
    first = sp.random(rows, columns, density, "csr", np.float32, rng)
    family = tuple(sp.csr_matrix((first.data * k, first.indices, first.indptr), shape=first.shape) for k in (1, 0, 3))
    chosen = np.array(wanted, np.int64) % rows
    taken = take_rows(family, chosen)
    assert len(taken) == 3
    for matrix, whole in zip(taken, family, strict=True):
        assert matrix.shape == (len(chosen), columns)
        assert matrix.dtype == np.float32
        assert np.array_equal(matrix.toarray(), whole.toarray()[chosen])
        assert matrix.nnz == taken[0].nnz


def test_the_forms_of_all_users_are_logs_and_ones_of_the_counts(histories: UserFeatures, everything: Counted) -> None:
    ever = histories.counts[-1].toarray()
    ever_days, lately_days = histories.group_days[-1].toarray(), histories.group_days[-2].toarray()
    assert everything.rows is None
    np.testing.assert_array_equal(everything.logged.toarray(), np.log1p(ever))
    np.testing.assert_array_equal(everything.kinds.toarray(), (ever > 0).astype(np.float32))
    np.testing.assert_array_equal(everything.group_logged[0].toarray(), np.log1p(ever_days))
    np.testing.assert_array_equal(everything.group_logged[1].toarray(), np.log1p(lately_days))
    assert lately_days.sum() < ever_days.sum()


def test_the_forms_of_some_users_are_rows_of_those_of_all(everything: Counted) -> None:
    rows = np.array([210, 3, 3, 77])
    some = count_some(everything, rows)
    assert some.rows is rows
    for name in ("counts", "group_days", "group_logged"):
        for few, all_of_them in zip(getattr(some, name), getattr(everything, name), strict=True):
            np.testing.assert_array_equal(few.toarray(), all_of_them.toarray()[rows])
    for name in ("logged", "kinds", "value", "group_last"):
        few, all_of_them = getattr(some, name), getattr(everything, name)
        np.testing.assert_array_equal(few.toarray(), all_of_them.toarray()[rows])

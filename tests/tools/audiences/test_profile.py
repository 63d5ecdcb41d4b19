import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from tools.audiences.disclosure import Disclosure
from tools.audiences.profile import SMALLEST_CELL, Group, Profile

USERS = 400

GROUPS = tuple(Group(name, f"lately {name}") for name in ("rare", "half", "common"))


def profile(audience: np.ndarray, minimum: int = 0) -> Profile:
    return Profile(audience, np.ones(USERS, bool), Disclosure(minimum), ("audience",))


@given(st.integers(0, 2**31), st.integers(20, 200), st.integers(1, 12))
def test_rows_are_shares_of_the_audience_over_shares_of_everyone(seed: int, size: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    ages = np.array(["young", "old", None])[rng.integers(0, 3, USERS)]
    did = (rng.random((USERS, 3)) < [0.1, 0.5, 0.9]).astype(np.float32)
    order = np.argsort(rng.random(USERS) - 0.8 * did[:, 0] - 0.5 * (ages == "young"))
    audience = np.isin(np.arange(USERS), order[:size])
    everyone = np.ones(USERS, bool)
    attributes = pl.DataFrame({"user_id": [str(user) for user in range(USERS)], "age": ages.tolist()})
    rows = profile(audience).rows(attributes, sp.csr_matrix(did), GROUPS, limit)
    assert len(rows) <= limit
    assert [row.index for row in rows] == sorted((row.index for row in rows), reverse=True)
    for row in rows:
        if row.kind == "attribute":
            has, known = ages == row.value, ages != None  # noqa: E711 - element by element
        else:
            has, known = did[:, ["rare", "half", "common"].index(row.value)] > 0, everyone
        share = has[audience].sum() / known[audience].sum()
        assert row.audience_share == pytest.approx(share)
        assert row.everyone_share == pytest.approx(has.sum() / known.sum())
        assert row.index == pytest.approx(100 * row.audience_share / row.everyone_share)
        assert row.users == has[audience].sum() >= SMALLEST_CELL
        assert row.index > 100


def test_what_everybody_does_sets_nobody_apart() -> None:
    everyone = np.ones(USERS, bool)
    attributes = pl.DataFrame({"user_id": [str(user) for user in range(USERS)]})
    did = sp.csr_matrix(np.ones((USERS, 1), np.float32))
    half = np.arange(USERS) < USERS / 2
    assert profile(half).rows(attributes, did, GROUPS[:1], 12) == ()
    assert profile(everyone).rows(attributes, did, GROUPS[:1], 12) == ()


def test_cells_behind_which_few_users_stand_are_not_shown() -> None:
    attributes = pl.DataFrame({"user_id": [str(user) for user in range(USERS)]})
    audience = np.arange(USERS) < 30
    for users, shown in ((SMALLEST_CELL - 1, 0), (SMALLEST_CELL, 1)):
        did = sp.csr_matrix((np.arange(USERS) < users).astype(np.float32)[:, None])
        assert len(profile(audience).rows(attributes, did, GROUPS[:1], 12)) == shown


def test_rows_behind_which_fewer_than_the_minimum_stand_are_rough() -> None:
    attributes = pl.DataFrame({"user_id": [str(user) for user in range(USERS)]})
    shown = []
    for users in range(36, 45):
        did = sp.csr_matrix((np.arange(USERS) < users).astype(np.float32)[:, None])
        [row] = profile(np.arange(USERS) < 100, 50).rows(attributes, did, GROUPS[:1], 12)
        assert row.users is None
        shown.append((row.audience_share, row.everyone_share, row.index))
    assert set(shown) == {(0.4, 0.1, 400.0)}, "what is shown of 36 and of 44 users is the same"

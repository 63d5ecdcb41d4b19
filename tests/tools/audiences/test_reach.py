from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.present import present
from tools.audiences.disclosure import Disclosure
from tools.audiences.sizing import BUCKETS, histogram, recommended_cut, users_at

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=80).map(lambda values: np.array(sorted(values)[::-1]))


@given(PROBABILITIES, st.integers(1, 90))
def test_the_recommended_cut_has_the_best_expected_f1(probabilities: np.ndarray, smallest: int) -> None:
    def f1(size: int) -> float:
        return float(2 * probabilities[:size].sum() / (size + probabilities.sum()))

    users = users_at(recommended_cut(probabilities, smallest), len(probabilities))
    allowed = range(min(smallest, len(probabilities)), len(probabilities) + 1)
    assert users in allowed
    assert f1(users) == pytest.approx(max(f1(size) for size in allowed))


@given(st.floats(0, 1), st.integers(0, 5000))
def test_a_cut_keeps_its_share_and_at_least_one(cut: float, eligible: int) -> None:
    users = users_at(cut, eligible)
    assert min(1, eligible) <= users <= eligible
    assert abs(users - cut * eligible) <= max(0.5, 1 - cut * eligible)


def test_nobody_at_all() -> None:
    assert recommended_cut(np.zeros(0), 50) == 1
    assert users_at(0.5, 0) == 0
    assert sum(present(bucket.users) for bucket in histogram(np.zeros(0), Disclosure(0))) == 0


@given(PROBABILITIES)
def test_every_user_is_in_one_bucket(probabilities: np.ndarray) -> None:
    buckets = histogram(probabilities, Disclosure(0))
    assert len(buckets) == BUCKETS
    assert sum(present(bucket.users) for bucket in buckets) == len(probabilities)
    assert all(a.high == b.low for a, b in pairwise(buckets))


@given(st.lists(st.floats(0, 1), min_size=20, max_size=400).map(lambda values: np.array(sorted(values)[::-1])))
def test_no_bucket_below_the_minimum_is_shown_or_follows_from_the_others(probabilities: np.ndarray) -> None:
    shown = [bucket.users for bucket in histogram(probabilities, Disclosure(20))]
    assert all(users is None or users >= 20 for users in shown)
    hidden = len(probabilities) - sum(users or 0 for users in shown)
    assert hidden == 0 or hidden >= 20

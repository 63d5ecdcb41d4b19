import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from encoders.metrics import auc, bootstrap_interval, calibration_error, lift

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60)


@given(SCORED)
def test_auc_is_that_of_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, truth = (np.array(column) for column in zip(*pairs, strict=True))
    if truth.all() or not truth.any():
        assert math.isnan(auc(scores, truth))
    else:
        assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


@given(st.permutations(range(40)), st.integers(1, 39), st.sampled_from([0.05, 0.1, 0.25, 1.0]))
def test_lift_is_the_share_at_the_top_over_the_share_of_all(scores: list[int], responders: int, share: float) -> None:
    truth = np.arange(40) < responders
    best = sorted(range(40), key=lambda user: -scores[user])[: int(40 * share)]
    expected = (sum(truth[user] for user in best) / len(best)) / (responders / 40)
    assert lift(np.array(scores), truth, share) == pytest.approx(expected)


def test_ties_do_not_follow_the_order_of_users() -> None:
    truth = np.arange(1000) < 500
    assert lift(np.zeros(1000), truth) == pytest.approx(1.0, abs=0.2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80))
def test_calibration_error_is_the_weighted_gap_of_the_bins(pairs: list[tuple[float, bool]]) -> None:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probability, true in pairs:
        bins.setdefault(min(int(probability * 15), 14), []).append((probability, true))
    gaps = [abs(sum(p for p, _ in here) - sum(t for _, t in here)) for here in bins.values()]
    probabilities, truth = (np.array(column) for column in zip(*pairs, strict=True))
    assert calibration_error(probabilities, truth) == pytest.approx(sum(gaps) / len(pairs))


def test_the_bootstrap_interval_is_about_the_mean_and_leaves_out_what_is_not_known() -> None:
    values = np.array([0.5, 0.6, 0.7, 0.8, np.nan])
    low, high = bootstrap_interval(values)
    assert 0.5 <= low < 0.65 < high <= 0.8
    assert (low, high) == bootstrap_interval(values[:4])

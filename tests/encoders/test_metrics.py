import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score
from torchmetrics.functional.classification import binary_calibration_error
from torchmetrics.functional.retrieval import retrieval_precision, retrieval_recall

from encoders.metrics import auc, best_size, calibration_error, ks, lift, precision_and_recall

SCORED = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60)
RANKED = st.permutations(range(40))
"""Scores without ties, so that every library puts the same users on top."""


def columns(pairs: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    scores, truth = (np.array(column) for column in zip(*pairs, strict=True))
    return scores, truth


@given(SCORED)
def test_auc_is_that_of_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    scores, truth = columns(pairs)
    if truth.all() or not truth.any():
        assert math.isnan(auc(scores, truth))
    else:
        assert auc(scores, truth) == pytest.approx(roc_auc_score(truth, scores))


@given(SCORED)
def test_ks_is_the_one_sided_statistic_of_scipy(pairs: list[tuple[int, bool]]) -> None:
    scores, truth = columns(pairs)
    if truth.all() or not truth.any():
        assert math.isnan(ks(scores, truth))
    else:
        expected = ks_2samp(scores[truth], scores[~truth], alternative="less", method="asymp").statistic
        assert ks(scores, truth) == pytest.approx(expected)


@given(RANKED, st.integers(1, 39), st.sampled_from([0.05, 0.1, 0.25, 1.0]))
def test_lift_is_the_precision_at_the_top_over_the_share_of_all(
    scores: list[int], responders: int, share: float
) -> None:
    truth = np.arange(40) < responders
    precision = retrieval_precision(torch.tensor(scores) + 1.0, torch.from_numpy(truth), top_k=int(40 * share))
    assert lift(np.array(scores), truth, share) == pytest.approx(float(precision) / (responders / 40), rel=1e-5)


@given(RANKED, st.integers(1, 39), st.integers(1, 40))
def test_precision_and_recall_are_those_of_the_libraries(scores: list[int], responders: int, size: int) -> None:
    truth, ranked = np.arange(40) < responders, np.array(scores)
    precision, recall = precision_and_recall(ranked, truth, size)
    chosen = ranked >= 40 - size
    assert precision == pytest.approx(precision_score(truth, chosen))
    assert recall == pytest.approx(recall_score(truth, chosen))
    preds, target = torch.tensor(scores) + 1.0, torch.from_numpy(truth)
    assert precision == pytest.approx(float(retrieval_precision(preds, target, top_k=size)), rel=1e-5)
    assert recall == pytest.approx(float(retrieval_recall(preds, target, top_k=size)), rel=1e-5)


def test_ties_do_not_follow_the_order_of_users() -> None:
    truth = np.arange(1000) < 500
    assert lift(np.zeros(1000), truth) == pytest.approx(1.0, abs=0.2)
    assert precision_and_recall(np.zeros(1000), truth, 100)[0] == pytest.approx(0.5, abs=0.1)


@given(st.lists(st.tuples(st.integers(0, 96), st.booleans()), min_size=1, max_size=80))
def test_calibration_error_is_that_of_torchmetrics(pairs: list[tuple[int, bool]]) -> None:
    numbers, truth = columns(pairs)
    probabilities = numbers / 97  # no multiple of a fifteenth but zero, where rounding would choose the bin
    expected = binary_calibration_error(torch.from_numpy(probabilities), torch.from_numpy(truth).int(), n_bins=15)
    assert calibration_error(probabilities, truth) == pytest.approx(float(expected), abs=1e-6)


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=120), st.integers(1, 60))
def test_the_best_size_has_the_best_expected_f1_in_any_order(chances: list[float], smallest: int) -> None:
    def f1(size: int) -> float:
        return 2 * sum(sorted(chances)[-size:]) / (size + sum(chances))

    size = best_size(np.array(chances), smallest)
    allowed = range(min(smallest, len(chances)), len(chances) + 1)
    assert size in allowed
    assert f1(size) == pytest.approx(max(map(f1, allowed)))


def test_the_best_size_has_the_highest_f1_when_the_chances_are_sure() -> None:
    truth = np.arange(50) % 5 == 0
    sure = np.where(truth, 0.999, 0.001)
    assert best_size(sure, 1) == 10
    assert f1_score(truth, sure > 0.5) == 1.0
    assert best_size(sure, 25) == 25

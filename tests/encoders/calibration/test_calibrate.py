import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from encoders.calibration.calibrate import Calibration, fit_calibration, standardise

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array)


def calibration(spread: float) -> Calibration:
    return Calibration(rate=(0.0, 1.0), weights=(1.0, 0.0, 0.0, 0.0), spread=spread)


@given(PROBABILITIES, st.floats(0, 2))
def test_intervals_are_ordered_and_hold_the_expected_number(probabilities: np.ndarray, spread: float) -> None:
    low, middle, high = calibration(spread).responders(probabilities)
    assert 0 <= low <= middle <= high <= len(probabilities)
    assert middle == pytest.approx(probabilities.sum())


@given(PROBABILITIES)
def test_more_spread_is_a_wider_interval(probabilities: np.ndarray) -> None:
    narrow, wide = (calibration(spread).responders(probabilities) for spread in (0.0, 0.5))
    assert wide[0] <= narrow[0]
    assert wide[2] >= narrow[2]


@given(st.integers(0, 2**31), st.floats(0.0005, 0.95))
def test_probabilities_are_probabilities_and_meet_the_rate(seed: int, level: float) -> None:
    scores = np.random.default_rng(seed).standard_normal(200) * 3
    everyone = np.ones(200, bool)
    probabilities = calibration(0.1).probabilities(scores, level, everyone)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert probabilities.mean() == pytest.approx(level, abs=0.001)
    assert np.all(np.diff(probabilities[np.argsort(scores)]) >= 0)


def test_standardised_scores_ignore_who_is_not_in_the_population() -> None:
    scores = np.array([1.0, 2.0, 3.0, 1e6], np.float32)
    standard = standardise(scores, np.array([True, True, True, False]))
    assert standard[:3].mean() == pytest.approx(0, abs=1e-6)
    assert standard[:3].std() == pytest.approx(1, abs=1e-6)
    assert np.isfinite(standardise(np.ones(4, np.float32), np.ones(4, bool))).all()


def test_a_fit_on_a_world_that_is_logistic_finds_it() -> None:
    """300 demands of known rate whose responders follow their scores: levels are met, and intervals hold."""
    rng = np.random.default_rng(3)
    users, labels = 400, 300
    rates = rng.uniform(0.02, 0.5, labels)
    standard = rng.standard_normal((users, labels))
    chances = expit(1.5 * standard + np.log(rates / (1 - rates)))
    truth = rng.random((users, labels)) < chances
    levels = chances.mean(0)
    fitted, report = fit_calibration(standard, levels, truth, np.ones(labels, bool), rng)
    assert report["calibration_error"] < 0.02
    assert report["interval_coverage"] == pytest.approx(0.8, abs=0.08)
    assert report["responders_close"] > 0.85
    assert math.isfinite(report["spread"])
    one = fitted.probabilities(standard[:, 0], float(levels[0]), np.ones(users, bool))
    assert np.corrcoef(one, chances[:, 0])[0, 1] > 0.95

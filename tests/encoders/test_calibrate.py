import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from encoders.calibration import Calibration, Observed, all_of, fit_calibration, standardise
from encoders.overdispersion import Overdispersion

NEAR = 0.8


def calibration(rate: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)) -> Calibration:
    """One whose words are plain from ``NEAR`` on."""
    spread = Overdispersion(intercept=-2.0, far=2.0, parts=0.1)
    return Calibration(rate=rate, weights=(1.0, 0.0, 0.0, 0.0, 0.0), usual=0.05, plain=NEAR, spread=spread)


def observed(
    standard: np.ndarray, doers: np.ndarray, truth: np.ndarray, nearness: np.ndarray, plain: np.ndarray
) -> Observed:
    """Labels of the main source, all of them known."""
    everything = np.ones(len(nearness), bool)
    return Observed(standard, doers, everything, nearness, truth, everything, plain)


@given(st.integers(0, 2**31), st.floats(0.0005, 0.95))
def test_probabilities_are_probabilities_and_meet_the_rate(seed: int, level: float) -> None:
    scores = np.random.default_rng(seed).standard_normal(200) * 3
    everyone = np.ones(200, bool)
    probabilities = calibration().probabilities(scores, level, NEAR, everyone)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert probabilities.mean() == pytest.approx(level, abs=0.001)
    assert np.all(np.diff(probabilities[np.argsort(scores)]) >= 0)


def test_standardised_scores_ignore_who_is_not_in_the_population() -> None:
    scores = np.array([1.0, 2.0, 3.0, 1e6], np.float32)
    standard = standardise(scores, np.array([True, True, True, False]))
    assert standard[:3].mean() == pytest.approx(0, abs=1e-6)
    assert standard[:3].std() == pytest.approx(1, abs=1e-6)
    assert np.isfinite(standardise(np.ones(4, np.float32), np.ones(4, bool))).all()


def test_far_words_are_answered_by_what_is_usual() -> None:
    """A level fades with distance where the rate says so, and one that nobody knows is a usual one."""
    scores, everyone = np.random.default_rng(0).standard_normal(300), np.ones(300, bool)
    usual = np.log(0.05 / 0.95)
    fading = calibration((0.0, 1.0, usual, -1.0))

    def rate(level: float, nearness: float) -> float:
        return float(fading.probabilities(scores, level, nearness, everyone).mean())

    assert rate(0.4, NEAR) == pytest.approx(0.4, abs=0.001)
    assert 0.05 < rate(0.4, 0.4) < 0.4
    assert rate(0.4, 0.0) == pytest.approx(0.05, abs=0.001)
    assert rate(np.nan, NEAR) == pytest.approx(0.05, abs=0.001)
    assert fading.far(NEAR) == fading.far(1.0) == 0
    assert fading.far(-0.1) == fading.far(0.0) == 1
    assert fading.spread_of(0.3, 1) > fading.spread_of(NEAR, 1)


def test_all_of_several_things_lies_between_independence_and_the_rarest() -> None:
    chances = [np.array([0.5, 0.2, 1.0]), np.array([0.4, 0.3, 1.0])]
    together = all_of(chances)
    assert (np.prod(chances, axis=0) <= together).all()
    assert (together <= np.min(chances, axis=0)).all()
    np.testing.assert_array_equal(all_of(chances[:1]), chances[0])


def test_a_fit_on_a_world_that_is_logistic_finds_it() -> None:
    """300 demands of known rate whose responders follow their scores: levels are met, and intervals hold."""
    rng = np.random.default_rng(3)
    users, labels = 400, 300
    rates = rng.uniform(0.02, 0.5, labels)
    standard = rng.standard_normal((users, labels))
    chances = expit(1.5 * standard + np.log(rates / (1 - rates)))
    doers, truth = (rng.random((users, labels)) < chances for _ in range(2))
    world = observed(standard, doers, truth, np.full(labels, NEAR), np.ones(labels, bool))
    fitted, report = fit_calibration(world, rng)
    assert report["calibration_error"] < 0.02
    assert 0.79 < report["interval_coverage"] < 0.9, "where chance is all, intervals may be a little wide"
    assert 0.75 < report["interval_coverage_of_one"] < 0.9
    assert report["responders_close"] > 0.8
    assert fitted.spread_of(NEAR, 1) < 0.15
    one = fitted.probabilities(standard[:, 0], float(doers[:, 0].mean()), NEAR, np.ones(users, bool))
    assert np.corrcoef(one, chances[:, 0])[0, 1] > 0.95


def test_labels_that_are_misread_far_away_widen_the_intervals_there_only() -> None:
    """Half of the labels are far from the data, and what they are read as has nothing to do with what they mean."""
    rng = np.random.default_rng(4)
    users, labels = 400, 400
    rates, read = rng.uniform(0.02, 0.5, (2, labels))
    far = np.arange(labels) % 2 == 1
    standard = rng.standard_normal((users, labels))
    lift = standard * np.where(far, 0.3, 1.5)
    chances, taken = (expit(lift + np.log(rate / (1 - rate))) for rate in (rates, np.where(far, read, rates)))
    truth, doers = rng.random((users, labels)) < chances, rng.random((users, labels)) < taken
    fitted, report = fit_calibration(observed(standard, doers, truth, np.where(far, 0.2, NEAR), ~far), rng)
    assert fitted.spread_of(0.2, 1) > 3 * fitted.spread_of(NEAR, 1)
    assert report["interval_coverage_of_one"] == pytest.approx(0.8, abs=0.1)
    everyone = np.ones(users, bool)
    rare, common = (fitted.probabilities(standard[:, 0], level, 0.2, everyone).mean() for level in (0.03, 0.45))
    assert common - rare < 0.15, "what a misread label did before says little"

import numpy as np
import pytest

from benchmarks.forecasts.figures import calibration_figure, difference, figure
from encoders.metrics import calibration_bins, calibration_error


def test_the_interval_is_about_the_mean_and_leaves_out_what_is_not_known() -> None:
    values = np.array([0.5, 0.6, 0.7, 0.8, np.nan])
    found = figure(values)
    assert found
    assert found.value == pytest.approx(0.65)
    assert 0.5 <= found.low < 0.65 < found.high <= 0.8
    assert found == figure(values[:4])


def test_the_interval_is_as_wide_as_the_standard_error_says() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.1, 400)
    found = figure(values)
    assert found
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_nothing_known_gives_no_figure_and_a_single_demand_no_interval() -> None:
    assert figure(np.array([np.nan])) is None
    assert figure(np.array([])) is None
    one = figure(np.array([0.4]))
    assert one
    assert (one.low, one.value, one.high) == (0.4, 0.4, 0.4)


def test_a_paired_difference_is_surer_than_its_parts() -> None:
    rng = np.random.default_rng(1)
    hard = rng.normal(0.7, 0.1, 60)
    ours, theirs = hard + 0.01 + rng.normal(0, 0.005, 60), hard
    ahead, alone = difference(ours, theirs), figure(ours)
    assert ahead
    assert alone
    assert 0 < ahead.low < 0.01 < ahead.high + 0.002
    assert ahead.high - ahead.low < 0.2 * (alone.high - alone.low)
    behind = difference(theirs, ours)
    assert behind
    assert behind.high < 0


def test_two_samples_are_drawn_apart() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.normal(0.8, 0.05, 40), rng.normal(0.7, 0.05, 200)
    gap = figure(first, second, statistic=lambda a, b, axis: np.mean(a, axis=axis) - np.mean(b, axis=axis))
    assert gap
    assert gap.value == pytest.approx(first.mean() - second.mean())
    assert gap.low < gap.value < gap.high
    assert figure(first, np.array([np.nan]), statistic=lambda a, b, axis: a.mean()) is None


def test_the_calibration_error_of_all_demands_is_that_of_all_users_together() -> None:
    rng = np.random.default_rng(3)
    chances = rng.random((12, 300)) * 0.5
    truth = rng.random((12, 300)) < chances + 0.1
    gaps, users = zip(*map(calibration_bins, chances, truth), strict=True)
    found = calibration_figure(np.array(gaps), np.array(users))
    assert found
    assert found.value == pytest.approx(calibration_error(chances.ravel(), truth.ravel()))
    assert found.low < found.value < found.high

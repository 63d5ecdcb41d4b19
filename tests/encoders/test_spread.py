import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.overdispersion import Counts, Overdispersion, coverage, fit_overdispersion, responders

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=60).map(np.array)


@given(PROBABILITIES, st.floats(0, 3))
def test_intervals_are_ordered_and_hold_the_expected_number(probabilities: np.ndarray, spread: float) -> None:
    low, middle, high = responders(probabilities, spread)
    assert 0 <= low <= middle <= high <= len(probabilities)
    assert middle == pytest.approx(probabilities.sum())


@given(PROBABILITIES)
def test_more_spread_is_a_wider_interval(probabilities: np.ndarray) -> None:
    narrow, wide = (responders(probabilities, spread) for spread in (0.0, 0.5))
    assert wide[0] <= narrow[0]
    assert wide[2] >= narrow[2]


def test_without_a_spread_an_interval_is_that_of_two_draws_by_chance() -> None:
    """What will happen is one draw, the level it is forecast from was another: the interval is for both."""
    rng = np.random.default_rng(5)
    chances = rng.uniform(0.0, 0.4, 500)
    low, middle, high = responders(chances, 0.0)
    before, after = (rng.random((4000, 500)) < chances for _ in range(2))
    moved = middle + after.sum(1) - before.sum(1)
    assert ((low <= moved) & (moved <= high)).mean() == pytest.approx(0.8, abs=0.02)


def test_far_words_and_further_parts_spread_more() -> None:
    spread = Overdispersion(intercept=-2.0, far=3.0, parts=0.3)
    wide = [spread.of(0.0, 1), spread.of(0.3, 1), spread.of(0.3, 2), spread.of(0.9, 2)]
    assert wide == sorted(wide)
    assert Overdispersion(intercept=-50.0, far=0.0, parts=0.0).of(0.0, 1) > 0
    assert Overdispersion(intercept=50.0, far=0.0, parts=0.0).of(0.0, 1) <= 3


def planted(truth: Overdispersion, rng: np.random.Generator, count: int = 3000) -> Counts:
    """Counts whose expectations are off by a known spread, and drawn by chance around what is right."""
    far, parts = rng.uniform(0, 0.8, count), rng.integers(1, 3, count).astype(float)
    right = rng.uniform(20, 400, count)
    error = [truth.of(distance, int(number)) for distance, number in zip(far, parts, strict=True)]
    expected = right * np.exp(rng.standard_normal(count) * error)
    return Counts(expected=expected, chance=right, actual=rng.poisson(right).astype(float), far=far, parts=parts)


def test_a_known_spread_is_found_and_intervals_hold_near_and_far() -> None:
    truth = Overdispersion(intercept=-2.0, far=2.0, parts=0.4)
    counts = planted(truth, np.random.default_rng(2))
    found = fit_overdispersion(counts)
    assert found.far == pytest.approx(truth.far, abs=0.5)
    assert found.parts == pytest.approx(truth.parts, abs=0.25)
    assert coverage(counts, found) == pytest.approx(0.8, abs=0.01)
    for some in (counts.far < 0.2, counts.far > 0.6, counts.parts == 1, counts.parts == 2):
        assert coverage(counts.take(some), found) == pytest.approx(0.8, abs=0.08)


def test_counts_that_are_always_right_need_no_spread() -> None:
    right = np.linspace(50.0, 500.0, 40)
    counts = Counts(expected=right, chance=right / 2, actual=right, far=np.zeros(40), parts=np.ones(40))
    assert fit_overdispersion(counts).of(0.0, 1) < 0.01

"""Intervals of shares, differences and ratios, against published examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.audiences.outcomes import difference, relative, share


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_newcombes_own_examples(one: tuple[int, int], other: tuple[int, int], low: float, high: float) -> None:
    a, b = share(*one), share(*other)
    assert a is not None
    assert b is not None
    found = difference(a, b)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_the_ratio_is_the_example_of_scipy() -> None:
    found = relative(27, 122, 44, 487)
    assert found is not None
    assert (round(found.mid, 3), round(found.low, 3), round(found.high, 3)) == (1.45, 0.584, 2.789)
    assert relative(0, 10, 3, 10) is None
    assert relative(3, 10, 0, 10) is None


def test_nobody_has_no_share() -> None:
    assert share(0, 0) is None


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_the_interval_surrounds_the_difference_and_turns_with_it(n: int, m: int, data: st.DataObject) -> None:
    a, b = share(data.draw(st.integers(0, n)), n), share(data.draw(st.integers(0, m)), m)
    assert a is not None
    assert b is not None
    there, back = difference(a, b), difference(b, a)
    assert -1 - 1e-9 <= there.low <= there.mid <= there.high <= 1 + 1e-9
    assert (there.low, there.mid, there.high) == pytest.approx((-back.high, -back.mid, -back.low))

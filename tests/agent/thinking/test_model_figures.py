"""Which numbers a text states, and which of them nobody has said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.thinking.checks import numbers, unknown_numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,234 households", {1234.0, 1.234}),
        ("1.234 Haushalte", {1234.0, 1.234}),
        ("12,5 % of 2 317", {12.5, 2.0, 317.0}),
        ("3.14 and 1,234,567.", {3.14, 1234567.0}),
        ("１２ people", {12.0}),
        ("none", set()),
    ],
)
def test_numbers_are_read_however_they_are_written(text: str, found: set[float]) -> None:
    assert found <= numbers(text)


@pytest.mark.parametrize(
    ("text", "known", "unknown"),
    [
        ("about 1,200", ["1200 households"], ()),
        ("about 1200", ["1,200 households"], ()),
        ("19 %", ["19% of them"], ()),
        ("1.9 times", ["1,9 mal"], ()),
        ("1,9 times", ["19"], ("1,9",)),
        ("120", ["1,200"], ("120",)),
        ("twelve hundred", ["1200"], ("hundred",)),
        ("a thousand islands", ["thousand island dressing"], ()),
        ("3万", ["3"], ("万",)),
        ("no figures here", [], ()),
    ],
)
def test_a_number_is_known_when_somebody_gave_it(text: str, known: list[str], unknown: tuple[str, ...]) -> None:
    assert unknown_numbers(text, known) == unknown


@given(st.integers(0, 10**9))
def test_a_number_is_known_from_itself_with_and_without_marks(number: int) -> None:
    assert unknown_numbers(f"{number:,}", [str(number)]) == ()
    assert unknown_numbers(str(number), [f"{number:,}"]) == ()


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_number_is_not_known(one: int, other: int) -> None:
    assert bool(unknown_numbers(str(one), [str(other)])) == (one != other)

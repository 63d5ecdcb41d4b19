"""Intervals that may be looked at every day: they hold on all days at once, where the usual ones do not."""

import numpy as np
import pytest

from tests.present import present
from tools.audiences.outcomes import difference, share
from tools.audiences.sequential import LEVEL, always_valid

DAYS = 28


def missed(rate: float, effect: float, contacted: int, held_out: int, tries: int = 400) -> tuple[float, float]:
    """How often the effect by some day lies outside: of the interval for all days, and of the usual one."""
    rng = np.random.default_rng(7)
    always = usual = 0
    hazard = np.full(DAYS, 1 / DAYS)
    for _ in range(tries):
        ones = rng.multinomial(contacted, [*((rate + effect) * hazard), 1 - rate - effect])[:DAYS].cumsum()
        others = rng.multinomial(held_out, [*(rate * hazard), 1 - rate])[:DAYS].cumsum()
        out = [False, False]
        for day, (one, other) in enumerate(zip(ones.tolist(), others.tolist(), strict=True)):
            true = effect * (day + 1) / DAYS
            found = present(always_valid(one, contacted, other, held_out, rate))
            plain = difference(present(share(one, contacted)), present(share(other, held_out)))
            out[0] |= not found.low <= true <= found.high
            out[1] |= not plain.low <= true <= plain.high
        always, usual = always + out[0], usual + out[1]
    return always / tries, usual / tries


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "effect", "contacted", "held_out"),
    [(0.1, 0.0, 1800, 200), (0.03, 0.0, 9000, 3000), (0.5, 0.0, 900, 300), (0.1, 0.05, 1800, 600)],
)
def test_it_holds_on_every_day_of_the_horizon(rate: float, effect: float, contacted: int, held_out: int) -> None:
    always, usual = missed(rate, effect, contacted, held_out)
    assert always <= LEVEL
    assert usual > 2 * LEVEL, "what one look is made for is wrong more often where one looks every day"


def test_it_is_wider_than_one_look_and_narrows() -> None:
    one = present(always_valid(90, 900, 5, 100, 0.1))
    plain = difference(present(share(90, 900)), present(share(5, 100)))
    assert one.mid == pytest.approx(0.05)
    assert 1.2 < (one.high - one.low) / (plain.high - plain.low) < 2.0
    later = present(always_valid(900, 9000, 50, 1000, 0.1))
    assert later.high - later.low < one.high - one.low
    assert later.low > 0


@pytest.mark.parametrize("expected", [None, 0.0, 0.001, 0.9, 1.0])
def test_what_was_expected_changes_the_width_alone(expected: float | None) -> None:
    found = present(always_valid(90, 900, 5, 100, expected))
    assert found.mid == pytest.approx(0.05)
    assert found.low < 0.05 < found.high
    assert always_valid(0, 900, 0, 0, expected) is None
    nothing = present(always_valid(0, 900, 0, 100, expected))
    assert nothing.low < 0 == nothing.mid < nothing.high

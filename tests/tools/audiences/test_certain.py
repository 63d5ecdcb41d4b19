"""No figure that a caller below admin sees is possible with one user more, and impossible without: over fresh keys.

Whoever knows everybody else in a group knows what each figure would be computed from with their household and without
it. Whole numbers over two different wholes, a figure that is rounded without noise, or the cut at which an audience
begins to be shown, then said for certain which of the two it was.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from datetime import UTC, date, datetime
from typing import cast

import numpy as np
import pytest

from encoders.predictor import Forecast
from tools.audiences.changes import shown_audience
from tools.audiences.disclosure import CERTAIN, Disclosure, Protected
from tools.audiences.sizing import Selection, audience_point
from tools.types import Interval, SavedAudience

KEYS = [number.to_bytes(32, "big") for number in range(4000)]
OFTEN = 10 * CERTAIN * len(KEYS)
CUTS = sorted({float(f"{cut:.3g}") for cut in np.geomspace(0.01, 1, 400)})


def protected(key: bytes) -> Protected:
    return Protected(50, key, "edition")


def interval(users: int) -> Interval:
    mid, wide = 0.31 * users, 1.28 * np.hypot(0.46 * np.sqrt(users), 0.05 * users)
    return Interval(low=mid - wide, mid=mid, high=mid + wide)


def saved(users: int, holdout: int) -> SavedAudience:
    return SavedAudience(
        id="aud-000000000001", name="Tea", version=1, spec=None, definition="tea", users=users, holdout=holdout,
        as_of=date(2024, 6, 1), model_version="m", data_version="d", approved_by="Ada",
        created=datetime(2024, 6, 1, tzinfo=UTC), forecast=interval(users),
    )  # fmt: skip


FIGURES: dict[str, Callable[[Protected, int], Hashable]] = {
    "a share of the users": lambda shown, users: shown.fraction(7, users, "q"),
    "a share that they are": lambda shown, users: shown.fraction(users, 1000, "q"),
    "what they did": lambda shown, users: shown.total(3.31 * users, shown.count(users, "q"), "q"),
    "the width of an interval": lambda shown, users: _width(shown.interval(interval(users), "q")),
    "how many are held out": lambda shown, users: _holdout(shown_audience(saved(users, round(0.1 * users)), shown)),
}


def _width(shown: Interval | None) -> Hashable:
    return shown and round((shown.high - shown.low) / 2)


def _holdout(shown: SavedAudience) -> Hashable:
    return shown.users, shown.holdout


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("users", [60, 104, 105, 149])
def test_no_figure_is_possible_with_one_user_more_and_impossible_without(figure: str, users: int) -> None:
    one, other = (Counter(FIGURES[figure](protected(key), each) for key in KEYS) for each in (users, users + 1))
    for seen, never in ((one, other), (other, one)):
        assert {answer: times for answer, times in seen.items() if times > OFTEN and not never[answer]} == {}


@pytest.mark.parametrize("held_out", [17, 33, 61])
def test_a_holdout_that_nobody_chose_is_a_count_like_any_other(held_out: int) -> None:
    told = Counter(shown_audience(saved(151, held_out), protected(key)).holdout for key in KEYS[:200])
    assert all(each is None or each % 5 == 0 for each in told)
    assert shown_audience(saved(151, held_out), Disclosure(50)).holdout == held_out


def selection(shown: Disclosure, eligible: int, cut: float) -> Selection:
    """An audience of so many eligible users."""
    probabilities = np.linspace(0.9, 0.1, eligible)
    users = shown.count(eligible, "who")
    return Selection(
        forecast=cast(Forecast, None), ranked=np.arange(eligible), cut=cut, recommended_cut=1.0, conditions=(),
        population=5000, eligible=users, shown=shown.ranked(probabilities, users, "who", "forecast"), spread=0.0,
        asked=("who", "forecast"), counts=(),
    )  # fmt: skip


@pytest.mark.parametrize("eligible", [120, 500, 1500])
def test_the_cut_from_which_on_an_audience_is_shown_follows_from_what_is_shown(eligible: int) -> None:
    """Of two worlds that show the same number of eligible users, no scan of cuts tells which it is."""
    alike = 0
    for key in KEYS[:150]:
        shown = protected(key)
        one, other = (selection(shown, each, 1.0) for each in (eligible, eligible + 1))
        if one.eligible != other.eligible:
            continue
        alike += 1
        for cut in CUTS[::4]:
            first, second = (audience_point(selection(shown, each, cut), shown) for each in (eligible, eligible + 1))
            assert (first and first.users) == (second and second.users)
    assert alike > 100


@pytest.mark.parametrize("eligible", [50, 51, 500])
@pytest.mark.parametrize("cut", [0.05, 0.1, 0.2, 1.0])
def test_to_the_owner_an_audience_is_shown_from_the_minimum_on(eligible: int, cut: float) -> None:
    owner = Disclosure(50)
    assert (audience_point(selection(owner, eligible, cut), owner) is not None) == (round(eligible * cut) >= 50)

"""Forecasts of sentences that belong together fit together, for every user and whatever words they use."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.predictor import Forecaster
from encoders.reader.meaning import Heard, Meaning, chances, meaning_of
from tests.planted import HABITS
from tools.service import AudienceService

SORTS = tuple(sort for sorts in HABITS.values() for sort in sorts)
THINGS = st.sampled_from((*HABITS, *SORTS))
WORDS = st.sampled_from(("something for the kettle", "owners of a hungry labrador", "gin", "zzqx", "a bottle of red"))
SAID = THINGS | WORDS
DAYS = st.integers(min_value=7, max_value=90)
ROUNDING = 1e-4
"""Rates are met to within about so much."""

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def forecaster(service: AudienceService) -> Forecaster:
    service.learn_to_read()
    return service.forecaster


def chance(forecaster: Forecaster, sentence: str) -> npt.NDArray[np.float64]:
    return forecaster.forecast(sentence).probabilities


def buy(things: str, behind: str = "") -> str:
    return f"households that will buy {things}{behind}"


@few
@given(one=SAID, other=SAID)
def test_nobody_does_both_likelier_than_either(forecaster: Forecaster, one: str, other: str) -> None:
    both = chance(forecaster, buy(f"{one} AND {other}"))
    each = np.minimum(chance(forecaster, buy(one)), chance(forecaster, buy(other)))
    assert (both <= each + ROUNDING).all()


@few
@given(one=THINGS, other=THINGS)
def test_nobody_does_any_of_two_things_less_likely_than_one(forecaster: Forecaster, one: str, other: str) -> None:
    either = chance(forecaster, buy(f"{one} or {other}"))
    each = np.maximum(chance(forecaster, buy(one)), chance(forecaster, buy(other)))
    assert either.sum() >= each.sum() - 0.5
    if {one, other} <= set(HABITS):
        assert (either >= each - 0.01).all()


@few
@given(thing=SAID)
def test_a_first_time_is_no_likelier_than_any_time(forecaster: Forecaster, thing: str) -> None:
    first = chance(forecaster, buy(thing, " for the first time"))
    assert (first <= chance(forecaster, buy(thing)) + ROUNDING).all()


@few
@given(thing=SAID, days=st.tuples(DAYS, DAYS))
def test_more_happens_in_more_days(forecaster: Forecaster, thing: str, days: tuple[int, int]) -> None:
    sooner, later = (chance(forecaster, buy(thing, f" in the next {each} days")).sum() for each in sorted(days))
    assert sooner <= later + 0.5


@few
@given(thing=SAID)
def test_whoever_will_not_do_it_is_everyone_else(forecaster: Forecaster, thing: str) -> None:
    others = chance(forecaster, f"households that will not buy {thing}")
    np.testing.assert_allclose(others, 1.0 - chance(forecaster, buy(thing)), atol=ROUNDING)


@few
@given(
    thing=st.sampled_from([*HABITS]),
    frame=st.sampled_from(["who will purchase {}?", "people that want to buy {}", "find me shoppers who need {}"]),
)
def test_the_words_around_a_name_change_nothing(forecaster: Forecaster, thing: str, frame: str) -> None:
    np.testing.assert_array_equal(chance(forecaster, frame.format(thing)), chance(forecaster, buy(thing)))
    assert forecaster.meant(frame.format(thing))[1][0].tolist() == forecaster.meant(buy(thing))[1][0].tolist()


def test_a_sort_is_part_of_its_group(forecaster: Forecaster) -> None:
    sort, group = (chance(forecaster, buy(things)) for things in ("canned dog food", "dog food"))
    assert sort.sum() < group.sum()
    assert forecaster.items_meant("canned dog food").tolist() != forecaster.items_meant("dog food").tolist()


def heard(shares: list[float], nearest: int) -> Heard:
    """Five groups, of which one is near."""
    near = np.full(5, 0.2, np.float32)
    near[nearest] = 0.7
    return Heard(np.array(shares, np.float32), np.zeros(5, bool), near, near)


MEMBERS = [np.array([number], np.int64) for number in range(5)]


def test_what_both_the_reader_and_the_words_say_is_meant() -> None:
    found = chances(heard([0.8, 0.05, 0.0, 0.0, 0.0], 0))
    assert found[0] > 0.9
    assert found[1:].max() < 0.5
    assert Meaning(found, MEMBERS).items.tolist() == [0]


def test_a_size_is_wide_where_another_group_may_be_meant() -> None:
    did = {0: np.arange(100) < 5, 1: np.arange(100) < 80}
    sure, torn = (Meaning(np.array([1.0, other]), MEMBERS[:2]) for other in (0.0, 0.45))
    assert sure.misread(lambda items: did[int(items[0])]) == 0.0
    assert torn.misread(lambda items: did[int(items[0])]) > 1.0


def test_nothing_is_meant_where_nothing_is_likely() -> None:
    assert not len(Meaning(np.full(5, 0.1), MEMBERS).items)


def test_an_alternative_that_is_sure_by_itself_counts() -> None:
    whole, alone = heard([0.9, 0.02, 0.0, 0.0, 0.0], 0), heard([0.0, 0.0, 0.0, 0.97, 0.0], 3)
    found = meaning_of(whole, [alone, heard([0.2, 0.2, 0.2, 0.2, 0.2], 1)], np.zeros(0, np.int64), {}, False, MEMBERS)
    assert set(found.meant.tolist()) == {0, 3}
    assert found.alone == (0,)


def test_a_group_that_nobody_did_before_the_day_is_not_meant() -> None:
    later = [np.zeros(0, np.int64), *MEMBERS[1:]]
    found = meaning_of(heard([0.9, 0.05, 0.0, 0.0, 0.0], 0), [], np.zeros(0, np.int64), {}, False, later)
    assert 0 not in found.meant
    assert 0 not in found.possible


def test_a_name_is_one_thing_whatever_its_words_say(forecaster: Forecaster) -> None:
    coffee = forecaster.meant(buy("coffee"))[1][0]
    found = forecaster.of_one_name("coffee but not tea", tuple(coffee.tolist()), 28)
    assert found.items.tolist() == coffee.tolist()

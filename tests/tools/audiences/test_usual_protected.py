"""What thresholds of the life cycle say of one user: whoever asks chooses of what, and since when, they are taken."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from encoders.errors import RequestError, TooManyCallsError
from tests.planted import MINIMUM
from tests.tools.audiences.test_disclosure import AGENT, KEYS, odds, protected
from tests.tools.singled import BREAD
from tools.access import gate
from tools.audiences.disclosure import ROUNDED_TO, SCALE, Disclosure
from tools.audiences.life_cycle import ActivityDays, Numbers, PastActivity, StagePopulation, standing
from tools.service import AudienceService
from tools.types import AudienceSpec, LifeCycle

MANY_KEYS = [number.to_bytes(32, "big") for number in range(6000)]


def doers(days: list[int], disclosure: Disclosure, usual: float = 7.0) -> StagePopulation:
    """Users who did something on so many days each, every ``usual`` days."""
    numbers = np.asarray(days, np.float64)
    regular: Numbers = np.where(numbers >= 3, usual, np.nan)
    breaks = np.repeat(np.linspace(0.5, 4.0, 40), 2)
    rhythm = ActivityDays(numbers, 150 * np.ones(len(days)), np.ones(len(days)), regular, breaks, np.ones(80))
    deeds = SimpleNamespace(days=lambda items, within: numbers, rhythm=lambda items: rhythm)
    return StagePopulation(cast(PastActivity, deeds), np.arange(3), np.ones(len(days), bool), disclosure, "coffee")


@pytest.mark.parametrize("added", [0.0, 3.0, 30.0])
@pytest.mark.slow
def test_one_user_changes_the_odds_of_a_threshold_by_little(added: float) -> None:
    """On the very edge between two thresholds, where without noise one user would turn it over."""
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 50)
    more = np.append(values, added)
    answers: list[list[object]] = [
        [protected(key).quantile(some, 0.5, "days") for key in MANY_KEYS] for some in (values, more)
    ]
    assert odds(*answers) <= 1 / SCALE + 3 * np.sqrt(2 / 100)
    assert {2.0, 3.0} <= set(answers[0])


def test_a_threshold_is_near_what_it_stands_for_and_never_that_of_the_one_at_the_end() -> None:
    values = np.append(np.arange(1.0, 401.0), 9_999.0)
    shown = np.array([protected(key).quantile(values, 0.75, "days") for key in KEYS])
    assert abs(np.median(shown) - 300) <= 2
    assert np.quantile(np.abs(shown - 300), 0.9) <= 4 * SCALE
    ends = {protected(key).quantile(values, share, "days") for key in KEYS for share in (0.0, 1.0)}
    assert min(ends) >= ROUNDED_TO
    assert max(ends) <= 401 - ROUNDED_TO
    assert Disclosure(50).quantile(values, 0.5) == np.quantile(values, 0.5)


def test_a_user_with_many_breaks_weighs_as_much_as_one_with_few() -> None:
    breaks = np.concatenate([np.full(100, 1.0), np.full(900, 5.0)])
    weights = np.concatenate([np.ones(100), np.full(900, 1 / 900)])
    assert {protected(key).quantile(breaks, 0.5, "breaks", weights=weights) for key in KEYS} == {1.0}


def test_whether_enough_do_something_is_no_exact_answer() -> None:
    def refused(users: int, key: bytes) -> bool:
        try:
            standing(LifeCycle(stage="new"), doers([3] * users, protected(key)))
        except RequestError:
            return True
        return False

    assert all(refused(49, key) for key in KEYS)
    shares = [np.mean([refused(users, key) for key in KEYS]) for users in (50, 51)]
    assert 0.7 < shares[1] <= shares[0] < 1.0
    assert not refused(150, KEYS[0])


def test_the_pace_of_a_few_is_not_said_to_anybody() -> None:
    """Many do it once or twice, and what is usual among those who do it often would be what one of them does."""
    for disclosure in (Disclosure(50), protected()):
        with pytest.raises(RequestError, match="Too few have done this on 3 days"):
            standing(LifeCycle(stage="loyal"), doers([1] * 200 + [9], disclosure, usual=13.0))
        assert "on at least 3 days" in standing(LifeCycle(stage="loyal"), doers([3] * 200, disclosure)).meaning


def test_stages_are_asked_about_and_said_as_they_are_protected(
    own: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = AudienceSpec(demand=BREAD, life_cycle=(LifeCycle(stage="heavy"),))
    agent = own.of(AGENT)
    meant = own.population.conditions.meaning(spec.life_cycle[0], agent.population.protected)
    assert f"({meant})" in agent.size(spec).sentence
    monkeypatch.setattr(gate, "MOST_QUESTIONS", 2)
    few = AudienceSpec(demand=BREAD, life_cycle=(LifeCycle(stage="heavy", what="brass telescope"),))
    with pytest.raises(TooManyCallsError):
        agent.size(few)
    with pytest.raises(TooManyCallsError):
        agent.profile(few)
    with pytest.raises(RequestError, match="Too few have done this"):
        own.size(few)
    assert own.population.exact.minimum == MINIMUM

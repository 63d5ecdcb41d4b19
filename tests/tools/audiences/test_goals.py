"""The cut that reaches a goal, against every other cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.present import present
from tools.audiences.sizing import reach_goal
from tools.operation_types import Goal

RANKED = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=80).map(lambda chances: np.sort(chances)[::-1].copy())
MONEY = st.floats(0.1, 50.0)


@given(RANKED, MONEY, MONEY)
def test_no_other_cut_earns_more(ranked: np.ndarray, cost: float, value: float) -> None:
    reached = reach_goal(Goal(cost=cost, value=value), ranked, 0.2, 1)
    profits = np.cumsum(ranked) * value - cost * np.arange(1, len(ranked) + 1)
    assert reached.profit is not None
    assert reached.profit.low <= reached.profit.mid <= reached.profit.high
    assert reached.profit.mid == pytest.approx(profits.max(), abs=1e-6)
    assert reached.reached == (ranked[0] * value > cost)


@given(RANKED, st.floats(0.01, 1.0), st.integers(1, 20))
def test_a_precision_holds_and_nobody_more_could_be_taken(ranked: np.ndarray, wanted: float, smallest: int) -> None:
    reached = reach_goal(Goal(precision=wanted), ranked, 0.0, smallest)
    means = np.cumsum(ranked) / np.arange(1, len(ranked) + 1)
    users = present(reached.users)
    assert users >= min(smallest, len(ranked))
    if reached.reached:
        assert means[users - 1] >= wanted
        assert users == len(ranked) or means[users] < wanted
    else:
        assert means[users - 1] < wanted


@given(RANKED, MONEY, MONEY)
def test_a_budget_is_kept(ranked: np.ndarray, budget: float, cost: float) -> None:
    reached = reach_goal(Goal(budget=budget, cost=cost), ranked, 0.0, 1)
    assert reached.cost is not None
    assert reached.cost <= budget * (1 + 1e-6) or not reached.reached
    assert reached.users == len(ranked) or not reached.reached or reached.cost + cost > budget * (1 - 1e-6)


def test_the_strictest_of_several_wishes_decides() -> None:
    ranked = np.linspace(1.0, 0.0, 101)
    assert reach_goal(Goal(users=30, precision=0.5), ranked, 0.0, 1).users == 30
    assert reach_goal(Goal(users=30, precision=0.901), ranked, 0.0, 1).users == 20
    assert reach_goal(Goal(users=30, budget=50, cost=5, value=100), ranked, 0.0, 1).users == 10


def test_nobody_to_choose_from_and_too_small_an_audience() -> None:
    nobody = reach_goal(Goal(precision=0.5), np.zeros(0), 0.0, 50)
    assert (nobody.users, nobody.responders, nobody.reached) == (None, None, False)
    few = reach_goal(Goal(precision=0.5), np.linspace(0.4, 0.0, 200), 0.0, 50)
    assert (few.users, few.reached) == (50, False)


@pytest.mark.parametrize("goal", [{"budget": 100}, {"value": 10}, {"precision": 0}, {"precision": 1.2}, {"cost": -1}])
def test_a_goal_that_makes_no_sense_is_none(goal: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Goal.model_validate(goal)

"""Stages of the life cycle, computed once more in the plainest way."""

from typing import get_args

import numpy as np
import pytest

from encoders.errors import RequestError
from tests.planted import AS_OF, World
from tests.tools.audiences.test_conditions import conditions_of, events
from tools.audiences.life_cycle import LATE_DAYS
from tools.service import AudienceService
from tools.types import AudienceSpec, LifeCycle, Stage

STAGES: tuple[Stage, ...] = get_args(Stage)
COFFEE = "Households that will buy coffee in the next 28 days"


def ages(world: World, group: str) -> dict[str, list[int]]:
    """How many days ago each user did it, each day once, the latest first."""
    table = events(world, group)
    return {user: sorted(set(found)) for user, found in table.group_by("user_id").agg("age").iter_rows()}


def standing(service: AudienceService, stage: Stage, what: str = "anything", holds: bool = True) -> set[str]:
    found = conditions_of(service, life_cycle=[LifeCycle(stage=stage, what=what, holds=holds)])
    mask = np.logical_and.reduce([each.mask for each in found])
    return {user for user, met in zip(service.population.user_ids, mask, strict=True) if met}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_its_thresholds_and_holds_for_some(service: AudienceService, stage: Stage) -> None:
    wanted = LifeCycle(stage=stage)
    meaning = service.population.conditions.meaning(wanted)
    assert any(letter.isdigit() for letter in meaning)
    everyone = set(service.population.user_ids)
    inside = standing(service, stage)
    assert standing(service, stage, holds=False) == everyone - inside
    spec = AudienceSpec(demand=COFFEE, life_cycle=(wanted,))
    assert f"who are {stage} ({meaning})" in service.size(spec).sentence


def test_loyal_and_heavy_are_the_top_of_those_who_do(service: AudienceService, world: World) -> None:
    population = set(world.dataset.before(AS_OF).population)
    lately = {user: len([age for age in days if age <= 91]) for user, days in ages(world, "").items()}
    doers = sorted(days for user, days in lately.items() if days and user in population)
    heavy = standing(service, "heavy") & population
    assert {user for user in population if lately[user] >= np.ceil(np.quantile(doers, 0.8))} == heavy
    loyal = standing(service, "loyal")
    assert loyal
    assert min(len(ages(world, "")[user]) for user in loyal) > np.median(
        [len(days) for days in ages(world, "").values()]
    )


def test_new_are_those_whose_first_time_was_lately(service: AudienceService, world: World) -> None:
    assert standing(service, "new", "baby food") == {
        user for user, days in ages(world, "baby food").items() if days[-1] <= 91
    }


def test_whoever_lapsed_is_silent_for_longer_than_is_usual_for_them(service: AudienceService, world: World) -> None:
    past = ages(world, "coffee")
    lapsed, lapsing, due = (standing(service, stage, "coffee") for stage in ("lapsed", "lapsing", "due again"))
    assert lapsed
    assert due
    assert not lapsed & lapsing
    assert not due & (lapsed | lapsing)
    for user in lapsed | lapsing | due:
        usual = float(np.median(np.diff(past[user])))
        assert len(past[user]) >= 3
        assert past[user][0] >= usual
        if user in lapsed | lapsing:
            assert past[user][0] > max(LATE_DAYS, usual)
    assert lapsed >= {user for user in world.gone & past.keys() if len(past[user]) >= 10}
    habit = {user for user in world.habits["coffee"] - world.gone - world.late if user in past}
    assert len(lapsed & habit) <= 0.1 * len(habit)


def test_one_thing_counts_as_gone_sooner_than_everything(service: AudienceService) -> None:
    assert "9 in 10 breaks are not" in service.meaning(LifeCycle(stage="lapsed", what="coffee"))
    assert "49 in 50 breaks are not" in service.meaning(LifeCycle(stage="lapsed"))


def test_spending_is_in_the_values_of_events(service: AudienceService, world: World) -> None:
    worth: dict[str, float] = {}
    for user, value in events(world, "", 182).select("user_id", "value").iter_rows():
        worth[user] = worth.get(user, 0.0) + value
    high, low = (standing(service, stage) for stage in ("high spending", "low spending"))
    population = set(world.dataset.before(AS_OF).population)
    assert min(worth[user] for user in high) > max(worth[user] for user in low)
    for found in (high & population, low & population):
        assert 0.1 * len(population) < len(found) < 0.3 * len(population)


def test_what_too_few_do_has_no_usual_way(service: AudienceService) -> None:
    with pytest.raises(RequestError, match="Too few have done this"):
        standing(service, "loyal", "telescope")

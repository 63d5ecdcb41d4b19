"""What a holdout will show, against statsmodels and against outcomes that were drawn."""

import numpy as np
import pytest
from statsmodels.stats.proportion import power_proportions_2indep

from tests.planted import MINIMUM
from tests.present import present
from tools.audiences.outcomes import difference, share
from tools.audiences.power import POWER, power, smallest_effect
from tools.service import AudienceService
from tools.types import AudienceSpec

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.5)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("effect", [0.005, 0.04, 0.2])
@pytest.mark.parametrize(("contacted", "held_out"), [(900, 100), (9_000, 3_000), (50, 50)])
def test_the_power_is_that_of_statsmodels(rate: float, effect: float, contacted: int, held_out: int) -> None:
    theirs = power_proportions_2indep(effect, rate, contacted, ratio=held_out / contacted, return_results=False)
    assert power(rate, effect, contacted, held_out) == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.parametrize(("rate", "contacted", "held_out"), [(0.1, 1800, 200), (0.03, 9000, 3000), (0.4, 300, 300)])
def test_an_effect_of_that_size_is_seen_in_four_of_five_outcomes(rate: float, contacted: int, held_out: int) -> None:
    effect = present(smallest_effect(rate, contacted, held_out))
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(1500):
        one = share(int(rng.binomial(contacted, rate + effect)), contacted)
        other = share(int(rng.binomial(held_out, rate)), held_out)
        seen += difference(present(one), present(other)).low > 0
    assert seen / 1500 == pytest.approx(POWER, abs=0.05)


def test_more_held_out_shows_less_and_too_few_show_nothing() -> None:
    ten, quarter = (present(smallest_effect(0.1, 2000 - held, held)) for held in (200, 500))
    assert 0.5 < quarter / ten < 0.8
    assert smallest_effect(0.1, 2000, 0) is None
    assert smallest_effect(0.1, 40, 1) is None
    assert smallest_effect(1.0, 500, 500) is None


def test_the_plan_is_told_before_and_the_saved_audience_keeps_to_it(own: AudienceService) -> None:
    plan = own.holdout_plan(COFFEE, (0.25, 0.1))
    size = own.size(COFFEE)
    assert (plan.users, plan.rate) == (size.users, size.precision)
    assert [each.share for each in plan.options] == [0.1, 0.25]
    assert plan.options[0].held_out == round(0.1 * present(size.users))
    assert own.list_audiences() == ()
    saved = own.save(COFFEE, "coffee", "Ada", holdout=0.25)
    assert saved.detects == pytest.approx(present(plan.options[1].detects), rel=0.05)
    assert [each.share for each in own.holdout_plan(COFFEE).options] == [0.05, 0.1, 0.25, 0.5]


def test_few_users_have_no_plan(own: AudienceService) -> None:
    plan = own.holdout_plan(COFFEE.model_copy(update={"cut": 0.02}))
    assert present(own.size(COFFEE).users) > MINIMUM
    assert (plan.users, plan.rate, {each.detects for each in plan.options}) == (None, None, {None})

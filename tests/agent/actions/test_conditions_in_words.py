"""Conditions as the conversation and the page show them, and as a step brings them into an audience."""

from agent.page.ask import controls
from agent.reading.wording import conditions
from agent.state import Memory
from agent.steps import Step
from agent.thinking.drafts import Drafting
from agent.thinking.weighing import look
from tests.agent.agent_doubles import PlantedService
from tools.types import AudienceSpec, Behaviour, Filter, LifeCycle, Membership

SPEC = AudienceSpec(
    demand="Households that will buy coffee in the next 28 days",
    filters=(Filter(field="age", op="is unknown"), Filter(field="kids", op="is not", values=("no kids", "1 kid"))),
    behaviours=(
        Behaviour(did=False, what="tea"),
        Behaviour(did=False, what="cocoa"),
        Behaviour(did=True, what="wine", days=60, times=3),
        Behaviour(did=True, what="beer", amount=12.5),
        Behaviour(did=True, what="milk", days=30, ago=True),
        Behaviour(did=True, what="anything", source="coupons", days=91),
    ),
    life_cycle=(LifeCycle(stage="loyal", what="coffee"), LifeCycle(stage="lapsed", holds=False)),
    memberships=(Membership(audience="Autumn", member=False),),
)


def test_every_condition_in_words() -> None:
    assert conditions(SPEC) == [
        "age: unknown",
        "kids: not no kids or 1 kid",
        "no tea or cocoa at any time before",
        "wine on at least 3 days in the last 60 days",
        "beer for at least 12.5 in all at any time before",
        "milk, the last time more than 30 days ago",
        "anything (coupons) in the last 91 days",
        "loyal: coffee",
        "not lapsed",
        'not in "Autumn"',
    ]


def test_each_condition_can_be_removed_by_itself() -> None:
    words = controls.conditions(SPEC)
    assert len(words) == len(set(words)) == 11
    left = controls.keep_conditions(SPEC, words[:-1])
    assert left == SPEC.model_copy(update={"memberships": ()})
    assert controls.keep_conditions(SPEC, []) == AudienceSpec(demand=SPEC.demand)


def test_a_step_brings_conditions_into_an_audience_and_changes_keep_them() -> None:
    service = PlantedService()
    card = service.describe_data()
    context = look(service, card, Memory(), "dog food")
    drafting = Drafting(service, card)
    loyal, autumn = LifeCycle(stage="loyal"), Membership(audience="Autumn", member=False)
    wine = Behaviour(did=True, what="wine", times=3, days=60)
    step = Step(action="propose", groups=["dog food"], behaviours=[wine], life_cycle=[loyal], memberships=[autumn])
    version, _ = drafting.propose(step, context, "dog food")
    spec = version.draft.spec
    assert (spec.behaviours, spec.life_cycle, spec.memberships) == ((wine,), (loyal,), (autumn,))
    new = LifeCycle(stage="new", holds=False)
    amended, _ = drafting.amend(Step(action="exclude", life_cycle=[new, loyal]), context, version)
    assert amended.draft.spec.life_cycle == (loyal, new)
    assert amended.draft.spec.memberships == (autumn,)
    assert amended.draft.spec.behaviours == (wine,)

"""What could be asked, and how much it would change the audience."""

import pytest

from agent.state import Memory
from agent.thinking.rules import LEAST_CHANGE, decide
from agent.thinking.weighing import look
from tests.agent.agent_doubles import PlantedService
from tests.present import present
from tools.types import AudienceSpec, SizeEstimate


def asked(text: str, service: PlantedService | None = None) -> list[tuple[str, float]]:
    service = service or PlantedService()
    context = look(service, service.describe_data(), Memory(), text)
    return [(each.topic, each.change) for each in context.open_questions]


def test_what_changes_the_audience_most_comes_first() -> None:
    changes = [change for _, change in asked("I want to reach people for our new baby line")]
    assert len(changes) == 2
    assert changes == sorted(changes, reverse=True)
    assert all(0 < change <= 1 for change in changes)


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("households that will buy dog food", set()),
        ("wine drinkers", {"meaning"}),
        ("we want to sell more dog food", {"newness"}),
        ("first-time buyers for our dog food launch", set()),
        ("asdf qwer", set()),
    ],
)
def test_only_what_a_request_leaves_open_is_weighed(text: str, topics: set[str]) -> None:
    assert {topic for topic, _ in asked(text)} == topics


def test_a_question_whose_answers_change_nothing_is_not_asked() -> None:
    """Both kinds of wine are bought by the very same people: which of them is meant makes no difference."""

    class SamePeople(PlantedService):
        def users_of(self, audience: object) -> set[int]:
            return set(range(100))

    service = SamePeople()
    context = look(service, service.describe_data(), Memory(), "wine drinkers")
    assert context.open_questions[0].change == 0 < LEAST_CHANGE
    step = decide(context)
    assert (step.action, step.groups) == ("propose", ["wine"])


def test_an_answer_that_reaches_nobody_is_not_offered() -> None:
    class NoImports(PlantedService):
        def size(self, spec: AudienceSpec) -> SizeEstimate:
            size = super().size(spec)
            nobody = present(size.all_responders).model_copy(update={"low": 0.0, "mid": 0.2, "high": 0.9})
            return size.model_copy(update={"all_responders": nobody}) if "imported" in spec.demand else size

    assert asked("wine drinkers", NoImports()) == [], "one answer is no question"


def test_what_could_be_asked_comes_with_its_sizes() -> None:
    service = PlantedService()
    context = look(service, service.describe_data(), Memory(), "wine drinkers")
    (asked,) = context.open_questions
    assert asked.topic == "meaning"
    assert {each.answer: each.responders.mid for each in asked.options} == {"domestic wine": 50, "imported wine": 50}

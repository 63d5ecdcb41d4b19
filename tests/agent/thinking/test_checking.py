"""What a step may name: what the data was seen to have, by a search or by the reader."""

import pytest

from agent.context import Context, OpenQuestion, WeighedAnswer
from agent.steps import Step, StepError
from agent.thinking.checks import check_step
from encoders.reader import MeantGroup, WholeReading
from tests.agent.agent_doubles import CARD
from tools.types import GroupHit, Interval


def context(whole: WholeReading | None) -> Context:
    sized = WeighedAnswer(answer="", users=200, responders=Interval(low=20, mid=30, high=40), lift=2.0)
    options = tuple(sized.model_copy(update={"answer": name}) for name in ("The Godfather", "The Sting"))
    return Context(
        text="the Godfather box", request="the Godfather box", answers=(), question=None, questions_left=2, draft=None,
        conversation=(), saved_audiences=(), unit=CARD.unit, unit_plural=CARD.unit_plural, actions={"likes": "like"},
        main_source="likes", horizon_days=28, fields={}, searches=(), examples=(), whole=whole,
        open_questions=(OpenQuestion(topic="meaning", question="Which?", options=options, change=0.5),),
    )  # fmt: skip


def nothing(words: str) -> tuple[GroupHit, ...]:
    return ()


def test_single_items_that_the_reader_found_may_be_asked_about() -> None:
    """A search finds groups alone; the reader finds single items as well, named and beside what it names."""
    godfather = MeantGroup(group="The Godfather", source="likes", probability=0.5, because="godfather", single=True)
    whole = WholeReading(groups=(godfather,), entries=(), sure=False, beside=("The Sting",))
    asked = Step(action="ask", topic="meaning", question="Which?", options=["The Godfather", "The Sting"])
    checked, _ = check_step(asked, context(whole), nothing)
    assert checked.options == ["The Godfather", "The Sting"]
    with pytest.raises(StepError):
        check_step(asked, context(None), nothing)

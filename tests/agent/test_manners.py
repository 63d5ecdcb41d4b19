"""How the assistant behaves: answers about the audience, choices, orders, goals, courtesy, and nothing that crashes."""

import random
import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.actions.dispatch import Actions
from agent.conversation import Conversation
from agent.models.usage import ModelConduct
from agent.reading import parse as reading
from agent.reading.intents import INTENTS, Guess, Intent
from agent.state import Clarification, Memory
from agent.thinking.drafts import RefusedAudience
from agent.thinking.rules import RuleThinker
from agent.thinking.weighing import look
from benchmarks.conversations.train_intents import examples
from encoders.errors import AudienceError
from encoders.reader import WholeReading
from encoders.reader.reader import MeantGroup
from encoders.settings import Settings
from tests.agent.agent_doubles import COFFEE, PlantedService, spec
from tests.present import present
from tools.types import AudienceSpec, Behaviour, Filter, Interval, LifeCycle, SizeEstimate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("text", "demand", "behaviours"),
    [
        ("people who bought coffee", COFFEE, (Behaviour(did=True, what="coffee"),)),
        ("who bought coffee last month", COFFEE, (Behaviour(did=True, what="coffee", days=30),)),
        (
            "people who bought coffee before but not in the last 3 months",
            COFFEE,
            (Behaviour(did=True, what="coffee"), Behaviour(did=False, what="coffee", days=90)),
        ),
        (
            "people who last bought coffee more than 30 days ago",
            COFFEE,
            (Behaviour(did=True, what="coffee", days=30, ago=True),),
        ),
        (
            "households that did not buy coffee in the last 30 days",
            COFFEE,
            (Behaviour(did=False, what="coffee", days=30),),
        ),
    ],
)
def test_a_condition_on_the_past_is_no_demand(
    talk: Conversation, text: str, demand: str, behaviours: tuple[Behaviour, ...]
) -> None:
    reply = talk.say("t", text)
    if reply.question:
        reply = talk.say("t", "everyone")
    assert (spec(reply).demand, spec(reply).behaviours) == (demand, behaviours)


def test_a_stage_of_the_life_cycle_is_a_condition(coffee: Conversation) -> None:
    reply = coffee.say("t", "loyal customers only")
    assert spec(reply).demand == COFFEE
    assert spec(reply).life_cycle == (LifeCycle(stage="loyal"),)


def test_a_request_about_people_alone_is_about_all_of_them(talk: Conversation) -> None:
    reply = talk.say("t", "loyal coffee customers whose age is unknown")
    assert spec(reply).filters == (Filter(field="age", op="is unknown"),)
    assert spec(reply).life_cycle == (LifeCycle(stage="loyal", what="coffee"),)
    assert spec(reply).demand == COFFEE
    assert spec(reply).cut == 1.0


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        ("our highest spenders", "high spending"),
        ("loyal customers", "loyal"),
        ("customers we are about to lose", "lapsing"),
        ("new customers this quarter", "new"),
    ],
)
def test_a_life_cycle_alone_is_the_audience_with_its_threshold_said(talk: Conversation, said: str, stage: str) -> None:
    reply = talk.say("t", said)
    assert reply.question is None
    assert [each.stage for each in spec(reply).life_cycle] == [stage]
    assert spec(reply).demand == "Households that will buy anything in the next 28 days"
    assert spec(reply).cut is None
    assert f"“{stage}” means the threshold of {stage}" in reply.text
    assert "everyone who fits" in reply.text
    assert any(each.startswith("Rather ") for each in reply.options)


def test_a_size_that_is_said_cuts_conditions_alone_too(talk: Conversation) -> None:
    reply = talk.say("t", "the 200 most likely of our loyal customers")
    assert reply.size is not None
    assert reply.size.users == 200


def test_a_stage_that_is_added_has_its_threshold_said(coffee: Conversation) -> None:
    assert "“loyal” means the threshold of loyal" in coffee.say("t", "loyal customers only").text


def test_words_beside_a_condition_that_name_nothing_are_said_to_be_unused(talk: Conversation) -> None:
    reply = talk.say("t", "price-conscious households who bought nothing for 60 days")
    assert spec(reply).behaviours == (Behaviour(did=False, what="anything", days=60),)
    assert spec(reply).demand == "Households that will buy anything in the next 28 days"
    assert "“price-conscious” and left it out" in reply.text


def test_a_wish_beside_a_condition_is_still_the_demand(talk: Conversation) -> None:
    reply = talk.say("t", "loyal customers who will buy dog food")
    assert spec(reply).demand == "Households that will buy dog food in the next 28 days"
    assert spec(reply).cut is None


def test_what_is_unknown_is_a_condition(coffee: Conversation) -> None:
    assert spec(coffee.say("t", "only those whose age is unknown")).filters == (Filter(field="age", op="is unknown"),)


def test_what_the_data_does_not_have_is_said(coffee: Conversation) -> None:
    assert "no “zeppelin rides” in this data" in coffee.say("t", "only those who did zeppelin rides").text


def test_what_the_data_does_not_know_of_people_is_said(coffee: Conversation) -> None:
    assert "known about people is age" in coffee.say("t", "only women").text


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("exclude people under 25", (Filter(field="age", op="is not", values=("19-24",)),)),
        ("people aged 25 to 44 only", (Filter(field="age", values=("25-34", "35-44")),)),
        ("not aged 35-44", (Filter(field="age", op="is not", values=("35-44",)),)),
    ],
)
def test_a_filter_never_touches_the_demand(coffee: Conversation, text: str, filters: tuple[Filter, ...]) -> None:
    reply = coffee.say("t", text)
    assert (spec(reply).demand, spec(reply).filters, spec(reply).behaviours) == (COFFEE, filters, ())


def test_a_goal_stays_a_goal_through_later_filters(coffee: Conversation) -> None:
    assert present(coffee.say("t", "about 300 people").size).users == 300
    assert present(coffee.say("t", "only homeowners").size).users == 300
    narrower = coffee.say("t", "narrower")
    assert narrower.size is not None
    assert narrower.size.users == 200
    after = coffee.say("t", "only married couples")
    assert after.size is not None
    assert after.size.users == 100, "another cut has taken the goal's place"


def test_the_most_likely_so_many(coffee: Conversation) -> None:
    assert present(coffee.say("t", "the 150 most likely").size).users == 150


@pytest.mark.parametrize(
    ("text", "demand"),
    [
        ("dog food too", "Households that will buy coffee or dog food in the next 28 days"),
        ("dog food instead", "Households that will buy dog food in the next 28 days"),
        ("the same but for dog food", "Households that will buy dog food in the next 28 days"),
        ("not coffee. i meant dog food", "Households that will buy dog food in the next 28 days"),
    ],
)
def test_too_and_instead(coffee: Conversation, text: str, demand: str) -> None:
    assert spec(coffee.say("t", text)).demand == demand


def test_both_is_said_as_both(talk: Conversation) -> None:
    demand = spec(talk.say("t", "both coffee and dog food")).demand
    assert demand == "Households that will buy coffee as well as dog food in the next 28 days"


def test_a_time_beyond_the_longest_is_said(talk: Conversation) -> None:
    reply = talk.say("t", "coffee in the next 3 years")
    assert "91 days" in spec(reply).demand
    assert "the longest time I can look ahead is 91 days" in reply.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("how accurate is this?", "In 8 of 10 cases"),
        ("what is lift?", "picked at random about"),
        ("how much would it cost to reach them?", "What does one contact cost you?"),
        ("how many people is that?", "ends within it in 8 of 10 cases"),
        ("show me the list of saved audiences", "No audience has been saved yet"),
        ("what can you do?", "Say whom you want to reach"),
        ("thanks, great job", "You are welcome"),
        ("it's raining again", "I only find households"),
        ("make it better", "should change, but not what"),
    ],
)
def test_questions_and_courtesy_leave_the_audience_alone(coffee: Conversation, text: str, said: str) -> None:
    before = coffee.current("t").draft
    reply = coffee.say("t", text)
    assert said in reply.text
    assert reply.draft == before


def test_courtesy_is_nothing_to_judge(coffee: Conversation, service: PlantedService) -> None:
    service.save(AudienceSpec(demand="Households that will buy baby food"), "Baby autumn", "me", "key")
    coffee.say("t", "thanks, great job")
    compared = coffee.say("t", "compare with Baby autumn")
    assert not compared.refused
    listed = coffee.say("t", "which audiences have I saved?")
    assert "**Baby autumn**, version 1" in listed.text


def test_undo_several_and_names(coffee: Conversation) -> None:
    coffee.say("t", "broader")
    coffee.say("t", "only homeowners")
    back = coffee.say("t", "go back two steps")
    assert "last 2 changes" in back.text
    assert (spec(back).cut, spec(back).filters) == (None, ())
    assert "**Coffee lovers**" in coffee.say("t", "rename it to Coffee lovers").text
    assert coffee.say("t", "save it").text.startswith("Save **Coffee lovers**")


def test_several_options_none_and_the_difference(talk: Conversation) -> None:
    asked = talk.say("t", "wine buyers")
    assert asked.options[:2] == ("domestic wine", "imported wine")
    told = talk.say("t", "what is the difference?")
    assert "**domestic wine**" in told.text
    assert "box wines" in told.text
    assert told.question is not None, "the question stays open"
    none = talk.say("t", "none of these")
    assert none.question is None
    assert "None of those" in none.text
    assert not {"domestic wine", "imported wine"} & set(none.options)
    talk.say("u", "wine buyers")
    assert spec(talk.say("u", "the second")).demand == "Households that will buy imported wine in the next 28 days"


PETS = WholeReading(
    groups=tuple(
        MeantGroup(group=group, source="purchases", probability=0.3, because="pet owners")
        for group in ("dog food", "vitamins")
    ),
    entries=(),
    sure=True,
    beside=("cat food", "coffee", "wine"),
)


class Reads(PlantedService):
    """Reads every request as one about pets."""

    def read(self, text: str) -> WholeReading | None:
        return PETS


@pytest.fixture
def pets(workspace: Settings) -> Iterator[Conversation]:
    with closing(Conversation(Reads(), workspace)) as talk:
        asked = talk.say("t", "pet owners")
        assert asked.options[:2] == ("dog food", "vitamins")
        yield talk


def test_an_answer_names_what_is_near_the_request_beyond_the_options(pets: Conversation) -> None:
    reply = pets.say("t", "cats and dogs, no vitamins")
    assert spec(reply).demand == "Households that will buy dog food or cat food in the next 28 days"
    assert spec(reply).behaviours == ()


def test_what_comes_after_none_of_these_is_what_the_reader_finds_next(pets: Conversation) -> None:
    assert pets.say("t", "none of these").options == ("wine",)


def test_a_condition_about_several_groups_is_about_all_of_them(talk: Conversation) -> None:
    reply = talk.say("t", "people who spent more than $100 on pet food this year")
    if reply.question:
        reply = talk.say("t", "All of them")
    (condition,) = spec(reply).behaviours
    assert condition.amount == 100
    assert {"dog food", "cat food"} <= set(re.split(r", | or ", condition.what))
    assert spec(reply).demand == f"Households that will buy {condition.what} in the next 28 days"


def test_where_too_few_remain_it_is_said_which_condition_makes_it_larger(workspace: Settings) -> None:
    class Few(PlantedService):
        def size(self, spec: AudienceSpec) -> SizeEstimate:
            nobody = {"eligible": None, "users": None, "responders": None, "lift": None, "all_responders": None}
            return super().size(spec).model_copy(update=nobody if spec.life_cycle else {})

    with closing(Conversation(Few(), workspace)) as talk:
        small = talk.say("t", "loyal customers who are homeowners")
        assert small.size is not None
        assert small.size.users is None
        assert small.options == ("Without “loyal” (500 households)",)
        larger = talk.say("t", small.options[0])
        assert spec(larger).life_cycle == ()
        assert [each.field for each in spec(larger).filters] == ["home ownership"]
        assert larger.size is not None
        assert larger.size.users == 500


def test_a_cost_is_asked_for_and_never_made_up(coffee: Conversation) -> None:
    asked = coffee.say("t", "how much would it cost to reach them?")
    assert asked.size is not None
    assert "What does one contact cost you?" in asked.text
    made_up = {float(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\.\d\d", asked.text)} - {0.8}
    assert not made_up


def test_segments_are_chosen_among(talk: Conversation) -> None:
    shown = talk.say("t", "give me three segments for pet food")
    assert shown.text.count("Households that will buy") == 3
    chosen = shown.options[1]
    assert spec(talk.say("t", "the second one")).demand == f"Households that will buy {chosen} in the next 28 days"


def test_an_audience_of_nobody_is_not_offered_for_saving(workspace: Settings) -> None:
    class Nobody(PlantedService):
        def size(self, spec: AudienceSpec) -> SizeEstimate:
            none = Interval(low=0, mid=0.2, high=1)
            return super().size(spec).model_copy(update={"responders": none, "all_responders": none})

    talk = Conversation(Nobody(), workspace)
    reply = talk.say("t", "coffee drinkers")
    assert "Not even one" in reply.text
    assert "Save this audience" not in reply.options
    refused = talk.say("t", "save as Empty")
    assert refused.pending is None
    assert "nothing to save" in refused.text
    talk.close()


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        (("wer kauft coffee in den nächsten 14 Tagen?", "wie genau ist das?"), "In 8 von 10 Fällen"),
        (("gente que va a comprar coffee para la casa", "¿qué es el lift?"), "elegidas al azar"),
        (("des clients qui vont acheter du coffee", "combien ça coûte ?"), "Combien coûte un contact"),
        (("coffee drinkers", "谢谢"), "不客气"),
    ],
)
def test_other_languages_to_the_end_of_the_turn(talk: Conversation, turns: tuple[str, ...], said: str) -> None:
    for turn in turns:
        reply = talk.say("t", turn)
    if reply.question:
        talk.say("t", reply.options[0])
        reply = talk.say("t", turns[-1])
    assert said in reply.text


def test_a_thinker_that_fails_is_answered(coffee: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> object:
        raise ValueError("a question needs two to six options")

    monkeypatch.setattr("agent.thinking.rules.decide", broken)
    reply = coffee.say("t", "tea")
    assert "Something went wrong" in reply.text
    assert spec(reply).demand == COFFEE


UNPLANTED = {"like", "angles", "combine", "outcome", "refresh"}
"""What the planted service cannot do; the steps themselves are decided all the same."""

TYPED = [each.text for each in examples()]
QUESTION = Clarification(topic="meaning", question="Which?", options=("dog food", "cat food", "You decide"))


class Guessing:
    """Stands in for the classifier of intents: any intent, as the test draws it."""

    def __init__(self, guesses: list[Guess]) -> None:
        self._left = guesses

    def guess(self, *_: object) -> Guess:
        return self._left[0] if len(self._left) == 1 else self._left.pop(0)


TURN = st.tuples(st.one_of(st.sampled_from(TYPED), st.text(max_size=80)), st.sampled_from(INTENTS), st.floats(0, 1))


@given(st.lists(TURN, min_size=2, max_size=6))
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_sequence_of_messages_breaks_the_conversation(turns: list[tuple[str, Intent, float]]) -> None:
    """Several turns in a row: what one leaves open or on the page, the next finds, and every one is answered."""
    service = PlantedService()
    card = service.describe_data()
    acting, thinker = Actions(service, card), RuleThinker("rules", service.search_groups)
    memory = Memory()
    for text, intent, chance in turns:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading, "intent_classifier", partial(Guessing, [Guess(intent, chance, "demand")]))
            context = look(service, card, memory, text or "?")
            decision = thinker.decide(context, ModelConduct())
        if decision.step.action in UNPLANTED:
            continue
        try:
            memory, reply = acting.act(decision.step, decision.notes, context, memory, "rules")
        except (AudienceError, RefusedAudience):
            continue
        assert reply.text
        assert memory.question is None or memory.pending or memory.question.question in reply.text
        memory = Memory.model_validate_json(memory.model_copy(update={"pending": None}).model_dump_json())


@given(
    st.one_of(st.sampled_from(TYPED), st.text(max_size=80)),
    st.sampled_from(INTENTS),
    st.sampled_from(["fresh", "draft", "question", "segments"]),
    st.sampled_from(["", "de", "es", "fr", "zh"]),
)
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_message_breaks_the_conversation(text: str, intent: Intent, stage: str, tongue: str) -> None:
    """Whatever intent is read into whatever message, the rules find a step, and it can be carried out."""
    service = PlantedService()
    card = service.describe_data()
    acting = Actions(service, card)
    memory = Memory(language=tongue)
    if stage != "fresh":
        memory = memory.model_copy(update={"now": acting.drafting.by_hand(AudienceSpec(demand=COFFEE), memory)})
    if stage in ("question", "segments"):
        topic = "meaning" if stage == "question" else "segment"
        question = QUESTION.model_copy(update={"topic": topic})
        memory = memory.model_copy(update={"question": question, "request": "pet food", "asked": 1})
    chance = random.Random(text).random()
    stub = SimpleNamespace(guess=lambda *_: Guess(intent, chance, "demand"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "intent_classifier", lambda: stub)
        context = look(service, card, memory, text or "?")
        decision = RuleThinker("rules", service.search_groups).decide(context, ModelConduct())
    if decision.step.action in UNPLANTED:
        return
    try:
        _, reply = acting.act(decision.step, decision.notes, context, memory, "rules")
    except (AudienceError, RefusedAudience):
        return
    assert reply.text

"""What is said while a question is open, or where nothing is, loses nothing and is answered."""

import pytest
from langchain_core.messages import SystemMessage

from agent.conversation import Conversation
from agent.reading.orders import leaves_all, picked, refused_alone, refuses_all, skips
from agent.reading.parse import parse
from agent.reading.wording import Parts
from agent.replies import decimal, next_options, percent
from agent.state import AudienceDraft, Reply, Version
from agent.thinking.llm import cached
from encoders.reader import MeantGroup, WholeReading
from encoders.settings import Settings
from prompts.loader import speaking
from tests.agent.agent_doubles import PlantedService, ScriptedModel
from tools.types import AudienceSpec, Behaviour, DataCard

FED = ("dog food", "cat food")
DOGS = "households that will buy dog food in the next 28 days"


def demand(reply: Reply) -> str:
    assert reply.draft is not None
    return reply.draft.spec.demand


@pytest.fixture
def asked(talk: Conversation) -> Reply:
    """A question about baby things is open in the thread "t"."""
    reply = talk.say("t", "people who like baby things")
    assert reply.question is not None
    assert reply.draft is None
    return reply


@pytest.mark.parametrize(
    "text",
    ["who are these people?", "how many are there?", "how accurate is that?", "what data do you have?", "thanks!",
     "list the saved audiences", "save as Babies", "what would it cost?", "undo", "why these?"],
)  # fmt: skip
def test_what_is_asked_in_between_is_answered_and_the_question_put_again(
    talk: Conversation, asked: Reply, text: str
) -> None:
    reply = talk.say("t", text)
    assert reply.question == asked.question
    assert asked.question is not None
    assert asked.question.question in reply.text
    assert set(asked.options) <= set(reply.options)
    assert "baby food" in demand(talk.say("t", "baby food"))


def test_the_sizes_of_the_answers_stand_for_the_whole_request(talk: Conversation) -> None:
    talk.say("t", "homeowners who like baby things")
    before = talk.say("t", "how many are there?")
    assert "- **baby food**" in before.text
    assert "in 8 of 10 cases" in before.text


def test_what_is_left_out_of_the_answers_is_none_of_them(talk: Conversation, asked: Reply) -> None:
    options = tuple(each for each in asked.options if each.startswith("baby") or "infant" in each)
    assert len(options) > 1
    reply = talk.say("t", f"not the {options[0]}")
    while reply.question is not None:
        reply = talk.say("t", "everyone")
    assert options[0] not in demand(reply)
    assert not reply.draft or not reply.draft.spec.behaviours


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("not the coffee", ("tea", "cocoa")),
        ("no cocoa please", ("coffee", "tea")),
        ("no soup", ("coffee", "tea", "cocoa")),
    ],
)
def test_refusing_one_thing_takes_the_others(text: str, left: tuple[str, ...]) -> None:
    assert picked(text, ("coffee", "tea", "cocoa", "All of them", "You decide")) == left


def test_forms_of_refusing_and_leaving_the_choice() -> None:
    assert all(map(refuses_all, ("none of these", "no, neither", "keine davon", "都不是")))
    assert all(map(leaves_all, ("You decide", "surprise me!", "your call", "à toi de voir")))
    assert not any(map(leaves_all, ("you decide about tea", "no", "surprise gifts")))
    assert skips("no")
    assert skips("whatever")
    assert not any(map(skips, ("no fresh beef", "any coffee brand")))
    assert refused_alone("not those under 35") is None


@pytest.mark.parametrize("text", ["You decide", "surprise me"])
def test_where_nothing_is_asked_there_is_something_to_start_with(talk: Conversation, text: str) -> None:
    reply = talk.say("t", text)
    assert reply.question is not None
    assert reply.question.topic == "segment"
    assert demand(talk.say("t", reply.options[0]))
    assert "nothing left for me to decide" in talk.say("t", text).text


def test_it_without_anything_on_the_page_is_asked_about(talk: Conversation) -> None:
    reply = talk.say("t", "people who bought it last month")
    assert reply.draft is None
    assert "“It” could be anything" in reply.text


def test_it_is_the_thing_on_the_page(talk: Conversation) -> None:
    talk.say("t", DOGS)
    reply = talk.say("t", "leave out people who bought it last month")
    assert reply.draft is not None
    assert reply.draft.spec.behaviours == (Behaviour(did=False, what="dog food", days=30),)


def test_who_they_are_is_told_from_the_profile(talk: Conversation) -> None:
    talk.say("t", DOGS)
    reply = talk.say("t", "who are these people?")
    assert "kids: 1 kid" in reply.text
    assert "30 % of them, 20 % of everyone" in reply.text


@pytest.mark.parametrize("text", ["show me the difference", "what changed?", "compare with the previous one"])
def test_a_difference_is_that_to_the_version_before(talk: Conversation, text: str) -> None:
    for line in (DOGS, "save as Other", "yes"):
        talk.say("u", line)
    talk.say("t", DOGS)
    assert "has not been changed yet" in talk.say("t", text).text
    talk.say("t", "only homeowners")
    reply = talk.say("t", text)
    assert reply.text.startswith("Before: **")
    assert "Other" not in reply.text
    assert reply.comparison is not None


def test_both_takes_back_what_was_replaced_and_joins_what_stands(talk: Conversation) -> None:
    talk.say("t", DOGS)
    talk.say("t", "cat food instead")
    assert "dog food or cat food" in demand(talk.say("t", "actually both"))
    assert "dog food as well as cat food" in demand(talk.say("t", "both, not just either"))


def test_a_saved_audience_is_renamed_once_it_was_approved(talk: Conversation, service: PlantedService) -> None:
    for line in (DOGS, "save as Autumn", "yes"):
        talk.say("t", line)
    reply = talk.say("u", "rename Autumn to Fall dogs")
    assert reply.pending is not None
    assert (reply.pending.action, reply.pending.arguments["name"]) == ("rename", "Fall dogs")
    assert {each.name for each in service.list_audiences()} == {"Autumn"}
    assert "Fall dogs" in talk.say("u", "yes").text
    assert {each.name for each in service.list_audiences()} == {"Fall dogs"}


def test_the_saved_audience_on_the_page_keeps_its_place_under_its_new_name(talk: Conversation) -> None:
    for line in (DOGS, "save as Autumn", "yes", "rename it to Fall dogs"):
        talk.say("t", line)
    reply = talk.say("t", "yes")
    assert reply.draft is not None
    assert reply.draft.saved is not None
    assert (reply.draft.saved.name, reply.draft.name) == ("Fall dogs", "Fall dogs")


def test_no_cut_goes_below_the_fewest_that_may_be_used(talk: Conversation) -> None:
    talk.say("t", DOGS)
    for line in ("about 10 households", "top 1 %", "narrower"):
        reply = talk.say("t", line)
        assert reply.size is not None
        assert reply.size.users == 50
        assert "Fewer than 50 households may not be used" in reply.text


def test_a_cut_has_no_more_digits_than_it_takes(talk: Conversation) -> None:
    talk.say("t", DOGS)
    reply = talk.say("t", "about 133 households")
    assert reply.draft is not None
    assert reply.size is not None
    assert (reply.size.users, reply.draft.spec.cut) == (133, 0.0665)


def _version(card: DataCard, *behaviours: Behaviour) -> Version:
    parts = Parts(items=("coffee",), days=28)
    spec = AudienceSpec(demand=parts.sentence(card.unit_plural), behaviours=behaviours)
    return Version(draft=AudienceDraft(request="coffee", spec=spec), parts=parts)


def test_buttons_offer_nothing_that_the_conditions_exclude(service: PlantedService) -> None:
    card = service.describe_data()

    def offered(*behaviours: Behaviour) -> set[str]:
        version = _version(card, *behaviours)
        return set(next_options(version, service.size(version.draft.spec), can_undo=False))

    first, leave = "Only for the first time", "Leave out anyone who did it last month"
    assert {first, leave} <= offered()
    assert {first, leave} <= offered(Behaviour(did=True, what="tea"))
    assert not {first, leave} & offered(Behaviour(did=True, what="coffee"))
    assert {first, leave} & offered(Behaviour(did=False, what="coffee", days=30)) == {first}


@pytest.mark.parametrize(
    ("label", "behaviours"),
    [
        ("Only for the first time", (Behaviour(did=False, what="dog food"),)),
        ("Leave out anyone who did it last month", (Behaviour(did=False, what="dog food", days=30),)),
    ],
)
def test_every_button_is_understood(talk: Conversation, label: str, behaviours: tuple[Behaviour, ...]) -> None:
    talk.say("t", DOGS)
    reply = talk.say("t", label)
    assert reply.draft is not None
    assert reply.draft.spec.behaviours == behaviours
    back = talk.say("t", "Everyone again")
    assert back.draft is not None
    assert "for the first time" not in back.draft.spec.demand


def test_numbers_are_written_as_the_language_does() -> None:
    assert (decimal(1234.56, 1), percent(0.25), percent(0.0123)) == ("1,234.6", "25 %", "1.2 %")
    with speaking("de"):
        assert (decimal(1234.56, 1), percent(0.0123)) == ("1.234,6", "1,2 %")
    with speaking("zh"):
        assert decimal(1234.5, 1) == "1,234.5"


def test_the_fixed_part_of_the_prompt_is_marked_for_providers_that_want_it() -> None:
    plain = ScriptedModel(script=["hello"])
    assert cached("Instructions", plain) == SystemMessage("Instructions")

    class Anthropic(ScriptedModel):
        @property
        def _llm_type(self) -> str:
            return "anthropic-chat"

    content = cached("Instructions", Anthropic(script=["hello"])).content
    assert content == [{"type": "text", "text": "Instructions", "cache_control": {"type": "ephemeral"}}]


def test_the_age_of_people_named_by_what_they_love_is_theirs(service: PlantedService) -> None:
    read = parse("action buffs under 25", service.describe_data(), "fresh")
    assert [(each.field, each.values) for each in read.filters] == [("age", ("19-24",))]
    assert read.wants == ("action",)
    assert parse("kitchen rolls under 25", service.describe_data(), "fresh").filters == ()


def test_things_called_after_their_owners_keep_their_names(service: PlantedService) -> None:
    card = service.describe_data()
    assert parse("kids' cereal", card, "fresh").wants == ("kids' cereal",)
    assert parse("first-time wine buyers", card, "fresh").wants == ("wine",)
    assert parse("old westerns and musicals", card, "fresh").wants == ("westerns", "musicals")


def test_a_goal_is_read_as_the_assistant_words_it(service: PlantedService) -> None:
    goal = parse("each contact costs 0.80, a sale brings 5", service.describe_data(), "draft").goal
    assert goal is not None
    assert (goal.cost, goal.value) == (0.8, 5)


def test_nothing_is_left_out_by_a_distant_likeness(talk: Conversation) -> None:
    talk.say("t", DOGS)
    reply = talk.say("t", "leave out people who bought zeppelin rides")
    assert reply.draft is not None
    assert reply.draft.spec.behaviours == ()
    assert "zeppelin rides" in reply.text


def test_what_never_was_done_is_a_condition_where_something_stands(talk: Conversation) -> None:
    talk.say("t", DOGS)
    reply = talk.say("t", "who never bought coffee")
    assert reply.draft is not None
    assert "dog food" in reply.draft.spec.demand
    assert reply.draft.spec.behaviours == (Behaviour(did=False, what="coffee"),)


def test_what_is_left_of_a_wish_is_said_plainly(talk: Conversation) -> None:
    reply = talk.say("t", "families whose child started piano lessons")
    assert "Nothing in this data tells of" in reply.text
    assert "not only those you mean" in reply.text


def test_starting_over_is_not_guessed(talk: Conversation) -> None:
    talk.say("t", DOGS)
    assert talk.say("t", "Everyone again").draft is not None
    assert talk.say("t", "start over").draft is None


class Reading(PlantedService):
    """A service whose reader sees baby food in every request, and diapers beside it."""

    def read(self, text: str) -> WholeReading | None:
        food = MeantGroup(group="baby food", source="purchases", probability=0.6, because=text)
        return WholeReading(groups=(food,), entries=(), sure=True, beside=("baby care",))


@pytest.mark.parametrize(
    ("request_", "named", "strange"),
    [("people for our new baby line", ("baby food", "baby care"), ()), ("young parents and food", ("baby food",), FED)],
)
def test_a_word_that_several_things_bear_means_those_the_reader_sees(
    workspace: Settings, request_: str, named: tuple[str, ...], strange: tuple[str, ...]
) -> None:
    talk = Conversation(Reading(), workspace)
    reply = talk.say("t", request_)
    while reply.question is not None:
        reply = talk.say("t", "You decide")
    talk.close()
    assert all(each in demand(reply) for each in named)
    assert not any(each in demand(reply) for each in strange)


def test_a_goal_in_money_is_kept(talk: Conversation) -> None:
    reply = talk.say("t", "coffee buyers, each contact costs 0.80, a sale brings 5")
    while reply.question is not None:
        reply = talk.say("t", "You decide")
    assert reply.draft is not None
    assert reply.draft.spec.cut is not None

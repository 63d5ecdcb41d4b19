"""A language model that looks, over real sockets: it searches, sizes, errs, invents, loops, thinks, refuses."""

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from agent.conversation import Conversation
from agent.state import Memory
from agent.thinking.checks import Checker
from agent.thinking.llm import instructions
from agent.thinking.toolbox import ENDS, OPERATIONS, Toolbox, final_calls, read_end, short_name
from agent.thinking.weighing import look
from encoders.settings import Settings
from tests.agent.agent_doubles import PlantedService
from tests.agent.wire_doubles import CHAT, RESPONSES, Asked, Call, Server, calls, error, said, step
from tests.present import present

REQUEST = "something for puppies"
RULES = "built-in rules"
SERVER, OPENAI = "server:tiny", "openai:gpt-x"
DOGS = "Households that will buy dog food in the next 28 days"

Talk = Callable[..., Conversation]
BOTH = pytest.mark.parametrize("model", [SERVER, OPENAI])
SEARCH: Call = ("search", {"words": ["dogs", "puppies"]})
SIZE: Call = ("size", {"candidates": [{"groups": ["dog food"]}, {"groups": ["cat food"], "filters": ["kids = 1 kid"]}]})


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


@pytest.fixture
def talk_at(service: PlantedService, workspace: Settings) -> Iterator[Talk]:
    opened: list[Conversation] = []

    def at(url: str, model: str = SERVER, **values: Any) -> Conversation:
        given = {"chat_model": model, "chat_url": url, "chat_key": "sk-test"} | values
        settings = Settings(workspace=workspace.workspace, _env_file=None, **given)
        opened.append(Conversation(service, settings))
        return opened[-1]

    yield at
    for each in opened:
        each.close()


def answers(asked: Asked) -> list[str]:
    """What the tools have answered so far."""
    if asked.path == RESPONSES:
        return [each["output"] for each in asked.messages if each.get("type") == "function_call_output"]
    return [each["content"] for each in asked.messages if each["role"] == "tool"]


# --- looking -----------------------------------------------------------------------------------------


@BOTH
def test_it_searches_and_sizes_at_once_and_then_proposes(server: Server, talk_at: Talk, model: str) -> None:
    server.script = [calls(SEARCH, SIZE, text="<think>dogs, I guess</think>"), step()]
    seen: list[str] = []
    reply = talk_at(server.url, model).say("t", REQUEST, seen.append)
    assert reply.draft is not None
    assert reply.draft.spec.demand == DOGS
    assert RULES not in reply.text
    assert "I guess" not in reply.text
    found, counted = answers(server.asked[1])
    assert found.startswith("dogs: dog food 0.")
    assert counted.splitlines()[0].startswith(f"1. {DOGS}: 200 households (10 % of 2,000 eligible), 40-60 expected")
    assert "kids is 1 kid" in counted.splitlines()[1]
    assert sorted(seen) == ["Looking for dogs and puppies", "Sizing audiences: dog food, cat food and kids = 1 kid"]
    assert reply.usage is not None
    assert (reply.usage.calls, reply.usage.input_tokens) == (2, 200)


def test_every_tool_answers_in_few_words(server: Server, talk_at: Talk) -> None:
    looks: list[Call] = [
        ("browse", {}), ("browse", {"of": "purchases"}), ("browse", {"of": "purchases", "page": 2}),
        ("describe_group", {"names": ["Dog Food", "wolf food"]}), SIZE,
    ]  # fmt: skip
    server.script = [
        calls(*looks),
        calls(("compare", {"audiences": ["1", "2"]}), ("profile", {"audience": "1"})),
        step(),
    ]
    assert RULES not in talk_at(server.url).say("t", REQUEST).text
    sources, groups, further, described, _, overlap, apart = answers(server.asked[2])
    assert sources == "purchases"
    assert groups.count(",") <= 13
    assert "13 in all" in groups
    assert further.startswith("soft drinks")
    assert "dog food (purchases): 200 households lately" in described
    assert "back after 21 days" in described
    assert "no group 'wolf food'" in described
    assert "Nearest: " in described
    assert overlap == "1 and 2: 0 in both, of 100 and 100"
    assert apart == "kids: 1 kid 30 %, 20 %, 150"
    assert all(len(each) < 900 for each in answers(server.asked[2]))


def test_what_cannot_be_looked_up_is_said_to_the_model(server: Server, talk_at: Talk) -> None:
    candidates = [{"groups": ["unicorn feed"]}, {"groups": "x"}, {"groups": ["dog food"], "filters": ["a = b"]}]
    wrong: list[Call] = [
        ("browse", {"of": "unicorns"}), ("profile", {"audience": "7"}), ("size", {"candidates": candidates}),
        ("search", {"phrases": ["x"]}), ("fly", {}),
    ]  # fmt: skip
    server.script = [calls(*wrong), step()]
    assert RULES not in talk_at(server.url).say("t", REQUEST).text
    browsed, profiled, sized, misread, unknown = answers(server.asked[1])
    assert "no source or group 'unicorns'" in browsed
    assert "no audience '7'" in profiled
    assert [line.split(":")[0] for line in sized.splitlines()] == ["not sized"] * 3
    assert "words" in misread
    assert "fly is not a valid tool" in unknown


def test_what_is_sized_is_what_is_proposed(server: Server, talk_at: Talk) -> None:
    audience: dict[str, Any] = {
        "groups": ["dog food"],
        "newness": "first time",
        "behaviours": [{"what": "cat food", "days": 14}],
        "users": 90,
    }
    server.script = [calls(("size", {"candidates": [audience]})), step(action="propose", **audience)]
    reply = talk_at(server.url).say("t", "90 households new to dog food")
    assert reply.size is not None
    assert reply.draft is not None
    (sized,) = answers(server.asked[1])
    assert reply.draft.spec.demand in sized
    assert f"{reply.size.users} households" in sized


def test_tools_do_not_look_for_what_may_not_be_targeted(server: Server, talk_at: Talk) -> None:
    server.script = [calls(("search", {"words": ["pregnant women"]}), SEARCH), step()]
    reply = talk_at(server.url).say("t", REQUEST)
    refused, found = answers(server.asked[1])
    assert "law protects" in refused
    assert "dog food" in found
    assert "pregnant" not in reply.text


def test_of_several_words_to_search_for_the_others_are_looked_for(server: Server, talk_at: Talk) -> None:
    server.script = [calls(("search", {"words": ["pregnant women", "dog food"]})), step()]
    talk_at(server.url).say("t", REQUEST)
    (found,) = answers(server.asked[1])
    assert "law protects" in found
    assert "dog food" in found.splitlines()[-1]


@pytest.mark.parametrize(
    ("group", "item", "name"),
    [
        ("beer and ale", "beer and ale: non-alcoholic beer", "non-alcoholic beer"),
        (
            "science fiction films",
            "Alien: Covenant (2017): science fiction film of the 2010s",
            "Alien: Covenant (2017)",
        ),
        ("tools", "hammers: claw", "hammers: claw"),
        ("coffee", "ground coffee", "ground coffee"),
    ],
)
def test_an_item_is_shown_without_what_its_group_says(group: str, item: str, name: str) -> None:
    assert short_name(group, item) == name


def test_items_are_named_with_and_without_their_group(server: Server, talk_at: Talk) -> None:
    items = ["Cereal", "baby food: juices", "multivitamins"]
    server.script = [step(action="propose", groups=items)]
    reply = talk_at(server.url).say("t", "cereal or juice for babies, or vitamins")
    assert reply.draft is not None
    assert "Cereal, baby food: juices or multivitamins" in reply.draft.spec.demand
    assert len(server.asked) == 1


# --- how a turn ends ---------------------------------------------------------------------------------


@BOTH
def test_a_final_call_beside_others_is_sent_back_and_the_others_are_read(
    server: Server, talk_at: Talk, model: str
) -> None:
    server.script = [calls(SEARCH, ("propose", {"groups": ["cat food"]})), step()]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert reply.draft.spec.demand == DOGS
    assert any("one call alone" in each for each in answers(server.asked[1]))
    assert any("dog food" in each for each in answers(server.asked[1]))


@BOTH
def test_arguments_that_are_no_json_are_sent_back_once(server: Server, talk_at: Talk, model: str) -> None:
    server.script = [calls(("propose", '{"groups": ["dog fo')), step()]
    assert RULES not in talk_at(server.url, model).say("t", REQUEST).text
    assert any("not valid JSON" in each for each in answers(server.asked[1]))


@BOTH
def test_a_refusal_is_shown_as_one(server: Server, talk_at: Talk, model: str) -> None:
    server.script = [said("", refusal="I'd rather not help with that.")]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.text == "I'd rather not help with that."
    assert reply.draft is None
    assert len(server.asked) == 1


def test_a_filtered_answer_is_a_refusal_too(server: Server, talk_at: Talk) -> None:
    server.script = [said("", finish="content_filter")]
    assert talk_at(server.url).say("t", REQUEST).text == "The language model declined to answer this."


def test_a_thought_is_no_answer(server: Server, talk_at: Talk) -> None:
    server.script = [said("<think>They want dogs.</think>"), step()]
    reply = talk_at(server.url).say("t", REQUEST)
    assert "They want dogs" not in reply.text
    assert reply.draft is not None


def test_a_model_cannot_save_or_export_without_the_person(
    server: Server, talk_at: Talk, service: PlantedService
) -> None:
    server.script = [step(), step(action="save", name="Dogs"), step(action="export", format="csv")]
    talk = talk_at(server.url)
    talk.say("t", REQUEST)
    assert talk.say("t", "save as Dogs").pending is not None
    assert service.saves == 0
    assert present(talk.decide("t", True).draft).saved is not None
    assert talk.say("t", "export it").pending is not None
    assert service.files == {}


def test_a_change_gives_only_what_changes(server: Server, talk_at: Talk) -> None:
    server.script = [
        step(),
        step(action="filter", filters=["kids = 1 kid"]),
        step(action="exclude", behaviours=[{"did": False, "what": "cat food"}]),
    ]
    talk = talk_at(server.url)
    talk.say("t", REQUEST)
    talk.say("t", "only with one kid")
    spec = present(talk.say("t", "not cat people").draft).spec
    assert spec.demand == DOGS
    assert [each.field for each in spec.filters] == ["kids"]
    assert [each.what for each in spec.behaviours] == ["cat food"]
    assert json.loads(server.asked[1].messages[1]["content"].split("```json")[1].split("```")[0])[
        "present_audience"
    ].startswith(f"{DOGS}: 200 households")


def test_a_question_has_the_sizes_that_its_answers_give_and_a_proposal_no_guesses_of_the_rules(
    server: Server, talk_at: Talk
) -> None:
    asked = step(action="ask", question="Food or care?", topic="meaning", options=["baby food", "Baby care"])
    server.script = [asked, step(action="propose", groups=["dog food"])]
    talk = talk_at(server.url)
    reply = talk.say("t", "something for baby")
    assert reply.options == ("baby food", "baby care", "All of them", "You decide")
    assert reply.text.count("3.0") == 2
    assert not [option for option in talk.say("t", "neither").options if "baby" in option]


# --- figures -----------------------------------------------------------------------------------------


def test_a_figure_that_a_tool_gave_may_be_told(server: Server, talk_at: Talk) -> None:
    server.script = [calls(SIZE), step(action="answer", say="It would be 200 households, 40 to 60 of whom respond.")]
    assert "200 households, 40 to 60" in talk_at(server.url).say("t", "how many for dog food?").text
    assert len(server.asked) == 2


@pytest.mark.parametrize("figure", ["4,711", "4711", "99 %", "0.77", "four thousand", "٤٧١١", "3.14"])
def test_a_figure_that_nobody_gave_is_sent_back_once_and_then_dropped(
    server: Server, talk_at: Talk, figure: str
) -> None:
    server.script = [calls(SIZE), step(action="propose", groups=["dog food"], note=f"There are {figure} of them.")]
    reply = talk_at(server.url).say("t", REQUEST)
    assert reply.draft is not None
    assert figure not in reply.text
    assert RULES not in reply.text
    assert len(server.asked) == 3
    assert "No tool gave" in answers(server.asked[2])[-1]


def test_what_the_model_searches_for_does_not_become_a_figure(server: Server, talk_at: Talk) -> None:
    invented = step(action="answer", say="There are 987654 dogs.")
    server.script = [calls(("search", {"words": ["987654 dogs"]})), invented]
    assert "987654" not in talk_at(server.url).say("t", "how many dogs are there?").text


def test_what_a_model_says_of_the_data_is_shown_and_not_the_built_in_text(server: Server, talk_at: Talk) -> None:
    server.script = [step(action="answer", topic="data", say="It is a shop of 2,000 households.")]
    assert talk_at(server.url).say("t", "what is in the data?").text == "It is a shop of 2,000 households."


# --- budgets -----------------------------------------------------------------------------------------


def test_a_model_that_only_looks_is_told_to_finish_and_then_stopped(server: Server, talk_at: Talk) -> None:
    server.script = [calls(SEARCH)]
    reply = talk_at(server.url, chat_calls=4).say("t", "dog food")
    assert len(server.asked) == 4
    assert ["budget of this turn" in json.dumps(each.body) for each in server.asked] == [False, False, False, True]
    assert "used up the calls" in reply.text
    assert reply.draft is not None


def test_tokens_are_a_budget_too(server: Server, talk_at: Talk) -> None:
    server.script = [calls(SEARCH, tokens=(600, 10))]
    reply = talk_at(server.url, chat_tokens=1000).say("t", "dog food")
    assert len(server.asked) == 2
    assert "used up the tokens" in reply.text
    assert "budget of this turn" not in json.dumps(server.asked[1].body)


def test_seconds_are_a_budget_too(server: Server, talk_at: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter(range(0, 10_000, 50))
    monkeypatch.setattr("agent.models.usage.monotonic", lambda: float(next(moments)))
    server.script = [calls(SEARCH)]
    assert "used up the seconds" in talk_at(server.url, chat_seconds=200).say("t", "dog food").text
    assert len(server.asked) <= 3


def test_a_flood_of_calls_in_one_answer_is_limited(server: Server, talk_at: Talk) -> None:
    server.script = [calls(*[("search", {"words": ["dogs"]})] * 40), step()]
    assert RULES not in talk_at(server.url).say("t", REQUEST).text
    found = answers(server.asked[1])
    assert len(found) == 40
    assert sum("dog food" in each for each in found) == 30


def test_an_error_while_it_looks_costs_the_turn_and_says_so_once(server: Server, talk_at: Talk) -> None:
    server.script = [calls(SEARCH), error(401, "key expired")]
    reply = talk_at(server.url).say("t", "dog food")
    assert reply.draft is not None
    assert reply.text.count("AUDIENCE_CHAT_KEY") == 1


# --- the prompt --------------------------------------------------------------------------------------


def test_the_prompt_begins_the_same_in_every_call(server: Server, talk_at: Talk) -> None:
    server.script = [calls(SEARCH), step(), calls(SIZE), step(action="filter", filters=["kids = 1 kid"])]
    talk = talk_at(server.url)
    talk.say("t", REQUEST)
    talk.say("t", "only with one kid")
    talk.say("other", "coffee")
    assert len({json.dumps((each.body["tools"], each.messages[0])) for each in server.asked}) == 1
    for before, after in zip(server.asked[::2], server.asked[1::2], strict=False):
        assert after.messages[: len(before.messages)] == before.messages


def test_the_fixed_part_of_the_prompt_is_short(server: Server, talk_at: Talk) -> None:
    """About four characters make a token."""
    talk_at(server.url).say("t", REQUEST)
    (asked,) = server.asked
    told = asked.messages[0]["content"].partition("The data:")[0]
    tools = json.dumps(asked.body["tools"], separators=(",", ":"))
    assert asked.path == CHAT
    assert len(told) + len(tools) < 4 * 1500


def test_what_a_model_knows(service: PlantedService) -> None:
    told = instructions(service.describe_data())
    for fact in (
        "1 October 2017",
        "autumn",
        "1 to 91 days",
        "2,000 households",
        "kids = no kids | 1 kid",
        "unknown: 900",
    ):
        assert fact in told


def test_every_field_of_a_call_is_one_of_a_step() -> None:
    for tool in final_calls():
        function = tool["function"]
        assert set(function["parameters"]["required"]) <= set(function["parameters"]["properties"])
        assert not {"anyOf", "$ref", "title"} & set(json.dumps(tool).split('"'))
    assert set(ENDS) == {"propose", "ask", "answer", "operate"}
    for action in OPERATIONS:
        assert read_end("operate", {"action": action, "change": {"direction": "broader"}}).direction == "broader"


def test_tools_are_described(service: PlantedService) -> None:
    card = service.describe_data()
    context = look(service, card, Memory(), "dog food")
    box = Toolbox(service, card, context, Checker(service, context))
    described = [convert_to_openai_tool(each)["function"] for each in box.tools()]
    assert [each["name"] for each in described] == ["search", "browse", "describe_group", "size", "compare", "profile"]
    assert all(20 < len(each["description"]) < 120 for each in described)


def test_a_server_that_is_not_there_leaves_the_turn_to_the_rules(
    talk_at: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.models.calls.TRIES", 1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    assert "cannot be reached" in talk_at(url).say("t", "dog food").text

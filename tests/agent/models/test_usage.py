"""What a language model costs is counted and kept; one that loops or fails is stopped, and the rules go on."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel

import agent.models.usage as limits
from agent.conversation import Conversation
from agent.models.usage import FAILED_TURNS, SAME_STEPS, Prices, Usage, read_prices, usage_line
from encoders.errors import ChatModelError
from encoders.settings import Settings
from tests.agent.agent_doubles import PlantedService, ScriptedModel
from tests.agent.wire_doubles import Answer, Server, error, said, step

REQUEST = "households that will buy dog food in the next 28 days"
STOPPED = "is not asked any more in this conversation"
RULES = "built-in rules"

Open = Callable[..., Conversation]


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


@pytest.fixture
def open_at(service: PlantedService, tmp_path: Path) -> Iterator[Open]:
    opened: list[Conversation] = []

    def at(url: str = "", model: BaseChatModel | None = None, **values: Any) -> Conversation:
        given = {"chat_model": "server:tiny", "chat_url": url} if url else {}
        settings = Settings(workspace=tmp_path, _env_file=None, **values | given)
        opened.append(Conversation(service, settings, model=model))
        return opened[-1]

    yield at
    for each in opened:
        each.close()


def scripted(*steps: object) -> ScriptedModel:
    return ScriptedModel(script=list(steps))


# --- what it cost -----------------------------------------------------------------------------------


def test_the_rules_cost_nothing_and_say_nothing_of_it(open_at: Open) -> None:
    talk = open_at(chat_prices="1/2")
    assert talk.say("t", REQUEST).usage is None
    assert talk.current("t").usage is None
    assert usage_line(None) == usage_line(Usage()) == ""


@pytest.mark.parametrize("model", ["server:tiny", "openai:gpt-x"])
def test_every_answer_is_counted_also_the_one_that_was_repaired(
    server: Server, service: PlantedService, workspace: Settings, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    server.script = [said("no call", tokens=(1000, 50)), step()]
    given = {"chat_model": model, "chat_url": server.url, "chat_prices": "0.15/0.60"}
    talk = Conversation(service, workspace.model_copy(update=given))
    usage = talk.say("t", REQUEST).usage
    talk.close()
    assert usage is not None
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.untold) == (2, 1100, 70, 0)
    assert usage.dollars == pytest.approx((1100 * 0.15 + 70 * 0.60) / 1e6)


@pytest.mark.parametrize("model", ["server:tiny", "openai:gpt-x"])
def test_an_answer_that_was_cut_off_was_paid_for(
    server: Server, service: PlantedService, workspace: Settings, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    server.script = [said("and so on", finish="length", tokens=(1000, 4000))]
    talk = Conversation(service, workspace.model_copy(update={"chat_model": model, "chat_url": server.url}))
    reply = talk.say("t", REQUEST)
    talk.close()
    assert "cut off" in reply.text
    assert reply.usage == Usage(calls=1, input_tokens=1000, output_tokens=4000)


def test_a_call_without_an_answer_is_counted_without_tokens(
    server: Server, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    server.script = [Answer(dropped=True), error(400), step(), step(action="undo", tokens=None)]
    talk = open_at(server.url)
    assert talk.say("t", REQUEST).usage == Usage(calls=3, input_tokens=100, output_tokens=20, untold=2)
    assert talk.say("t", "undo").usage == Usage(calls=4, input_tokens=100, output_tokens=20, untold=3)


def test_the_count_is_of_one_conversation_and_outlives_the_process_and_a_new_start(
    server: Server, open_at: Open
) -> None:
    server.script = [step(), step(action="restart"), step()]
    talk = open_at(server.url)
    talk.say("t", REQUEST)
    assert talk.say("t", "start over").usage == Usage(calls=2, input_tokens=200, output_tokens=40)
    assert talk.say("other", REQUEST).usage == Usage(calls=1, input_tokens=100, output_tokens=20)
    talk.close()
    again = open_at(server.url, chat_prices="10/100")
    kept = Usage(calls=2, input_tokens=200, output_tokens=40, dollars=0.006)
    assert again.current("t").usage == kept
    draft = again.say("other", REQUEST).draft
    assert draft is not None
    edited = again.edit("other", draft.spec.model_copy(update={"cut": 0.2}))
    assert edited.usage == Usage(calls=2, input_tokens=200, output_tokens=40, dollars=0.006)


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        (Usage(calls=1, input_tokens=1234, output_tokens=5), "1 call, 1,234 tokens read, 5 written"),
        (Usage(calls=2, dollars=0.00123), "2 calls, 0 tokens read, 0 written, about $0.0012"),
        (Usage(calls=1200, dollars=12.3), "1,200 calls, 0 tokens read, 0 written, about $12.30"),
        (Usage(calls=3, untold=1), "3 calls, 0 tokens read, 0 written, 1 without a count of tokens"),
        (Usage(calls=2, untold=2, dollars=0), "2 calls, 2 without a count of tokens"),
    ],
)
def test_the_line_a_person_reads(usage: Usage, line: str) -> None:
    assert usage_line(usage) == f"Language model so far: {line}"


def test_prices_are_two_numbers() -> None:
    assert read_prices("") is None
    assert read_prices(" 0.15 / 0.60 ") == Prices(input=0.15, output=0.6)


@pytest.mark.parametrize("text", ["cheap", "1", "1/2/3", "-1/2", "nan/1", "inf/1", "/"])
def test_prices_written_otherwise_are_one_sentence(text: str, open_at: Open) -> None:
    with pytest.raises(ChatModelError, match=r"AUDIENCE_CHAT_PRICES is .*such as 0\.15/0\.60"):
        open_at(chat_prices=text)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)) | st.none(), max_size=20))
def test_counts_add_up(told: list[tuple[int, int] | None]) -> None:
    usage = Usage()
    for each in told:
        usage = usage.plus(each and {"input_tokens": each[0], "output_tokens": each[1], "total_tokens": sum(each)})
    known = [each for each in told if each]
    assert usage.calls == len(told)
    assert usage.untold == len(told) - len(known)
    assert usage.input_tokens == sum(read for read, _ in known)
    assert usage.priced(Prices(input=1e6, output=0)).dollars == pytest.approx(usage.input_tokens)


# --- models that loop or fail -----------------------------------------------------------------------

MESSAGES = ["people for cat food", "coffee drinkers", "vitamins, please", "only homeowners", "vitamins", "ice cream"]


def test_a_model_that_says_the_same_to_everything_is_not_believed(open_at: Open) -> None:
    model = scripted({"action": "propose", "groups": ["dog food"]})
    talk = open_at(model=model)
    replies = [talk.say("t", message) for message in MESSAGES[:SAME_STEPS]]
    assert [RULES in reply.text for reply in replies] == [False, False, True]
    assert "same step was the answer to different messages" in replies[-1].text
    assert replies[-1].draft is not None
    assert "vitamins" in replies[-1].draft.spec.demand


def test_a_model_that_finds_out_of_its_loop_when_told_is_believed(open_at: Open) -> None:
    dogs, cats = ({"action": "propose", "groups": [group]} for group in ("dog food", "cat food"))
    model = scripted(dogs, dogs, dogs, cats)
    talk = open_at(model=model)
    reply = [talk.say("t", message) for message in MESSAGES[:SAME_STEPS]][-1]
    assert RULES not in reply.text
    assert reply.draft is not None
    assert "cat food" in reply.draft.spec.demand
    assert "the same step" in model.asked[-1][-1].text


@pytest.mark.slow
def test_asking_for_broader_again_and_again_is_no_loop(open_at: Open) -> None:
    model = scripted({"action": "propose", "groups": ["dog food"]}, {"action": "adjust", "direction": "broader"})
    talk = open_at(model=model)
    talk.say("t", REQUEST)
    assert not any(RULES in talk.say("t", f"{'even ' * times}broader").text for times in range(SAME_STEPS + 2))


def test_a_model_that_fails_turn_after_turn_is_stopped_and_the_flow_goes_on(open_at: Open) -> None:
    model = scripted("lost")
    talk = open_at(model=model)
    for message in MESSAGES[:FAILED_TURNS]:
        assert STOPPED not in talk.say("t", message).text
    asked = len(model.asked)
    reply = talk.say("t", REQUEST)
    assert STOPPED in reply.text
    assert len([line for line in reply.text.splitlines() if STOPPED in line]) == 1
    assert reply.draft is not None
    assert reply.draft.spec.demand == REQUEST.capitalize()
    assert len(model.asked) == asked
    talk.say("new", REQUEST)
    assert len(model.asked) > asked


def test_a_good_answer_in_between_forgives_the_bad_ones(open_at: Open) -> None:
    good = {"action": "propose", "groups": ["dog food"]}
    model = scripted(*(["lost"] * 2 * (FAILED_TURNS - 1)), good, *(["lost"] * 2 * (FAILED_TURNS - 1)), good)
    talk = open_at(model=model)
    texts = [talk.say("t", message).text for message in MESSAGES[: 2 * FAILED_TURNS]]
    assert not any(STOPPED in text for text in texts)


def test_a_conversation_has_so_many_calls_and_no_more(open_at: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CALLS_A_CONVERSATION", 3)
    adjust = {"action": "adjust", "direction": "broader"}
    model = scripted({"action": "propose", "groups": ["dog food"]}, "lost", adjust, adjust)
    talk = open_at(model=model)
    talk.say("t", REQUEST)
    assert RULES not in talk.say("t", "broader").text
    reply = talk.say("t", "narrower")
    assert STOPPED in reply.text
    assert "3 calls" in reply.text
    assert reply.draft is not None
    assert len(model.asked) == 3
    assert reply.usage is not None
    assert reply.usage.calls == 3


def test_the_stop_survives_a_restart(open_at: Open) -> None:
    talk = open_at(model=scripted("lost"))
    for message in MESSAGES[:FAILED_TURNS]:
        talk.say("t", message)
    talk.close()
    model = scripted({"action": "propose", "groups": ["dog food"]})
    assert STOPPED in open_at(model=model).say("t", REQUEST).text
    assert model.asked == []

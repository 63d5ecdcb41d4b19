"""The two protocols of OpenAI over a real socket: answers, refusals, errors, silence."""

import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import agent.models.chat as models
from agent.conversation import Conversation
from agent.models.calls import LONGEST_WAIT, TRIES
from agent.thinking.llm import ANSWERS
from agent.thinking.toolbox import ENDS
from encoders.settings import Settings
from tests.agent.agent_doubles import PlantedService, spec
from tests.agent.wire_doubles import CHAT, RESPONSES, Answer, Server, error, said, step

REQUEST = "households that will buy dog food in the next 28 days"
RULES = "built-in rules"
SERVER, OPENAI = "server:tiny", "openai:gpt-x"
PATHS = {SERVER: CHAT, OPENAI: RESPONSES}

Talk = Callable[..., Conversation]
BOTH = pytest.mark.parametrize("model", [SERVER, OPENAI])


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Server:
    shared.asked.clear()
    shared.script = [step()]
    return shared


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between two tries."""
    waited: list[float] = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def talk_at(service: PlantedService, workspace: Settings) -> Iterator[Talk]:
    opened: list[Conversation] = []

    def at(url: str, model: str = SERVER, **values: Any) -> Conversation:
        given: dict[str, Any] = {"chat_model": model, "chat_url": url, "chat_key": "sk-test"} | values
        settings = Settings(workspace=workspace.workspace, _env_file=None, **given)
        opened.append(Conversation(service, settings))
        return opened[-1]

    yield at
    for each in opened:
        each.close()


@BOTH
def test_a_server_is_offered_the_tools_and_has_to_call_one(server: Server, talk_at: Talk, model: str) -> None:
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert RULES not in reply.text
    (asked,) = server.asked
    assert asked.body.get("store") is (False if model == OPENAI else None)
    assert asked.path == PATHS[model]
    assert asked.body["model"] == model.partition(":")[2]
    assert asked.headers["authorization"] == "Bearer sk-test"
    assert set(asked.tools) > {"search", "size", *ENDS}
    assert asked.required
    assert [message["role"] for message in asked.messages] == ["system", "user"]
    assert "temperature" not in asked.body
    limit = "max_output_tokens" if model == OPENAI else "max_completion_tokens"
    assert asked.body[limit] == models.LONGEST_ANSWER


def test_who_talks_is_said(server: Server, talk_at: Talk) -> None:
    talk = talk_at(server.url)
    assert talk.say("t", REQUEST).talking == f"tiny at {server.url}"
    assert talk_at(server.url, OPENAI).say("t", REQUEST).talking == "gpt-x (OpenAI)"


@BOTH
def test_words_without_a_call_are_repaired_over_the_wire(server: Server, talk_at: Talk, model: str) -> None:
    server.script = [said("no call here"), step()]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert RULES not in reply.text
    assert len(server.asked) == ANSWERS
    roles = [each["role"] for each in server.asked[1].messages]
    assert roles == ["system", "user", "assistant", "user"]


# --- what a server does not speak -------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "tool_choice 'required' is not supported"),
        error(422, "extra fields not permitted"),
        error(501, "not implemented"),
        Answer("unsupported", 415),
    ],
)
@BOTH
def test_a_server_that_may_not_be_made_to_call_is_allowed_to_in_the_same_turn_and_ever_after(
    server: Server, talk_at: Talk, model: str, refusal: Answer
) -> None:
    server.script = [refusal, step(), step()]
    talk = talk_at(server.url, model)
    reply = talk.say("t", REQUEST)
    assert reply.draft is not None
    assert RULES not in reply.text
    talk.say("u", REQUEST)
    assert [asked.required for asked in server.asked] == [True, False, False]
    assert all(asked.tools for asked in server.asked)
    assert {asked.path for asked in server.asked} == {PATHS[model]}


@BOTH
def test_a_server_without_tools_leaves_the_turn_to_the_rules_with_one_sentence(
    server: Server, talk_at: Talk, model: str
) -> None:
    server.script = [error(400, "tools are not supported")]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert reply.text.count("may not call tools") == 1
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [404, 405])
def test_where_there_is_no_responses_address_chat_completions_take_over(
    server: Server, talk_at: Talk, status: int
) -> None:
    server.script = [Answer("not here", status), step()]
    talk = talk_at(server.url, OPENAI)
    assert RULES not in talk.say("t", REQUEST).text
    talk.say("u", REQUEST)
    assert [asked.path for asked in server.asked] == [RESPONSES, CHAT, CHAT]
    assert all(asked.required for asked in server.asked)
    assert "store" not in server.asked[1].body


def test_the_plainest_way_is_reached_in_one_turn(server: Server, talk_at: Talk) -> None:
    server.script = [Answer("not here", 404), error(400, "no choice"), step()]
    assert RULES not in talk_at(server.url, OPENAI).say("t", REQUEST).text
    assert [(asked.path, asked.required) for asked in server.asked] == [
        (RESPONSES, True),
        (CHAT, True),
        (CHAT, False),
    ]


def test_what_was_refused_once_is_tried_again_when_the_plainer_way_failed_too(server: Server, talk_at: Talk) -> None:
    server.script = [error(400), error(400), step()]
    talk = talk_at(server.url)
    assert "error 400" in talk.say("t", REQUEST).text
    assert RULES not in talk.say("t", "households that will buy coffee").text
    assert [asked.required for asked in server.asked] == [True, False, True]


def test_a_model_that_does_not_exist_is_not_asked_for_in_four_ways(server: Server, talk_at: Talk) -> None:
    server.script = [error(404, "The model 'gpt-x' does not exist", code="model_not_found")]
    reply = talk_at(server.url, OPENAI).say("t", REQUEST)
    assert "AUDIENCE_CHAT_MODEL" in reply.text
    assert len(server.asked) == 1


# --- servers that are busy, broken or not there -----------------------------------------------------

PASSING = [
    error(429, "slow down"),
    Answer("boom", 500),
    error(503, "overloaded"),
    Answer(dropped=True),
    Answer('{"id": "1", "obj', cut_short=True),
]


@pytest.mark.parametrize("failure", PASSING)
@BOTH
def test_what_passes_is_asked_again(
    server: Server, talk_at: Talk, waits: list[float], model: str, failure: Answer
) -> None:
    server.script = [failure, failure, step()]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert RULES not in reply.text
    assert len(server.asked) == TRIES == 3
    assert len(waits) == 2
    assert all(0 < wait <= 8 for wait in waits)


@pytest.mark.parametrize("failure", PASSING)
def test_a_turn_ends_while_the_failure_does_not(
    server: Server, talk_at: Talk, waits: list[float], failure: Answer
) -> None:
    server.script = [failure]
    reply = talk_at(server.url).say("t", REQUEST)
    assert spec(reply).demand == REQUEST.capitalize()
    assert RULES in reply.text
    assert len(server.asked) == TRIES
    assert len(waits) == TRIES - 1


@BOTH
def test_a_server_that_asks_to_wait_is_waited_for(
    server: Server, talk_at: Talk, waits: list[float], model: str
) -> None:
    server.script = [error(429, Retry_After="17"), step()]
    assert RULES not in talk_at(server.url, model).say("t", REQUEST).text
    assert waits == [17.0]


@pytest.mark.parametrize(
    "failure", [error(429, Retry_After=str(LONGEST_WAIT + 1)), error(429, "pay first", code="insufficient_quota")]
)
def test_what_takes_too_long_to_pass_is_not_waited_for(
    server: Server, talk_at: Talk, waits: list[float], failure: Answer
) -> None:
    server.script = [failure]
    assert "error 429" in talk_at(server.url).say("t", REQUEST).text
    assert waits == []
    assert len(server.asked) == 1


@pytest.mark.usefixtures("waits")
def test_all_the_trouble_of_one_turn_has_an_end(server: Server, talk_at: Talk) -> None:
    bad, busy = said("no call"), Answer("boom", 500)
    server.script = [Answer("", 404), busy, error(400), busy, busy, bad, busy]
    reply = talk_at(server.url, OPENAI, chat_calls="6").say("t", REQUEST)
    assert reply.draft is not None
    assert RULES in reply.text
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error(401, "bad key"), "AUDIENCE_CHAT_KEY"),
        (error(403, "not yours"), "error 403"),
        (error(404, "no such model"), "error 404"),
        (error(400, "context_length_exceeded"), "longer than the model can read"),
        (Answer("<html>not this</html>", headers={"content-type": "text/html"}), "could not be read"),
        (Answer("not json"), "could not be read"),
        (Answer("[]"), "could not be read"),
        (said(""), "none of its tools"),
        (said('{"action": "answer", "say": "and so on', finish="length"), "cut off"),
    ],
)
@BOTH
def test_a_server_that_fails_costs_its_answer_and_no_more(
    server: Server, talk_at: Talk, model: str, answer: Answer, reason: str
) -> None:
    server.script = [answer]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert reply.draft.spec.demand == REQUEST.capitalize()
    assert RULES in reply.text
    assert reason in reply.text
    assert len(server.asked) <= TRIES


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (SERVER, '{"choices": []}'),
        (SERVER, '{"choices": null}'),
        (OPENAI, '{"output": []}'),
        (OPENAI, '{"output": null}'),
        (OPENAI, "{}"),
    ],
)
def test_an_answer_that_holds_nothing_is_no_answer(server: Server, talk_at: Talk, model: str, body: str) -> None:
    server.script = [Answer(body)]
    reply = talk_at(server.url, model).say("t", REQUEST)
    assert reply.draft is not None
    assert "could not be read" in reply.text or "none of its tools" in reply.text
    assert len(server.asked) <= ANSWERS


def test_a_silent_server_is_given_up_on_and_not_asked_again(
    service: PlantedService, talk_at: Talk, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(models, "TIMEOUT", 0.2)
    server = Server()
    server.silent.set()
    reply = talk_at(server.url).say("t", REQUEST)
    server.close()
    assert reply.draft is not None
    assert "took too long" in reply.text
    assert waits == []


def test_an_answer_that_trickles_in_for_ever_is_given_up_on(
    server: Server, talk_at: Talk, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(models, "TIMEOUT", 0.3)
    server.script = [Answer(trickles=True)]
    reply = talk_at(server.url).say("t", REQUEST)
    assert reply.draft is not None
    assert "took too long" in reply.text
    assert waits == []
    assert len(server.asked) == 1


def test_a_server_that_is_not_there(talk_at: Talk, waits: list[float]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    reply = talk_at(url).say("t", REQUEST)
    assert reply.draft is not None
    assert "cannot be reached" in reply.text
    assert len(waits) == TRIES - 1

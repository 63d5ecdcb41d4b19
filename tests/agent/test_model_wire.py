"""The OpenAI protocol over a real socket: answers, errors, silence."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from agent_doubles import PlantedService
from fastapi import FastAPI, Request, Response

import agent.models as models
from agent.conversation import Conversation
from agent.embedded import EmbeddedChatModel
from agent.models import chat_model, spoken_name
from encoders.errors import ChatModelError
from encoders.settings import Settings

REQUEST = "households that will buy dog food in the next 28 days"
PROPOSE = {"action": "propose", "groups": ["dog food"]}


class Server:
    """A chat-completions endpoint on loopback whose answers a test sets."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[], Response] = lambda: self.message(json.dumps(PROPOSE))
        self.released = threading.Event()
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def complete(request: Request) -> Response:
            self.bodies.append(await request.json())
            self.headers.append(dict(request.headers))
            return self.answer()

        @app.post("/silent/chat/completions")
        def silent() -> Response:
            self.released.wait(30)
            return Response(status_code=500)

        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()

    @staticmethod
    def message(content: str, finish: str = "stop") -> Response:
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
        body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        return Response(json.dumps(body), media_type="application/json")

    def close(self) -> None:
        self.released.set()
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(shared: Server) -> Server:
    shared.bodies.clear()
    shared.headers.clear()
    shared.answer = lambda: shared.message(json.dumps(PROPOSE))
    return shared


@pytest.fixture
def talk_at(service: PlantedService, workspace: Settings) -> Iterator[Callable[[str], Conversation]]:
    opened: list[Conversation] = []

    def at(url: str) -> Conversation:
        settings = workspace.model_copy(update={"chat_model": "server:tiny", "chat_url": url})
        opened.append(Conversation(service, settings))  # type: ignore[arg-type]
        return opened[-1]

    yield at
    for each in opened:
        each.close()


Talk = Callable[[str], Conversation]


def test_a_server_is_asked_for_a_step_by_its_schema(server: Server, talk_at: Talk) -> None:
    talk = talk_at(f"{server.url}/v1")
    reply = talk.say("t", REQUEST)
    assert reply.draft is not None
    assert reply.talking == f"tiny at {server.url}/v1"
    (body,) = server.bodies
    assert body["model"] == "tiny"
    assert body["temperature"] == 0
    form = body["response_format"]
    assert form["type"] == "json_schema"
    assert "propose" in form["json_schema"]["schema"]["properties"]["action"]["enum"]
    assert [message["role"] for message in body["messages"]] == ["system", "user"]


def test_a_malformed_answer_is_repaired_over_the_wire(server: Server, talk_at: Talk) -> None:
    answers = iter(["no json here", json.dumps(PROPOSE)])
    server.answer = lambda: server.message(next(answers))
    reply = talk_at(f"{server.url}/v1").say("t", REQUEST)
    assert reply.draft is not None
    assert "built-in rules" not in reply.text
    assert len(server.bodies) == 2
    assert server.bodies[1]["messages"][-1]["role"] == "user"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda: Response("boom", status_code=500), "error 500"),
        (lambda: Response('{"error": {"message": "bad key"}}', status_code=401), "error 401"),
        (lambda: Response("<html>not this</html>", media_type="text/html"), "could not be read"),
        (lambda: Response('{"choices": []}', media_type="application/json"), "could not be read"),
        (lambda: Response('{"choices": null}', media_type="application/json"), "could not be read"),
        (lambda: Server.message(""), "no JSON object"),
        (lambda: Server.message('{"action": "answer", "say": "and so on', finish="length"), "cut off"),
    ],
)
def test_a_server_that_fails_costs_its_answer_and_no_more(
    server: Server, talk_at: Talk, answer: Callable[[], Response], reason: str
) -> None:
    server.answer = answer
    reply = talk_at(f"{server.url}/v1").say("t", REQUEST)
    assert reply.draft is not None
    assert reply.draft.spec.demand == REQUEST.capitalize()
    assert reason in reply.text
    assert "built-in rules" in reply.text
    assert len(server.bodies) <= 2


def test_a_silent_server_is_given_up_on(server: Server, talk_at: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "TIMEOUT", 0.2)
    reply = talk_at(f"{server.url}/silent").say("t", REQUEST)
    assert reply.draft is not None
    assert "took too long" in reply.text


def test_a_server_that_is_not_there(talk_at: Talk) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    reply = talk_at(url).say("t", REQUEST)
    assert reply.draft is not None
    assert "cannot be reached" in reply.text


def test_openai_is_spoken_to_with_the_key(server: Server, service: PlantedService, workspace: Settings) -> None:
    values = {"chat_model": "openai:gpt-x", "chat_url": f"{server.url}/v1", "chat_key": "sk-test"}
    settings = Settings(workspace=workspace.workspace, _env_file=None, **values)  # type: ignore[arg-type]
    talk = Conversation(service, settings)  # type: ignore[arg-type]
    assert talk.say("t", REQUEST).talking == "gpt-x (OpenAI)"
    assert server.headers[0]["authorization"] == "Bearer sk-test"
    talk.close()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("openai:gpt-x", "AUDIENCE_CHAT_KEY"),
        ("server:tiny", "AUDIENCE_CHAT_URL"),
        ("server:", "is no chat model"),
        ("magic", "is no chat model"),
        ("local:huge", "There is no local model 'huge'"),
        ("local:qwen2.5-coder-0.5b", "audience models pull qwen2.5-coder-0.5b"),
    ],
)
def test_settings_that_cannot_work_say_what_to_do(
    model: str, said: str, workspace: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ChatModelError, match=said):
        chat_model(workspace.model_copy(update={"chat_model": model}))


def test_the_default_needs_nothing(workspace: Settings) -> None:
    assert isinstance(chat_model(workspace), EmbeddedChatModel)
    assert spoken_name(workspace) == "Built-in rules, no language model"


def test_the_embedded_model_reads_only_its_own_prompts() -> None:
    with pytest.raises(ChatModelError, match="context block"):
        EmbeddedChatModel().invoke("hello")
    with pytest.raises(ChatModelError, match="could not read"):
        EmbeddedChatModel().invoke("```json\n{}\n```")

"""llama.cpp's own server, in this process on a loopback port: a planted model always, the published one where it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent.conversation import Conversation
from agent.models import chat
from agent.models.chat import LocalChatModel, pull
from encoders.errors import ChatModelError
from encoders.settings import Settings
from tests.agent.agent_doubles import PlantedService
from tests.agent.tiny_model import write_tiny_model

pytest.importorskip("xllamacpp")

REQUEST = "households that will buy dog food in the next 28 days"
PUBLISHED = "qwen2.5-coder-0.5b"
LIKES = '}"u'


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("planted") / "planted.gguf", LIKES)


@pytest.fixture(scope="module")
def url(planted: Path) -> str:
    """The address of a running llama.cpp server."""
    running = LocalChatModel(path=planted).running()
    assert isinstance(running, ChatOpenAI)
    return str(running.openai_api_base)


def settings_for(model: str, url: str, folder: Path) -> Settings:
    return Settings(workspace=folder, _env_file=None, chat_model=model, chat_url=url, chat_key=SecretStr("none"))


def test_a_model_that_calls_no_tool_leaves_the_turn_to_the_rules(
    url: str, service: PlantedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LONGEST_ANSWER", 40)
    talk = Conversation(service, settings_for("server:planted", url, tmp_path))
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.draft is not None
    assert reply.text.count("built-in rules") == 1
    assert "cut off" in reply.text
    assert reply.usage is not None
    assert (reply.usage.calls, reply.usage.untold, reply.usage.output_tokens) == (1, 0, 40)
    assert reply.usage.input_tokens > 1000


def test_the_responses_of_llama_cpp_are_read_and_counted(
    url: str, service: PlantedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LONGEST_ANSWER", 40)
    talk = Conversation(service, settings_for("openai:planted", url, tmp_path))
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.draft is not None
    assert reply.usage is not None
    assert reply.usage.untold == 0


def test_a_model_file_in_this_process(
    planted: Path, service: PlantedService, workspace: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "LONGEST_STEP", 40)
    talk = Conversation(service, workspace, model=LocalChatModel(path=planted))
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.draft is not None
    assert reply.usage is not None
    assert (reply.usage.untold, reply.usage.output_tokens) == (0, 40)


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and nothing else")
    with pytest.raises(ChatModelError, match="cannot be loaded"):
        LocalChatModel(path=broken).invoke("hello")


# --- the published model ----------------------------------------------------------------------------


@pytest.fixture
def published() -> Iterator[Path]:
    """The workspace at this desk, where the model has been pulled; its SHA-256 is checked again."""

    def absent(requirement: str, folder: Path) -> Path:
        pytest.skip(f"run 'audience models pull {PUBLISHED}' to have this tested")

    workspace = Settings().workspace
    pull(PUBLISHED, workspace, fetch=absent)
    yield workspace
    chat.started_server.cache_clear()


@pytest.mark.slow
def test_the_published_model_speaks_and_the_audience_is_there_whatever_it_says(
    published: Path, service: PlantedService, tmp_path: Path
) -> None:
    settings = Settings(workspace=published, _env_file=None, chat_model=f"local:{PUBLISHED}")
    talk = Conversation(service, settings, path=tmp_path / "checkpoints.db")
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.draft is not None
    assert reply.draft.spec.demand == REQUEST.capitalize()
    assert reply.usage is not None
    assert reply.usage.untold == 0
    assert reply.usage.input_tokens > 500

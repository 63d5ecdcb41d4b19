"""llama.cpp's own server, in this process on a loopback port: a planted model always, the published one where it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_doubles import PlantedService
from langchain_core.messages import HumanMessage
from tiny_model import write_tiny_model

from agent import models
from agent.calling import Caller
from agent.conversation import Conversation
from agent.model_files import pull
from agent.models import LocalChatModel, chat_model
from agent.steps import parse_step
from agent.usage import Meter, Usage
from encoders.errors import ChatModelError
from encoders.settings import Settings

pytest.importorskip("xllamacpp")

REQUEST = "households that will buy dog food in the next 28 days"
PUBLISHED = "qwen2.5-coder-0.5b"
LIKES_UNDO = '}"u'


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("planted") / "planted.gguf", LIKES_UNDO)


@pytest.fixture(scope="module")
def url(planted: Path) -> str:
    """The address of a running llama.cpp server."""
    return f"{models._start(planted).listening_address}/v1"


def settings_for(model: str, url: str, folder: Path) -> Settings:
    return Settings(workspace=folder, _env_file=None, chat_model=model, chat_url=url, chat_key="none")  # type: ignore[arg-type]


def test_the_model_is_held_to_the_schema_and_its_tokens_are_told(url: str, tmp_path: Path) -> None:
    caller, meter = Caller(chat_model(settings_for("server:planted", url, tmp_path))), Meter(Usage())
    answer = caller.answer([HumanMessage("whatever is said")], meter)
    assert parse_step(answer).action == "undo"
    assert (meter.usage.calls, meter.usage.untold) == (1, 0)
    assert meter.usage.input_tokens > len("whatever is said")
    assert meter.usage.output_tokens >= len(answer)


def test_the_responses_of_llama_cpp_know_no_schema_but_are_read_and_counted(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "LONGEST_ANSWER", 40)
    caller, meter = Caller(chat_model(settings_for("openai:planted", url, tmp_path))), Meter(Usage())
    assert caller.answer([HumanMessage("whatever is said")], meter) == 40 * LIKES_UNDO[0]
    assert (meter.usage.calls, meter.usage.untold, meter.usage.output_tokens) == (1, 0, 40)


def test_a_whole_turn_over_the_real_wire(url: str, service: PlantedService, tmp_path: Path) -> None:
    talk = Conversation(service, settings_for("server:planted", url, tmp_path))  # type: ignore[arg-type]
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.text == "There is nothing to take back."
    assert reply.usage is not None
    assert reply.usage.calls == 1


def test_a_model_that_never_ends_is_cut_off_and_the_flow_goes_on(
    url: str, service: PlantedService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.calling._SCHEMA_KEPT", set())
    monkeypatch.setattr(models, "LONGEST_ANSWER", 40)
    talk = Conversation(service, settings_for("server:planted", url, tmp_path))  # type: ignore[arg-type]
    reply = talk.say("t", REQUEST)
    talk.close()
    assert "cut off" in reply.text
    assert reply.draft is not None
    assert reply.usage is not None
    assert (reply.usage.calls, reply.usage.output_tokens) == (1, 40)


def test_a_model_file_in_this_process(planted: Path, service: PlantedService, workspace: Settings) -> None:
    talk = Conversation(service, workspace, model=LocalChatModel(path=planted))  # type: ignore[arg-type]
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.text == "There is nothing to take back."
    assert reply.usage is not None
    assert reply.usage.untold == 0


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
    models._start.cache_clear()


@pytest.mark.slow
def test_the_published_model_speaks_and_the_audience_is_there_whatever_it_says(
    published: Path, service: PlantedService, tmp_path: Path
) -> None:
    settings = Settings(workspace=published, _env_file=None, chat_model=f"local:{PUBLISHED}")  # type: ignore[call-arg]
    talk = Conversation(service, settings, path=tmp_path / "checkpoints.db")  # type: ignore[arg-type]
    reply = talk.say("t", REQUEST)
    talk.close()
    assert reply.draft is not None
    assert reply.draft.spec.demand == REQUEST.capitalize()
    assert reply.usage is not None
    assert reply.usage.untold == 0
    assert reply.usage.input_tokens > 500

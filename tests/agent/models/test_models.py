"""Which model the settings name, and what they say when they cannot work."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from pydantic import SecretStr

from agent.models.chat import LONGEST_ANSWER, chat_model, spoken_name
from encoders.errors import ChatModelError
from encoders.settings import Settings
from tests.agent.agent_doubles import ScriptedModel


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("openai:gpt-x", "AUDIENCE_CHAT_KEY"),
        ("server:tiny", "AUDIENCE_CHAT_URL"),
        ("server:", "is no chat model"),
        ("magic", "is no chat model"),
        ("magic:x", "is no chat model"),
        ("anthropic:claude-x", "pip install langchain-anthropic"),
        ("google_vertexai:gemini-x", "pip install langchain-google-vertexai"),
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


def test_any_provider_that_langchain_knows_is_asked_with_the_limits_and_the_key(
    workspace: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def made(**values: Any) -> ScriptedModel:
        given.update(values)
        return ScriptedModel(script=["x"])

    package = ModuleType("langchain_anthropic")
    package.__spec__ = ModuleSpec(package.__name__, None)
    monkeypatch.setattr(package, "ChatAnthropic", made, raising=False)
    monkeypatch.setitem(sys.modules, package.__name__, package)
    settings = workspace.model_copy(update={"chat_model": "anthropic:claude-x", "chat_key": SecretStr("sk-ant")})
    assert isinstance(chat_model(settings), ScriptedModel)
    assert given["model"] == "claude-x"
    assert given["api_key"] == "sk-ant"
    assert given["max_retries"] == 0
    assert given["max_tokens"] == LONGEST_ANSWER
    assert "temperature" not in given
    assert spoken_name(settings) == "claude-x (anthropic)"


def test_a_model_that_thinks_gets_its_thoughts_back(workspace: Settings) -> None:
    settings = workspace.model_copy(update={"chat_key": SecretStr("k")})
    thinking = chat_model(settings.model_copy(update={"chat_model": "openai:gpt-5-mini"}))
    assert getattr(thinking, "include", None) == ["reasoning.encrypted_content"]
    plain = chat_model(settings.model_copy(update={"chat_model": "openai:gpt-4o"}))
    assert getattr(plain, "include", None) is None


def test_the_default_needs_nothing(workspace: Settings) -> None:
    assert chat_model(workspace) is None
    assert spoken_name(workspace) == "Built-in rules, no language model"

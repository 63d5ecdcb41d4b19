"""Which model the settings name, and what they say when they cannot work."""

import pytest

from agent.models import chat_model, spoken_name
from encoders.errors import ChatModelError
from encoders.settings import Settings


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
    assert chat_model(workspace) is None
    assert spoken_name(workspace) == "Built-in rules, no language model"

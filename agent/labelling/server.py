"""The server that writes: the chat model named in the settings, asked by Chat Completions."""

from dataclasses import dataclass
from typing import Any

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent.labelling.ledger import Request
from agent.labelling.prompting import Message, Purpose, schema
from agent.models import LOCAL_TIMEOUT, TIMEOUT, LocalChatModel, chat_model
from encoders.settings import Settings

_LONGEST_ANSWER = {"write": 200, "check": 160}
_THOUGHT = 2000
"""Tokens that a model of OpenAI may think before it answers."""


@dataclass(frozen=True)
class Server:
    """Where to ask, and how the ledger calls it."""

    label: str
    model: str
    url: str
    key: str
    timeout: float
    openai: bool = False

    def request(
        self, purpose: Purpose, messages: list[Message], lines: int, temperature: float | None = None
    ) -> Request:
        """The request for one answer about ``lines`` lines."""
        form = {"name": purpose, "strict": True, "schema": schema(purpose, lines)}
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
        longest = _LONGEST_ANSWER[purpose]
        body |= {"max_completion_tokens": longest + _THOUGHT} if self.openai else {"max_tokens": longest}
        if temperature is not None:
            body["temperature"] = temperature
        return Request(self.label, purpose, body)


def server_of(settings: Settings, start: bool = True) -> Server | None:
    """The server of the settings; None for the built-in writer.

    A local model starts here, on a loopback port that is not part of its name, unless ``start`` says not to.

    Raises:
        ChatModelError: the settings name no model, or something it needs is missing.
    """
    model = chat_model(settings)
    label = " at ".join(filter(None, (settings.chat_model, settings.chat_url)))
    if isinstance(model, LocalChatModel):
        if not start:
            return Server(settings.chat_model, model.path.stem, "", "none", LOCAL_TIMEOUT)
        label, model = settings.chat_model, model.running()
    if not isinstance(model, ChatOpenAI):
        return None
    key = model.openai_api_key
    return Server(
        label=label,
        model=model.model_name,
        url=str(model.openai_api_base),
        key=key.get_secret_value() if isinstance(key, SecretStr) else "none",
        timeout=LOCAL_TIMEOUT if settings.chat_model.startswith("local:") else TIMEOUT,
        openai=settings.chat_model.startswith("openai:"),
    )

"""One tiny call to the language model of the settings, to see whether it answers."""

from time import monotonic
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage

from agent.models.calls import ModelCaller
from agent.models.chat import chat_model, spoken_name
from agent.models.usage import Budget, Meter, Usage, read_prices
from encoders.errors import ChatModelError
from encoders.records import Record
from encoders.settings import Settings

_LONGEST = 200
"""Characters of the answer that are shown."""
_ASKED = "Call the tool 'ready' with the word 'yes'."
_TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "ready",
        "description": "Say that you can be reached.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    },
}


class Tried(Record):
    """What came of the call."""

    name: str
    """Of the model, for people."""
    calls_tools: bool
    """Whether it called the tool that it was given; the assistant needs one that does."""
    words: str
    """What it said instead; may be empty."""
    seconds: float
    usage: Usage
    """Of this call; a request that was refused and asked again in a plainer way counts, too."""


def try_model(settings: Settings, model: BaseChatModel | None = None) -> Tried | None:
    """Ask the model of the settings for a single word; None where the settings name none.

    Args:
        settings: name the model.
        model: another one than they name.

    Raises:
        ChatModelError: it does not answer; the text says why and what to do.
    """
    asked = model or chat_model(settings)
    if asked is None:
        return None
    meter, began = Meter(Usage(), Budget.of(settings)), monotonic()

    def ask(spoken: BaseChatModel, choice: str | None) -> AIMessage:
        message = spoken.bind_tools([_TOOL], tool_choice=choice).invoke([HumanMessage(_ASKED)])
        if not isinstance(message, AIMessage):
            raise ChatModelError("The server's answer is no message of an assistant.")
        return message

    message = ModelCaller(asked).answer(ask, meter)
    return Tried(
        name=spoken_name(settings),
        calls_tools=any(call["name"] == "ready" for call in message.tool_calls),
        words=str(message.text).strip()[:_LONGEST],
        seconds=monotonic() - began,
        usage=meter.usage.priced(read_prices(settings.chat_prices)),
    )

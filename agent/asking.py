"""Asks a chat model for the next step: one JSON object, one repair, and the rules where the model fails."""

from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable

from agent.checking import Searching, check_step
from agent.context import Context
from agent.rules.deciding import decide
from agent.steps import Step, StepError, parse_step, step_schema
from encoders.errors import ChatModelError
from prompts.loader import fill, reply

CALLS = 2
"""Model calls in one turn: a first try and one repair."""

_SCHEMA_KEPT = {"openai-chat", "local"}
"""Kinds of models whose server holds an answer to a JSON schema."""


class Decision:
    """What to do, what was dropped from it, and whether the rules had to step in."""

    def __init__(self, step: Step, notes: tuple[str, ...], fell_back: str = "") -> None:
        """Keep a step that was checked."""
        self.step, self.notes, self.fell_back = step, notes, fell_back


def next_step(model: BaseChatModel, name: str, context: Context, search: Searching) -> Decision:
    """Ask ``model``, called ``name`` for people; a model that fails costs its answer, never the conversation."""
    messages: list[BaseMessage] = [
        SystemMessage(fill("system", unit_plural=context.unit_plural)),
        HumanMessage(fill("decide", context=_fenced(model, context))),
    ]
    problem = ""
    try:
        for _ in range(CALLS):
            answer = _invoke(model, messages)
            try:
                step, notes = check_step(parse_step(answer), context, search)
                return Decision(step, notes)
            except StepError as error:
                problem = f"{str(error)[:200].rstrip('.')}."
                messages += [AIMessage(answer), HumanMessage(fill("repair", problem=problem))]
    except ChatModelError as error:
        problem = str(error)
    fallback = reply("fell_back", model=name, reason=problem)
    step, notes = check_step(decide(context), context, search)
    return Decision(step, notes, fallback)


def _invoke(model: BaseChatModel, messages: list[BaseMessage]) -> str:
    """The model's text.

    Raises:
        ChatModelError: no answer came.
    """
    from openai import APIConnectionError, APIStatusError, APITimeoutError, LengthFinishReasonError, OpenAIError

    try:
        answer = _constrained(model).invoke(messages)
    except APITimeoutError as error:
        raise ChatModelError("The server took too long; try again, or choose a smaller model.") from error
    except APIConnectionError as error:
        raise ChatModelError("The server cannot be reached; check AUDIENCE_CHAT_URL and that it runs.") from error
    except APIStatusError as error:
        raise ChatModelError(f"The server answered with error {error.status_code}.") from error
    except LengthFinishReasonError as error:
        raise ChatModelError("The answer was too long and was cut off.") from error
    except (OpenAIError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ChatModelError(f"The server's answer could not be read ({type(error).__name__}).") from error
    raw = answer["raw"] if isinstance(answer, dict) else answer
    return raw.text if isinstance(raw, BaseMessage) else str(raw)


def _constrained(model: BaseChatModel) -> Runnable[Any, Any]:
    """The model, held to the step's JSON schema where its server can do that."""
    if model._llm_type not in _SCHEMA_KEPT:
        return model
    return model.with_structured_output(step_schema(), method="json_schema", include_raw=True)


def _fenced(model: BaseChatModel, context: Context) -> str:
    """The context as JSON that cannot close the fence it stands in, whatever an item is called."""
    block = context.model_dump_json() if model._llm_type == "embedded" else context.brief()
    return block.replace("`", "\\u0060")

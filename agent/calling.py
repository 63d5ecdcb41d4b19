"""One answer of a chat model: by a JSON schema where its server has that, patiently, and with every token counted.

Not every server that speaks the protocol speaks all of it. What one refuses is asked for in a plainer way within the
same turn, and once the plainer way has worked it is kept for as long as the process runs:

    Responses, with a schema -> Responses, plain
            └ no such address -> Chat Completions, with a schema -> Chat Completions, plain
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import Runnable
from openai import APIConnectionError, APIStatusError, APITimeoutError, LengthFinishReasonError, OpenAIError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from agent.steps import step_schema
from agent.tracing import span
from agent.usage import Meter
from encoders.errors import ChatModelError

TRIES = 3
"""Requests for one answer, where the server is busy, broken or not there."""

LONGEST_WAIT = 20.0
"""Seconds that a server may ask to wait before the next try; one that asks for more is not waited for."""

_SCHEMA_KEPT = {"openai-chat", "local"}
"""Kinds of models whose server may hold an answer to a JSON schema."""

_NO_SUCH_ADDRESS = {404, 405}
_REFUSED = {400, 404, 405, 415, 422, 501}
_BACKOFF = wait_exponential_jitter(multiplier=0.5, max=8, jitter=1)


@dataclass(frozen=True)
class _Way:
    """How a server is asked."""

    responses: bool
    schema: bool

    def plainer(self, error: APIStatusError) -> "_Way | None":
        """The next way to ask after ``error``; None where asking otherwise would not help."""
        status = error.status_code
        if isinstance(error, ContextOverflowError) or error.code == "model_not_found":
            return None
        if self.responses and status in _NO_SUCH_ADDRESS:
            return replace(self, responses=False)
        return replace(self, schema=False) if self.schema and status in _REFUSED else None


class Caller:
    """Asks one chat model, and remembers what its server refused."""

    def __init__(self, model: BaseChatModel) -> None:
        """Ask ``model``."""
        self.model = model
        responses = bool(getattr(model, "use_responses_api", False))
        self._way = _Way(responses, schema=model._llm_type in _SCHEMA_KEPT)

    def answer(self, messages: Sequence[BaseMessage], meter: Meter) -> str:
        """The model's text.

        Raises:
            ChatModelError: no answer came; the text says why and what to do.
        """
        try:
            return self._ever_plainer(self._way, messages, meter)
        except (OpenAIError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise in_words(error) from error

    def _ever_plainer(self, way: _Way, messages: Sequence[BaseMessage], meter: Meter) -> str:
        """Ask in ``way``, or in a plainer one where the server refuses it; what has worked is remembered."""
        try:
            text = self._patiently(way, messages, meter)
        except APIStatusError as error:
            plainer = way.plainer(error)
            if plainer is None:
                raise
            return self._ever_plainer(plainer, messages, meter)
        self._way = way
        return text

    def _patiently(self, way: _Way, messages: Sequence[BaseMessage], meter: Meter) -> str:
        """Ask again where the server was busy, broken or not there, as long as the turn has calls left."""
        patient = Retrying(
            retry=retry_if_exception(_passing),
            stop=lambda state: meter.spent or stop_after_attempt(TRIES)(state),
            wait=_wait,
            reraise=True,
        )
        return patient(self._once, way, messages, meter)

    def _once(self, way: _Way, messages: Sequence[BaseMessage], meter: Meter) -> str:
        meter.check()
        told: UsageMetadata | None = None
        name = str(getattr(self.model, "model_name", self.model._llm_type))
        with span(f"chat {name}", {"gen_ai.operation.name": "chat", "gen_ai.request.model": name}) as current:
            try:
                message = _message(self._runnable(way).invoke(list(messages)))
                told = message.usage_metadata
            except LengthFinishReasonError as error:
                told = _told(error)
                raise
            finally:
                meter.count(told)
                if told is not None:
                    current.set_attribute("gen_ai.usage.input_tokens", told["input_tokens"])
                    current.set_attribute("gen_ai.usage.output_tokens", told["output_tokens"])
            about = message.response_metadata
            if about.get("finish_reason") == "length" or about.get("status") == "incomplete":
                raise ChatModelError("The answer was too long and was cut off.")
            return message.text

    def _runnable(self, way: _Way) -> Runnable[Any, Any]:
        model = self.model
        if not way.responses and getattr(model, "use_responses_api", False):
            model = model.model_copy(update={"use_responses_api": False, "store": None})
        if not way.schema:
            return model
        return model.with_structured_output(step_schema(), method="json_schema", include_raw=True)


def _message(answer: Any) -> AIMessage:
    """The message in what a runnable gave; without a schema it is the message itself."""
    raw = answer["raw"] if isinstance(answer, dict) else answer
    if not isinstance(raw, AIMessage):
        raise TypeError("no message")
    return raw


def _told(error: LengthFinishReasonError) -> UsageMetadata | None:
    """The tokens of an answer that was cut off: they were paid for as well."""
    usage = error.completion.usage
    if usage is None:
        return None
    read, written = usage.prompt_tokens, usage.completion_tokens
    return UsageMetadata(input_tokens=read, output_tokens=written, total_tokens=read + written)


def _passing(error: BaseException) -> bool:
    """Whether the same request may go well a moment later. A timeout is not asked again: it has taken its time."""
    if isinstance(error, APIStatusError):
        busy = (error.status_code == 429 and error.code != "insufficient_quota") or error.status_code >= 500
        return busy and error.status_code != 501 and asked_to_wait(error) <= LONGEST_WAIT
    return isinstance(error, APIConnectionError) and not isinstance(error, APITimeoutError)


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asked for, and never less than a moment that grows, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = asked_to_wait(error) if isinstance(error, APIStatusError) else 0.0
    return max(asked, _BACKOFF(state))


def asked_to_wait(error: APIStatusError) -> float:
    """The seconds of a Retry-After header; 0 where there is none, or it names a date instead."""
    try:
        return max(0.0, float(error.response.headers.get("retry-after", 0)))
    except ValueError:
        return 0.0


def in_words(error: Exception) -> ChatModelError:
    """What a person reads about a failed call."""
    match error:
        case APITimeoutError():
            return ChatModelError("The server took too long; try again, or choose a smaller model.")
        case APIConnectionError():
            return ChatModelError("The server cannot be reached; check AUDIENCE_CHAT_URL and that it runs.")
        case ContextOverflowError():
            return ChatModelError("The request was longer than the model can read; choose one with a longer context.")
        case APIStatusError(status_code=401 | 403 as status):
            return ChatModelError(f"The server refused the key (error {status}); check AUDIENCE_CHAT_KEY.")
        case APIStatusError(status_code=404):
            return ChatModelError(
                "The server knows no such model or address (error 404); check AUDIENCE_CHAT_MODEL and _URL."
            )
        case APIStatusError(status_code=429):
            return ChatModelError("The server has too many requests, or the account no credit (error 429).")
        case APIStatusError(status_code=status):
            return ChatModelError(f"The server answered with error {status}.")
        case LengthFinishReasonError():
            return ChatModelError("The answer was too long and was cut off.")
    return ChatModelError(f"The server's answer could not be read ({type(error).__name__}).")

"""One answer of a chat model, every token counted, and traces of what a turn does."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelNotFoundError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langgraph.errors import GraphBubbleUp
from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from agent.models.usage import Meter
from encoders.errors import ChatModelError, RequestError
from encoders.settings import Settings

if TYPE_CHECKING:
    from tools.service import AudienceService


# --- Traces of what a turn does, by OpenTelemetry; off unless an address to send them to is set ---
#
# A turn, its nodes, the calls of the chat model and of the audience service become spans: names, durations, tokens, the
# chosen action. Texts of people and ids of users are left out unless AUDIENCE_TRACE_TEXTS asks for them. A process that
# has OpenTelemetry set up already gets the spans there; without any of this, a span is an object that does nothing.


_STANDARD = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_NAME = "audience"

Arguments = ParamSpec("Arguments")
Given = TypeVar("Given")

_provider: TracerProvider | None = None


def send_to(provider: TracerProvider | None) -> None:
    """Send the spans of this process to ``provider``; None for the one the process has set up itself, if any."""
    global _provider
    _provider = provider


def start(settings: Settings) -> None:
    """Begin to send spans where the settings or the standard environment variables name an address.

    Raises:
        RequestError: the address is no URL.
    """
    if settings.trace and not settings.trace.startswith(("http://", "https://")):
        raise RequestError(f"AUDIENCE_TRACE is '{settings.trace}'; it has to be a URL, such as http://127.0.0.1:4317.")
    if settings.trace or any(os.environ.get(name) for name in _STANDARD):
        send_to(_exporting(settings.trace))


@contextmanager
def span(name: str, attributes: Mapping[str, str | int | bool] | None = None) -> Iterator[Span]:
    """Do something inside a span. A failure is noted by the type of the error alone, for its text may quote people."""
    tracer = trace.get_tracer(_NAME, tracer_provider=_provider)
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except GraphBubbleUp:  # the graph waits for a person's yes
            raise
        except Exception as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise


def traced(name: str, work: Callable[Arguments, Given]) -> Callable[Arguments, Given]:
    """``work`` inside a span called ``name``."""

    @wraps(work)
    def inside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Given:
        with span(name):
            return work(*args, **kwargs)

    return inside


def traced_service(service: "AudienceService") -> "AudienceService":
    """``service`` with a span around each of its calls."""
    return _Traced(service)  # type: ignore[return-value]


class _Traced:
    """Passes everything on to the service."""

    def __init__(self, service: "AudienceService") -> None:
        self._service = service

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._service, name)
        return traced(f"service {name}", value) if callable(value) else value


@cache
def _exporting(address: str) -> TracerProvider:
    """Sends spans to ``address``, or where the standard variables say; started once a process, flushed at its end."""
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider as Sending
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    sending = Sending(resource=Resource({SERVICE_NAME: _NAME}).merge(OTELResourceDetector().detect()))
    sending.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address or None)))
    return sending


# --- One answer of a chat model: patiently, in a plainer way where its server refuses the first, every
#     token counted ---
#
# Not every server that speaks the protocol speaks all of it. What one refuses is asked for in a plainer way within the
# same turn, and once the plainer way has worked it is kept for as long as the process runs:
#
#     Responses, a tool call required -> Responses, a tool call allowed -> no tools: the rules take over
#             └ no such address -> Chat Completions, required -> Chat Completions, allowed -> no tools


TRIES = 3
"""Requests for one answer, where the server is busy, broken or not there."""

LONGEST_WAIT = 20.0
"""Seconds that a server may ask to wait before the next try; one that asks for more is not waited for."""

_NO_SUCH_ADDRESS = {404, 405}
_REFUSED = {400, 404, 405, 415, 422, 501}
_BACKOFF = wait_exponential_jitter(multiplier=0.5, max=8, jitter=1)

Ask = Callable[[BaseChatModel, str | None], AIMessage]
"""Sends one request to a model; 'any': it has to call a tool, None: it may."""


@dataclass(frozen=True)
class _Way:
    """How a server is asked."""

    responses: bool
    required: bool = True

    def plainer(self, error: Exception) -> "_Way | None":
        """The next way to ask after ``error``; None where asking otherwise would not help."""
        status = _status(error)
        if isinstance(error, ContextOverflowError) or getattr(error, "code", None) == "model_not_found":
            return None
        if self.responses and status in _NO_SUCH_ADDRESS:
            return replace(self, responses=False)
        return replace(self, required=False) if self.required and status in _REFUSED else None


class ModelCaller:
    """Asks one chat model, and remembers what its server refused."""

    def __init__(self, model: BaseChatModel) -> None:
        """Ask ``model``."""
        self.model = model
        self._way = _Way(responses=bool(getattr(model, "use_responses_api", False)))

    def answer(self, ask: Ask, meter: Meter) -> AIMessage:
        """The model's answer to ``ask``.

        Raises:
            ChatModelError: no answer came; the text says why and what to do.
        """
        try:
            return self._ever_plainer(self._way, ask, meter)
        except ChatModelError:
            raise
        except NotImplementedError as error:
            raise ChatModelError("It cannot call tools; choose a model that can.") from error
        except Exception as error:
            raise in_words(error) from error

    def _ever_plainer(self, way: _Way, ask: Ask, meter: Meter) -> AIMessage:
        """Ask in ``way``, or in a plainer one where the server refuses it; what has worked is remembered."""
        try:
            message = self._patiently(way, ask, meter)
        except Exception as error:
            plainer = way.plainer(error)
            if plainer is None:
                raise
            return self._ever_plainer(plainer, ask, meter)
        self._way = way
        return message

    def _patiently(self, way: _Way, ask: Ask, meter: Meter) -> AIMessage:
        """Ask again where the server was busy, broken or not there, as long as the turn has calls left."""
        patient = Retrying(
            retry=retry_if_exception(_passing),
            stop=lambda state: bool(meter.spent) or stop_after_attempt(TRIES)(state),
            wait=_wait,
            reraise=True,
        )
        return patient(self._once, way, ask, meter)

    def _once(self, way: _Way, ask: Ask, meter: Meter) -> AIMessage:
        meter.check()
        told: UsageMetadata | None = None
        name = str(getattr(self.model, "model_name", self.model._llm_type))
        with span(f"chat {name}", {"gen_ai.operation.name": "chat", "gen_ai.request.model": name}) as current:
            try:
                message = ask(self._spoken(way), "any" if way.required else None)
                told = message.usage_metadata
            finally:
                meter.count(told)
                if told is not None:
                    current.set_attribute("gen_ai.usage.input_tokens", told["input_tokens"])
                    current.set_attribute("gen_ai.usage.output_tokens", told["output_tokens"])
            about = message.response_metadata
            ended = {about.get(each) for each in ("finish_reason", "stop_reason", "done_reason")}
            if ended & {"length", "max_tokens", "MAX_TOKENS"} or about.get("status") == "incomplete":
                raise ChatModelError("The answer was too long and was cut off.")
            return message

    def _spoken(self, way: _Way) -> BaseChatModel:
        if way.responses or not getattr(self.model, "use_responses_api", False):
            return self.model
        return self.model.model_copy(update={"use_responses_api": False, "store": None})


def _status(error: BaseException) -> int:
    """The HTTP status behind an error; 0 where there is none."""
    status = getattr(error, "status_code", 0)
    return status if isinstance(status, int) else 0


def _passing(error: BaseException) -> bool:
    """Whether the same request may go well a moment later. A timeout is not asked again: it has taken its time."""
    if isinstance(error, ModelTimeoutError) or getattr(error, "code", None) == "insufficient_quota":
        return False
    if _status(error) == 501 or asked_to_wait(error) > LONGEST_WAIT:
        return False
    return isinstance(error, ModelError) and error.is_retryable


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asked for, and never less than a moment that grows, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    return max(asked_to_wait(error) if error else 0.0, _BACKOFF(state))


def asked_to_wait(error: BaseException) -> float:
    """The seconds of a Retry-After header; 0 where there is none, or it names a date instead."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:
        return 0.0


def in_words(error: Exception) -> ChatModelError:
    """What a person reads about a failed call."""
    status = _status(error)
    match error:
        case ModelTimeoutError():
            return ChatModelError("The server took too long; try again, or choose a smaller model.")
        case ModelConnectionError():
            return ChatModelError("The server cannot be reached; check AUDIENCE_CHAT_URL and that it runs.")
        case ContextOverflowError():
            return ChatModelError("The request was longer than the model can read; choose one with a longer context.")
        case ModelAuthenticationError() | ModelPermissionDeniedError():
            return ChatModelError(f"The server refused the key (error {status}); check AUDIENCE_CHAT_KEY.")
        case ModelNotFoundError():
            return ChatModelError(
                "The server knows no such model or address (error 404); check AUDIENCE_CHAT_MODEL and _URL."
            )
        case ModelRateLimitError():
            return ChatModelError("The server has too many requests, or the account no credit (error 429).")
        case ModelAPIError():
            return ChatModelError(f"The server answered with error {status}.")
    if status in _REFUSED:
        return ChatModelError(f"The server refused the request (error {status}); its model may not call tools.")
    if status:
        return ChatModelError(f"The server answered with error {status}.")
    return ChatModelError(f"The server's answer could not be read ({type(error).__name__}).")

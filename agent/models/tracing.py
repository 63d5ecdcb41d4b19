"""Traces of what a turn does, by OpenTelemetry; off unless an address to send them to is set.

A turn, its nodes, the calls of the chat model and of the audience service become spans: names, durations, tokens, the
chosen action. Texts of people and ids of users are left out unless AUDIENCE_TRACE_TEXTS asks for them. A process that
has OpenTelemetry set up already gets the spans there; without any of this, a span is an object that does nothing.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from langgraph.errors import GraphBubbleUp
from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from encoders.errors import RequestError
from encoders.settings import Settings

if TYPE_CHECKING:
    from tools.service import AudienceService

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

"""What a trace shows of a turn, and that nothing runs where none is asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from agent.conversation import Conversation
from agent.models import calls
from encoders.errors import RequestError
from encoders.settings import Settings
from tests.agent.agent_doubles import PlantedService, ScriptedModel
from tests.agent.wire_doubles import Server, error, said, step

pytestmark = pytest.mark.slow

REQUEST = "households that will buy dog food in the next 28 days"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    calls.send_to(provider)
    yield exporter
    calls.send_to(None)
    provider.shutdown()


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.close()


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [each for each in spans.get_finished_spans() if each.name == name]


def everything(spans: InMemorySpanExporter) -> str:
    return "\n".join(each.to_json() for each in spans.get_finished_spans())


def test_a_turn_its_nodes_its_model_call_and_its_service_calls(
    spans: InMemorySpanExporter, server: Server, service: PlantedService, workspace: Settings
) -> None:
    server.script = [said("lost", tokens=(1000, 50)), step()]
    settings = workspace.model_copy(update={"chat_model": "server:tiny", "chat_url": server.url})
    talk = Conversation(service, settings)
    spans.clear()
    talk.say("t", REQUEST)
    talk.close()
    (turn,) = named(spans, "turn")
    assert turn.attributes is not None
    assert turn.attributes["audience.action"] == "propose"
    assert turn.attributes["audience.fell_back"] is False
    assert turn.parent is None
    nodes = {name: named(spans, f"node {name}") for name in ("guard", "look", "decide", "act")}
    assert all(len(found) == 1 and found[0].parent == turn.context for found in nodes.values())
    calls = named(spans, "chat tiny")
    assert [each.parent for each in calls] == [nodes["decide"][0].context] * 2
    assert [(each.attributes or {})["gen_ai.usage.input_tokens"] for each in calls] == [1000, 100]
    assert [(each.attributes or {})["gen_ai.usage.output_tokens"] for each in calls] == [50, 20]
    sizes = named(spans, "service size")
    assert sizes
    assert all(each.parent == nodes["act"][0].context for each in sizes)
    assert named(spans, "service search_groups")
    assert all((each.end_time or 0) >= (each.start_time or 0) > 0 for each in spans.get_finished_spans())


@pytest.mark.parametrize("texts", [False, True])
def test_texts_and_user_ids_only_where_a_setting_asks_for_them(
    spans: InMemorySpanExporter, service: PlantedService, workspace: Settings, texts: bool
) -> None:
    model = ScriptedModel(
        script=[
            {"action": "propose", "groups": ["dog food"]},
            {"action": "explain", "user_id": "1229"},
            {"action": "explain", "user_id": "99887766"},
        ]
    )
    settings = workspace.model_copy(update={"trace_texts": texts})
    talk = Conversation(service, settings, model=model)
    talk.say("thread-of-zelda", "something for my terriers")
    talk.say("thread-of-zelda", "why is 1229 in?")
    talk.say("thread-of-zelda", "why is 99887766 in?")
    talk.close()
    shown = everything(spans)
    assert [word for word in ("terriers", '"1229"', "99887766", "dog biscuits") if (word in shown) != texts] == []
    assert "zelda" not in shown


def test_a_failure_is_noted_by_its_type_alone(
    spans: InMemorySpanExporter, server: Server, service: PlantedService, workspace: Settings
) -> None:
    server.script = [error(401, "the key sk-secret is wrong")]
    settings = workspace.model_copy(update={"chat_model": "server:tiny", "chat_url": server.url})
    talk = Conversation(service, settings)
    talk.say("t", REQUEST)
    talk.close()
    (call,) = named(spans, "chat tiny")
    assert call.status.status_code is StatusCode.ERROR
    assert (call.attributes or {})["error.type"] == "OpenAIAuthenticationError"
    assert call.events == ()
    assert "sk-secret" not in everything(spans)
    assert (named(spans, "turn")[0].attributes or {})["audience.fell_back"] is True


def test_waiting_for_a_yes_is_no_failure(
    spans: InMemorySpanExporter, service: PlantedService, workspace: Settings
) -> None:
    talk = Conversation(service, workspace)
    talk.say("t", REQUEST)
    assert talk.say("t", "save as Dogs").pending is not None
    talk.decide("t", True)
    talk.close()
    assert len(named(spans, "node approve")) == 2
    assert {each.status.status_code for each in spans.get_finished_spans()} == {StatusCode.UNSET}
    assert named(spans, "service save")


def test_an_address_that_is_no_url_is_one_sentence(service: PlantedService, workspace: Settings) -> None:
    with pytest.raises(RequestError, match=r"AUDIENCE_TRACE is 'collector'; it has to be a URL"):
        Conversation(service, workspace.model_copy(update={"trace": "collector"}))


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Receives spans as a collector does."""

    def __init__(self) -> None:
        self.received: SimpleQueue[trace_service_pb2.ExportTraceServiceRequest] = SimpleQueue()

    def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: object
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        self.received.put(request)
        return trace_service_pb2.ExportTraceServiceResponse()


ONE_TURN = """
import sys
import threading
from pathlib import Path
from tests.agent.agent_doubles import PlantedService
from agent.conversation import Conversation
from encoders.settings import Settings
talk = Conversation(PlantedService(), Settings(workspace=Path(sys.argv[1]), _env_file=None))
talk.say("t", "households that will buy dog food in the next 28 days")
talk.close()
print(sorted(each.name for each in threading.enumerate() if each is not threading.main_thread()))
"""


def one_turn(workspace: Settings, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "AUDIENCE_"))}
    done = subprocess.run(
        [sys.executable, "-c", ONE_TURN, str(workspace.workspace)],
        capture_output=True, text=True, check=True, env=kept | environment,
    )  # fmt: skip
    return done.stdout.strip()


def test_nothing_is_started_where_none_is_asked_for(workspace: Settings) -> None:
    assert one_turn(workspace) == "[]"


@pytest.mark.parametrize("variable", ["AUDIENCE_TRACE", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_the_spans_reach_a_collector_before_the_process_ends(workspace: Settings, variable: str) -> None:
    collector, pool = Collector(), ThreadPoolExecutor(max_workers=2)
    receiving = grpc.server(pool)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, receiving)  # type: ignore[no-untyped-call]
    port = receiving.add_insecure_port("127.0.0.1:0")
    receiving.start()
    assert one_turn(workspace, **{variable: f"http://127.0.0.1:{port}"}) == "['OtelBatchSpanRecordProcessor']"
    receiving.stop(None).wait()
    pool.shutdown()
    batches = [collector.received.get_nowait() for _ in range(collector.received.qsize())]
    sent = [of_one_service for batch in batches for of_one_service in batch.resource_spans]
    assert {each.value.string_value for one in sent for each in one.resource.attributes} == {"audience"}
    names = {each.name for one in sent for scope in one.scope_spans for each in scope.spans}
    assert {"turn", "node decide", "service size"} <= names

"""The tools over real HTTP, beside the page, asked by the official client."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Event
from typing import TypeVar

import httpx2
import pytest
from mcp import Client
from pydantic_core import to_jsonable_python

from agent.page.state import NOT_YET, AppState, LazyService
from encoders.errors import ModelError, WorkspaceError
from encoders.workspace import Workspace
from tests import apart
from tests.app.browsing import Serve
from tests.app.page_doubles import PlantedDesk, make_desk
from tests.planted import world_settings
from tools.interfaces.adcp.tasks import TASKS
from tools.interfaces.mcp.answers import content
from tools.operations.operation import Interface
from tools.operations.table import offered
from tools.service import AudienceService
from tools.types import AudienceSpec, SavedAudience, SizeEstimate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]  # from Gradio's own statistics

SPEC = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
Answered = TypeVar("Answered")


def talk(address: str, mode: str, say: Callable[[Client], Awaitable[Answered]]) -> Answered:
    async def connected() -> Answered:
        async with Client(f"{address}/mcp", mode=mode) as client:
            return await say(client)

    return apart.run(connected())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_another_agent_sizes_and_saves_over_http(
    serve: Serve, tmp_path: Path, own_workspace: Workspace, mode: str
) -> None:
    service = AudienceService.open(world_settings(own_workspace.path))
    address = serve(lambda: AppState(conversation=make_desk(tmp_path).conversation, service=service))
    save = {"spec": SPEC.model_dump(mode="json"), "name": "Coffee", "approved_by": "Ada", "key": "once"}

    async def work(client: Client) -> None:
        assert [tool.name for tool in (await client.list_tools()).tools] == [
            *(each.name for each in offered(Interface.MCP)),
            *TASKS,
        ]
        sized = await client.call_tool("size", {"spec": save["spec"]})
        assert sized.structured_content == content(service.size(SPEC), SizeEstimate)
        again = [(await client.call_tool("save", save)).structured_content for _ in range(2)]
        assert again == [content(each, SavedAudience) for each in service.list_audiences()] * 2
        declined = await client.call_tool("size", {"spec": {"demand": "Households that are pregnant"}})
        assert declined.is_error

    while not httpx2.get(f"{address}/healthz").json()["ready"]:
        pass
    talk(address, mode, work)
    assert "text/html" in httpx2.get(address).headers["content-type"]


def test_who_comes_before_the_app_is_ready_is_told_so(serve: Serve, desk: PlantedDesk) -> None:
    opened = Event()

    def slow() -> AppState:
        opened.wait(60)
        return desk

    address = serve(slow)
    found = talk(address, "auto", lambda client: client.call_tool("describe_data"))
    opened.set()
    assert found.is_error
    assert getattr(found.content[0], "text", "") == NOT_YET


def test_a_page_from_elsewhere_may_not_ask(serve: Serve, desk: PlantedDesk) -> None:
    address = serve(lambda: desk)
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream"}
    assert (
        httpx2.post(f"{address}/mcp", json=hello, headers=headers | {"Origin": "http://evil.test"}).status_code == 403
    )
    assert httpx2.post(f"{address}/mcp", json=hello, headers=headers | {"Host": "evil.test"}).status_code == 421


def test_a_caller_that_takes_json_alone_gets_it_in_one_piece(serve: Serve, desk: PlantedDesk) -> None:
    address = serve(lambda: desk)
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    whole, stream = (
        httpx2.post(f"{address}/mcp", json=hello, headers={"Accept": accepted})
        for accepted in ("application/json", "application/json, text/event-stream")
    )
    assert whole.headers["content-type"] == "application/json"
    assert "get_signals" in {tool["name"] for tool in whole.json()["result"]["tools"]}
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert json.loads(stream.text.partition("data: ")[2])["result"] == whole.json()["result"]


def test_a_desk_that_failed_to_open_says_why_and_is_tried_again(desk: PlantedDesk) -> None:
    mended = Event()

    def opener() -> AppState:
        if not mended.is_set():
            raise ModelError("There is no trained model; run 'audience demo'.")
        return desk

    opening = LazyService(opener)
    with pytest.raises(WorkspaceError, match="still opening"):
        opening.at_once()
    with pytest.raises(ModelError):
        opening.desk()
    mended.set()
    with pytest.raises(ModelError, match="audience demo"):
        opening.at_once()
    assert opening.desk() is opening.at_once() is desk
    opening.close()


def test_the_resources_are_beside_the_page(serve: Serve, tmp_path: Path, own_workspace: Workspace) -> None:
    service = AudienceService.open(world_settings(own_workspace.path))
    address = serve(lambda: AppState(conversation=make_desk(tmp_path).conversation, service=service))
    while (health := httpx2.get(f"{address}/api/health")).status_code == 503:
        assert health.headers["content-type"] == "application/problem+json"
    sized = httpx2.post(f"{address}/api/sizes", json=SPEC.model_dump(mode="json"))
    assert sized.json() == to_jsonable_python(service.size(SPEC))
    declined = httpx2.post(f"{address}/api/sizes", json={"demand": "Households that are pregnant"})
    assert (declined.status_code, declined.json()["instance"]) == (422, "/api/sizes")
    assert "text/html" in httpx2.get(address).headers["content-type"]

"""A call that is cancelled stops, and leaves nothing; one that takes long says that it is at work."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import anyio
import pytest
from mcp import Client

from tests import apart
from tests.tools.interfaces.mcp_asking import SPEC, anything_goes
from tools.access.gate import Gate
from tools.interfaces.mcp import working
from tools.interfaces.mcp.server import make_server
from tools.interfaces.mcp.working import at_work
from tools.service import AudienceService
from tools.stopping import StoppedError, go_on_unless_stopped, stoppable
from tools.storage.registry import Registry
from tools.types import AudienceSpec


def test_work_is_stopped_only_where_it_asks() -> None:
    go_on_unless_stopped()
    asked = Event()
    with stoppable(asked.is_set):
        go_on_unless_stopped()
        asked.set()
        with pytest.raises(StoppedError):
            go_on_unless_stopped()
    go_on_unless_stopped()


def test_nothing_goes_on_once_a_cancelled_call_is_over() -> None:
    began, ended = Event(), Event()

    def work(progress: Callable[..., None]) -> None:
        began.set()
        try:
            while True:
                progress("Working")
        finally:
            ended.set()

    async def cancelled() -> None:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(at_work, None, "Work", work)
                await anyio.to_thread.run_sync(began.wait)
                scope.cancel()
        assert ended.is_set()

    apart.run(cancelled())


def test_a_fault_of_the_work_comes_through_as_it_is() -> None:
    def work(_: Any) -> None:
        raise KeyError("a")

    with pytest.raises(KeyError):
        apart.run(at_work(None, "Work", work))


@pytest.mark.parametrize("name", ["save", "export"])
def test_what_was_cancelled_has_left_nothing(own: AudienceService, name: str) -> None:
    """The client gives up while the call is at its last step before writing."""
    own.save(SPEC, "There", "Ada", "first")
    begun, go_on = Event(), Event()
    calls: list[str] = []

    def slow(spec: AudienceSpec) -> None:
        anything_goes(spec)

    def opened() -> AudienceService:
        calls.append("opened")
        if calls.count("opened") > 1:  # the first time is before the work begins
            begun.set()
            go_on.wait(60)
        return own

    arguments = {"spec": SPEC.model_dump(mode="json"), "name": "Coffee", "approved_by": "Ada", "key": "k"}
    given = arguments if name == "save" else {"audience": "There", "key": "k"}

    async def give_up() -> None:
        async with Client(make_server(opened, slow, Gate(lambda: own))) as client:
            task = asyncio.create_task(client.call_tool(name, given))
            await asyncio.to_thread(begun.wait, 60)
            task.cancel()
            await asyncio.sleep(0.2)  # the word that it is cancelled is on its way
            go_on.set()
            await asyncio.gather(task, return_exceptions=True)

    apart.run(give_up())
    assert [each.name for each in own.list_audiences()] == ["There"]
    assert not list(own.tenant.workspace.exports.glob("*.csv"))
    with Registry(own.tenant.workspace.registry) as registry:
        lines = [line for line in registry.audit() if line.action == "call"]
    assert [(line.details["operation"], line.details["outcome"]) for line in lines] == [(name, "cancelled")]


def test_a_call_that_takes_over_a_second_says_so(own: AudienceService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "EVERY", 0.01)
    told: list[tuple[float, str | None]] = []
    heard = Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))
        heard.set()

    calls: list[int] = []

    def opened() -> AudienceService:
        calls.append(1)
        if len(calls) > 1:
            heard.wait(60)
        return own

    async def size() -> Any:
        async with Client(make_server(opened, anything_goes, Gate(lambda: own))) as client:
            return await client.call_tool("size", {"spec": SPEC.demand}, progress_callback=hear)

    assert not apart.run(size()).is_error
    assert told[0] == (0.01, "Size an audience")

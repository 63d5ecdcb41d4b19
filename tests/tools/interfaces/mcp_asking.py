"""Asking the tools by the official client, without a wire, for the tests of what they answer."""

from typing import Any

from mcp import Client
from mcp_types import CallToolResult
from pydantic_core import to_jsonable_python

from tests import apart
from tools.access.callers import OWNER, Caller, acting_as
from tools.access.gate import Gate
from tools.interfaces.mcp.server import make_server
from tools.operations.operation import Check, Opened
from tools.service import AudienceService
from tools.types import AudienceSpec

DEMAND = "Households that will buy coffee in the next 28 days"
SPEC = AudienceSpec(demand=DEMAND, cut=0.3)


def anything_goes(spec: AudienceSpec) -> None:
    """No audience is declined here."""


def ask(
    opened: Opened,
    name: str,
    arguments: dict[str, Any],
    check: Check = anything_goes,
    caller: Caller = OWNER,
    **client: Any,
) -> CallToolResult:
    """What a tool answers to a client, which takes more arguments, such as what it does when it is asked."""

    async def one() -> CallToolResult:
        with acting_as(caller):
            return await connected()

    async def connected() -> CallToolResult:
        async with Client(make_server(opened, check, Gate(opened)), **client) as there:
            return await there.call_tool(name, to_jsonable_python(arguments))

    return apart.run(one())


def answer(service: AudienceService, name: str, /, **arguments: Any) -> Any:
    """What a tool answers; a list, or nothing, comes in a 'result' of its own."""
    found = ask(lambda: service, name, arguments)
    assert not found.is_error, found.content
    assert found.structured_content is not None
    return found.structured_content.get("result", found.structured_content)


def refusal(service: AudienceService, name: str, /, **arguments: Any) -> str:
    """The one sentence a tool fails with."""
    return fault(ask(lambda: service, name, arguments))


def fault(found: CallToolResult) -> str:
    """What an answer says went wrong."""
    assert found.is_error
    assert found.structured_content is None
    said = text(found)
    assert "Traceback" not in said
    return said


def text(found: CallToolResult) -> str:
    """An answer in words."""
    assert len(found.content) == 1
    return str(getattr(found.content[0], "text", ""))

"""``audience mcp`` as a real process on the planted world, asked by the official client over stdio."""

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult

from encoders.workspace import Workspace
from tests import apart
from tests.planted import world_settings
from tools.interfaces.adcp.tasks import TASKS
from tools.interfaces.mcp.answers import content
from tools.operations.operation import Interface
from tools.operations.table import offered
from tools.service import AudienceService
from tools.types import AudienceSpec, SavedAudience, SizeEstimate

SPEC = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
START = "from agent.cli.main import main; main()"


def command(workspace: Path) -> StdioServerParameters:
    """How a client is told to start the server; it gives the process nothing of its own environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "OMP_NUM_THREADS") if name in os.environ}
    ours = {"AUDIENCE_MINIMUM_SIZE": "20", "AUDIENCE_TEXT_ENCODER": "use", "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = ["-c", START, "--workspace", str(workspace), "mcp"]
    return StdioServerParameters(command=sys.executable, args=arguments, env=kept | ours)


def text(found: CallToolResult) -> str:
    assert found.is_error
    return str(getattr(found.content[0], "text", ""))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_another_agent_sizes_and_saves_over_stdio(own_workspace: Workspace, mode: str) -> None:
    save = {"spec": SPEC.model_dump(mode="json"), "name": "Coffee", "approved_by": "Ada", "key": "once"}
    declined = {"demand": "Households that are pregnant will buy coffee"}

    async def talk() -> list[CallToolResult]:
        async with Client(command(own_workspace.path), mode=mode) as client:
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == [*(each.name for each in offered(Interface.MCP)), *TASKS]
            return [
                await client.call_tool("size", {"spec": save["spec"]}),
                await client.call_tool("size", {"spec": declined}),
                await client.call_tool("save", save),
                await client.call_tool("save", save),
            ]

    sized, refused, first, second = apart.run(talk())
    with closing(AudienceService.open(world_settings(own_workspace.path))) as service:
        assert sized.structured_content == content(service.size(SPEC), SizeEstimate)
        kept = service.list_audiences()
    assert "pregnan" in text(refused)
    assert [content(each, SavedAudience) for each in kept] == [first.structured_content] == [second.structured_content]


@pytest.mark.slow
def test_without_a_model_a_call_says_what_to_run(tmp_path: Path) -> None:
    async def talk() -> CallToolResult:
        async with Client(command(tmp_path / "nothing")) as client:
            return await client.call_tool("describe_data")

    assert "audience demo" in text(apart.run(talk()))


@pytest.mark.slow
def test_nothing_but_the_protocol_is_on_standard_output(own_workspace: Workspace) -> None:
    start = command(own_workspace.path)
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "describe_data", "arguments": {}}},
    ]
    with Popen([start.command, *start.args], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=start.env, text=True) as server:
        assert server.stdin
        assert server.stdout
        for message in messages:
            server.stdin.write(json.dumps(message) + "\n")
        server.stdin.flush()
        lines = [server.stdout.readline(), server.stdout.readline()]
        rest, complaints = server.communicate()
    answers = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert [each["id"] for each in answers] == [1, 2]
    assert (server.returncode, complaints) == (0, "")

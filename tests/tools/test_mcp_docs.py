"""docs/mcp.md names every tool as the server lists it."""

from pathlib import Path

import apart
from mcp_types import Tool

from tools.access.gate import Gate
from tools.adcp.tasks import TASKS
from tools.interfaces.mcp.server import make_server
from tools.service import AudienceService
from tools.types import AudienceSpec

PAGE = Path(__file__).parents[2] / "docs" / "mcp.md"


def closed() -> AudienceService:
    raise AssertionError("listing the tools opens nothing")


def anything_goes(spec: AudienceSpec) -> None:
    """No audience is declined here."""


def row(tool: Tool) -> str:
    assert tool.annotations
    assert tool.description
    changes = "nothing" if tool.annotations.read_only_hint else "adds"
    changes = "replaces" if tool.annotations.destructive_hint else changes
    arguments = ", ".join(f"`{name}`" for name in tool.input_schema["properties"])
    return f"| `{tool.name}` | {arguments} | {changes} | {tool.description.splitlines()[0]} |"


def test_the_page_has_every_tool() -> None:
    tools = apart.run(make_server(closed, anything_goes, Gate(closed)).list_tools())
    head = ["| tool | arguments | changes | what it does |", "|---|---|---|---|"]
    table = PAGE.read_text("utf-8").partition("<!-- tools: begin -->\n")[2].partition("<!-- tools: end -->")[0]
    assert table.splitlines() == [*head, *(row(tool) for tool in tools if tool.name not in TASKS)]

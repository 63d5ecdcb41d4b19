"""The server with its tools: how they are listed, and what becomes of errors."""

from inspect import getdoc
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_REQUEST,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError

from encoders.errors import BROKEN, AudienceError, NotThereError, RequestError
from tools.access.gate import Gate
from tools.adcp.tasks import TASKS, Protocol
from tools.mcp_server.reading import READING, Check, Opened, ReadingTools
from tools.mcp_server.writing import REACHING, REPLACING, WRITING, WritingTools

INSTRUCTIONS = """Finds, sizes, explains and saves audiences: the users of one data set who are likely to do something
next. Nothing is remembered between two calls: give the whole spec, or the name or id of a saved audience, each time.
Begin with describe_data, look up the words with search_groups, write one precise demand, then size it and look at
preview, profile and skew. Ask the person before you call save, combine, export or refresh, and name who said yes.
An error is one sentence that says what to change."""


class AudienceServer(MCPServer[Any]):
    """Answers errors in plain sentences: a caller can act on them, and nothing from inside gets out."""

    def __init__(self, gate: Gate, adcp: Protocol) -> None:
        """Let every call in through ``gate``; the tasks of ``adcp`` are tools, too."""
        super().__init__("audience", title="Audience", instructions=INSTRUCTIONS, log_level="WARNING")
        self._gate, self._adcp = gate, adcp

    async def list_tools(self) -> list[Tool]:
        """The tools of this house, then the tasks of AdCP."""
        return [*await super().list_tools(), *self._adcp.tools()]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: the arguments do not fit, or what was asked cannot be answered; the text says why.
            UnexpectedToolError: a bug.
        """
        if name in TASKS:
            return await self._adcp.call(name, arguments)
        try:
            if name not in READING and name not in WRITING:
                return await self._unknown(name, arguments)
            with self._gate.admitted(name):
                return await self._answer(name, arguments, context)
        except AudienceError as error:
            raise ToolError(str(error)) from error
        except UnexpectedToolError as error:
            raise UnexpectedToolError(BROKEN) from error.__cause__
        except (MCPError, ToolError):
            raise
        except Exception as error:
            raise UnexpectedToolError(BROKEN) from error

    async def _handle_list_tools(
        self, ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        try:
            with self._gate.admitted("list_tools"):
                return await super()._handle_list_tools(ctx, params)
        except AudienceError as error:
            raise MCPError(INVALID_REQUEST, str(error)) from error

    async def _unknown(self, name: str, arguments: dict[str, Any]) -> CallToolResult | InputRequiredResult:
        """Answer that there is no such tool; the audit line does not repeat what was sent."""
        try:
            with self._gate.admitted("unknown_tool"):
                raise NotThereError(name)
        except NotThereError:
            return await self._adcp.call(name, arguments)

    async def _answer(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None
    ) -> CallToolResult | InputRequiredResult:
        """Answer a call that was let in."""
        try:
            await self._only_known(name, arguments)
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, AudienceError):
                raise cause from None
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise RequestError(_misfit(cause)) from cause
            raise

    async def _only_known(self, name: str, arguments: dict[str, Any]) -> None:
        """A misspelt argument that has a default would otherwise go unnoticed."""
        for tool in await self.list_tools():
            if tool.name == name and (unknown := sorted(arguments.keys() - tool.input_schema["properties"].keys())):
                known = ", ".join(tool.input_schema["properties"]) or "none"
                raise RequestError(f"{name} has no argument '{unknown[0][:60]}'; its arguments are: {known}.")


def make_server(opened: Opened, check: Check, gate: Gate) -> AudienceServer:
    """A server over the service that ``opened`` gives; it keeps no state of its own.

    Args:
        opened: asked anew for every call, so that the service may still be opening when the server starts.
        check: asked about every audience before it is looked at or saved.
        gate: asked about every call.
    """
    server = AudienceServer(gate, Protocol(opened, check, gate))
    reading, writing = ReadingTools(opened, check), WritingTools(opened, check)
    for name, title in READING.items():
        hints = ToolAnnotations(title=title, read_only_hint=True, idempotent_hint=True, open_world_hint=False)
        tool = getattr(reading, name)
        server.add_tool(tool, title=title, description=getdoc(tool), annotations=hints)
    for name, title in WRITING.items():
        hints = ToolAnnotations(
            title=title,
            read_only_hint=False,
            destructive_hint=name in REPLACING,
            idempotent_hint=True,
            open_world_hint=name in REACHING,
        )
        tool = getattr(writing, name)
        server.add_tool(tool, title=title, description=getdoc(tool), annotations=hints)
    return server


def _misfit(error: ValidationError) -> str:
    """What does not fit, argument by argument, in one sentence."""
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]) + "."

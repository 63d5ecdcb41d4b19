"""The server over MCP: every operation as a tool, the tasks of AdCP beside them, and the same over HTTP."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_REQUEST,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from encoders.errors import BROKEN, AudienceError, NotThereError, RequestError
from encoders.workspace import Progress
from tools.access.callers import Scope as Right
from tools.access.callers import current
from tools.access.gate import Gate
from tools.interfaces.adcp.tasks import TASKS, Protocol
from tools.interfaces.mcp.answers import INCLUDE, content, parts
from tools.interfaces.mcp.approvals import approved, asks
from tools.interfaces.mcp.examples import with_example
from tools.interfaces.mcp.resources import add_prompts, add_resources
from tools.interfaces.mcp.schemas import input_schema, output_schema, short
from tools.interfaces.mcp.toolsets import ALL, Toolset, chosen, toolset_of
from tools.interfaces.mcp.words import in_words
from tools.interfaces.mcp.working import at_work
from tools.operations.operation import Check, Effect, Interface, Opened, Operation, misfit
from tools.operations.table import offered
from tools.service import AudienceService
from tools.types import AudienceSpec

# --- The server: every operation as a tool, the tasks of AdCP beside them, and what becomes of errors


INSTRUCTIONS = """Finds, sizes, explains and saves audiences: the users of one data set who are likely to do something
next. Nothing is remembered between two calls: give the whole spec (one sentence is enough), or the name or id of a
saved audience, each time. Begin with describe_data, look up the words with search_groups, write one precise demand,
then size it and look at preview. Ask the person before you call save, export or anything else that changes or deletes
something, and name who said yes. An error says what to change, with a call that works."""

_OFFERED = {each.name: each for each in offered(Interface.MCP)}


class AudienceServer(MCPServer[Any]):
    """Answers errors in plain sentences: a caller can act on them, and nothing from inside gets out."""

    def __init__(self, opened: Opened, check: Check, gate: Gate, usual: frozenset[Toolset]) -> None:
        """Let every call in through ``gate``; show the toolsets ``usual`` to whoever asks for none."""
        super().__init__(
            "audience", title="Audience", instructions=INSTRUCTIONS, version=_version(), log_level="WARNING"
        )
        self._opened, self._check, self._gate, self._usual = opened, check, gate, usual
        self._adcp = Protocol(opened, check, gate)

    async def list_tools(self) -> list[Tool]:
        """The tools of the usual toolsets: those of this house, then the tasks of AdCP."""
        return self._tools(self._usual)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool.

        Raises:
            ToolError: the arguments do not fit, or what was asked cannot be answered; the text says why.
            UnexpectedToolError: a bug.
        """
        try:
            toolset, shown = toolset_of(name), chosen(_request(context), self._usual)
            if toolset is None or toolset not in shown:
                return await self._unknown(name, arguments, shown)
            if name in TASKS:
                return await self._adcp.call(name, arguments)
            with self._gate.admitted(name, _OFFERED[name].scope):
                return await self._answer(_OFFERED[name], arguments, context)
        except AudienceError as error:
            raise ToolError(str(error)) from error
        except (MCPError, ToolError):
            raise
        except Exception as error:
            raise UnexpectedToolError(BROKEN) from error

    async def _handle_list_tools(
        self, ctx: ServerRequestContext[Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        try:
            with self._gate.admitted("list_tools", None):
                return ListToolsResult(tools=self._tools(chosen(ctx.request, self._usual)))
        except AudienceError as error:
            raise MCPError(INVALID_REQUEST, str(error)) from error

    def _tools(self, shown: frozenset[Toolset]) -> list[Tool]:
        tasks = (each.model_copy(update={"input_schema": short(each.input_schema)}) for each in self._adcp.tools())
        every = [*(_tool(each) for each in _OFFERED.values()), *tasks]
        return [each for each in every if toolset_of(each.name) in shown]

    async def _unknown(
        self, name: str, arguments: dict[str, Any], shown: frozenset[Toolset]
    ) -> CallToolResult | InputRequiredResult:
        """Answer that there is no such tool; the audit line does not repeat what was sent."""
        try:
            with self._gate.admitted("unknown_tool", None):
                raise NotThereError(self._missing(name, shown))
        except NotThereError as error:
            if toolset_of(name) is not None or Toolset.ADCP not in shown:
                raise
            found = await self._adcp.call(name, arguments)  # a code of the protocol, too, for those who speak it
            return found.model_copy(update={"content": [TextContent(type="text", text=str(error))]})

    def _missing(self, name: str, shown: frozenset[Toolset]) -> str:
        """Why a tool is not there, and which are."""
        toolset, have = toolset_of(name), ",".join(sorted(shown))
        if toolset is not None:
            more = f"{have},{toolset}"
            return f"'{name}' is in the toolset '{toolset}'; this connection has {have}: ask with ?toolsets={more}"
        there = [each.name for each in self._tools(shown)]
        alike = get_close_matches(name, there, 1)
        hint = f"did you mean '{alike[0]}'?" if alike else f"there are: {', '.join(there)}."
        return f"There is no tool '{name[:60]}' here; {hint}"

    async def _answer(
        self, operation: Operation, arguments: dict[str, Any], context: Context[Any, Any] | None
    ) -> CallToolResult | InputRequiredResult:
        """Answer a call that was let in."""
        try:
            given, include = _given(operation, arguments)
        except RequestError as error:
            raise RequestError(await self._with_example(str(error), operation)) from error

        asking = asks(operation, context)
        await at_work(None, operation.title, lambda _: operation.allowed(given, self._check, self._opened, asking))
        asked = await approved(operation, given, context)
        if isinstance(asked, InputRequiredResult):
            return asked

        def work(progress: Progress) -> Any:
            handed = {"progress": progress} if operation.takes_long else {}
            return operation.answer(self._opened(), asked, **handed)

        found = await at_work(context, operation.title, work, at_once=operation.takes_long)
        return CallToolResult(
            content=[TextContent(type="text", text=in_words(found, include))],
            structured_content=content(found, operation.output, include),
        )

    async def _with_example(self, said: str, operation: Operation) -> str:
        """What is wrong, and a call that works, as far as the caller may see what it is made from."""

        def service() -> AudienceService:
            if not all(current().may(each) for each in (Right.READ, Right.PREVIEW)):
                raise RequestError("The example of the documentation has to do.")
            return self._opened()

        return await at_work(None, operation.title, lambda _: with_example(said, operation, service))


def make_server(opened: Opened, check: Check, gate: Gate, usual: frozenset[Toolset] = ALL) -> AudienceServer:
    """A server over the service that ``opened`` gives; it keeps no state of its own.

    Args:
        opened: asked anew for every call, so that the service may still be opening when the server starts.
        check: asked about every audience before it is looked at or saved.
        gate: asked about every call.
        usual: the toolsets of a connection that asks for none.
    """
    server = AudienceServer(opened, check, gate, usual)
    add_resources(server, opened, gate)
    add_prompts(server)
    return server


def _version() -> str:
    try:
        return version("audience-targeting")
    except PackageNotFoundError:  # run from a folder that nobody installed
        return ""


def _request(context: Context[Any, Any] | None) -> Any:
    """The HTTP request that a call came with; None where it came another way."""
    try:
        return context.request_context.request if context is not None else None
    except ValueError:
        return None


def _tool(operation: Operation) -> Tool:
    """An operation as it is listed."""
    reads = operation.effect is Effect.READ
    return Tool(
        name=operation.name,
        title=operation.title,
        description=operation.description,
        input_schema=input_schema(operation),
        output_schema=output_schema(operation),
        annotations=ToolAnnotations(
            read_only_hint=reads,
            destructive_hint=None if reads else operation.effect.destructive,
            idempotent_hint=True,
            open_world_hint=operation.effect is Effect.SEND,
        ),
    )


def _given(operation: Operation, arguments: dict[str, Any]) -> tuple[BaseModel, list[str]]:
    """The input of an operation, and the parts of its answer that are asked for.

    Raises:
        RequestError: the arguments do not fit.
    """
    known, on_request = operation.input.model_fields, parts(operation.output)
    given = dict(arguments)
    include = given.pop(INCLUDE, None) or [] if on_request else []
    if not isinstance(include, list) or any(each not in on_request for each in include):
        raise RequestError(f"{INCLUDE}: a list of {', '.join(on_request)}.")
    if unknown := sorted(given.keys() - known.keys()):
        # A misspelt argument that has a default would otherwise go unnoticed.
        takes = ", ".join([*known, *([INCLUDE] if on_request else [])]) or "none"
        in_spec = unknown[0] in AudienceSpec.model_fields and "spec" in known
        inside = f" '{unknown[0]}' is a part of 'spec'." if in_spec else ""
        raise RequestError(f"{operation.name} has no argument '{unknown[0][:60]}'; its arguments are: {takes}.{inside}")
    try:
        return operation.input.model_validate(given), include
    except ValidationError as error:
        raise RequestError(misfit(error)) from error


# --- The server over HTTP: as a stream, or in one piece for callers that take nothing else than JSON


class OverHttp:
    """Two servers over the same service, which keep nothing, and the request decides which of them answers."""

    def __init__(self, make: Callable[[], AudienceServer]) -> None:
        """Make both from a server that may be made twice; hosts and origins are checked by the gate in front."""
        self._servers = (make(), make())
        streaming, plain = self._servers
        checked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._streaming = streaming.streamable_http_app(stateless_http=True, transport_security=checked)
        self._plain = plain.streamable_http_app(stateless_http=True, transport_security=checked, json_response=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: in one piece where only JSON is accepted, otherwise as the protocol wants it."""
        accepted = Headers(scope=scope).get("accept", "")
        json_alone = "application/json" in accepted and "text/event-stream" not in accepted
        await (self._plain if json_alone else self._streaming)(scope, receive, send)

    @property
    def route(self) -> BaseRoute:
        """Where it answers: at /mcp without a slash at the end, which a mounted app would ask for."""
        return Route("/mcp", endpoint=self)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let requests in as long as the block lasts."""
        async with AsyncExitStack() as stack:
            for server in self._servers:
                await stack.enter_async_context(server.session_manager.run())
            yield

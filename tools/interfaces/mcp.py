"""The operations over MCP: every operation as a tool, the tasks of AdCP beside them, and the server over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from inspect import Parameter
from itertools import count
from typing import Any, TypeVar

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
    Tool,
    ToolAnnotations,
)
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from encoders.errors import BROKEN, AudienceError, NotThereError, RequestError
from encoders.workspace import Progress
from tools.access.gate import Gate
from tools.interfaces.adcp.tasks import TASKS, Protocol
from tools.operations.operation import Check, Effect, Interface, Opened, Operation, misfit
from tools.operations.table import offered

# --- The server: every operation as a tool, the tasks of AdCP beside them, and what becomes of errors


INSTRUCTIONS = """Finds, sizes, explains and saves audiences: the users of one data set who are likely to do something
next. Nothing is remembered between two calls: give the whole spec, or the name or id of a saved audience, each time.
Begin with describe_data, look up the words with search_groups, write one precise demand, then size it and look at
preview, profile and skew. Ask the person before you call save, combine, export, refresh or anything that deletes, and
name who said yes. An error is one sentence that says what to change."""

_OFFERED = {each.name: each for each in offered(Interface.MCP)}
_EVERY = 1.0
"""Seconds between two signs of life of a long call."""

Done = TypeVar("Done")


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
            if name not in _OFFERED:
                return await self._unknown(name, arguments)
            with self._gate.admitted(name, _OFFERED[name].scope):
                return await self._answer(_OFFERED[name], arguments, context)
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
            with self._gate.admitted("list_tools", None):
                return await super()._handle_list_tools(ctx, params)
        except AudienceError as error:
            raise MCPError(INVALID_REQUEST, str(error)) from error

    async def _unknown(self, name: str, arguments: dict[str, Any]) -> CallToolResult | InputRequiredResult:
        """Answer that there is no such tool; the audit line does not repeat what was sent."""
        try:
            with self._gate.admitted("unknown_tool", None):
                raise NotThereError(name)
        except NotThereError:
            return await self._adcp.call(name, arguments)

    async def _answer(
        self, operation: Operation, arguments: dict[str, Any], context: Context[Any, Any] | None
    ) -> CallToolResult | InputRequiredResult:
        """Answer a call that was let in."""
        known = operation.input.model_fields
        if unknown := sorted(arguments.keys() - known.keys()):
            # A misspelt argument that has a default would otherwise go unnoticed.
            takes = ", ".join(known) or "none"
            raise RequestError(f"{operation.name} has no argument '{unknown[0][:60]}'; its arguments are: {takes}.")
        try:
            return await super().call_tool(operation.name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, AudienceError):
                raise cause from None
            if isinstance(cause, ValidationError) and not isinstance(error, UnexpectedToolError):
                raise RequestError(misfit(cause)) from cause
            raise


def make_server(opened: Opened, check: Check, gate: Gate) -> AudienceServer:
    """A server over the service that ``opened`` gives; it keeps no state of its own.

    Args:
        opened: asked anew for every call, so that the service may still be opening when the server starts.
        check: asked about every audience before it is looked at or saved.
        gate: asked about every call.
    """
    server = AudienceServer(gate, Protocol(opened, check, gate))
    for operation in _OFFERED.values():
        hints = ToolAnnotations(
            title=operation.title,
            read_only_hint=operation.effect is Effect.READ,
            destructive_hint=None if operation.effect is Effect.READ else operation.effect.destructive,
            idempotent_hint=True,
            open_world_hint=operation.effect is Effect.SEND,
        )
        server.add_tool(
            (_long_tool if operation.takes_long else _tool)(operation, opened, check),
            name=operation.name,
            title=operation.title,
            description=operation.description,
            annotations=hints,
        )
    return server


def _tool(operation: Operation, opened: Opened, check: Check) -> Callable[..., Any]:
    """A function that the server can read the arguments from, and calls in a thread."""

    def answer(**arguments: Any) -> Any:
        given = operation.input.model_validate(arguments)
        return operation.answer(operation.allowed(given, check, opened), given)

    return _named(answer, operation)


def _long_tool(operation: Operation, opened: Opened, check: Check) -> Callable[..., Any]:
    """The same for an operation that takes long and tells how far it is."""

    async def answer(context: Context[Any, Any], **arguments: Any) -> Any:
        given = operation.input.model_validate(arguments)

        def work(progress: Progress) -> Any:
            return operation.answer(operation.allowed(given, check, opened), given, progress=progress)

        return await _telling(context, operation.title, work)

    return _named(answer, operation, Parameter("context", Parameter.KEYWORD_ONLY, annotation=Context[Any, Any]))


def _named(answer: Callable[..., Any], operation: Operation, *more: Parameter) -> Callable[..., Any]:
    answer.__name__ = operation.name
    answer.__signature__ = operation.signature(*more)  # type: ignore[attr-defined]
    return answer


async def _telling(context: Context[Any, Any], title: str, work: Callable[[Progress], Done]) -> Done:
    """Do the work in a thread, with a sign of life now and every second: the seconds so far, and what it does."""
    doing = title
    await context.report_progress(0, message=doing)

    def note(description: str, fraction: float | None = None, /) -> None:
        nonlocal doing
        doing = description

    async def go_on() -> None:
        for seconds in count(1):
            await asyncio.sleep(_EVERY)
            await context.report_progress(seconds * _EVERY, message=doing)

    telling = asyncio.create_task(go_on())
    try:
        return await asyncio.to_thread(work, note)
    finally:
        telling.cancel()


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

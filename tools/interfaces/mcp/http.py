"""The server over HTTP: as a stream, or in one piece for callers that take nothing else than JSON."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tools.interfaces.mcp.server import AudienceServer


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

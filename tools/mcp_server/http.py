"""The server over HTTP: as a stream, or in one piece for callers that take nothing else than JSON."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tools.mcp_server.server import AudienceServer


class OverHttp:
    """Two servers over the same service, which keep nothing, and the request decides which of them answers."""

    def __init__(self, make: Callable[[], AudienceServer], host: str) -> None:
        """Make both.

        Args:
            make: a server that may be made twice.
            host: the address that is listened on; on a loopback address, other hosts and origins are turned away.
        """
        self._servers = (make(), make())
        streaming, plain = self._servers
        self._streaming = streaming.streamable_http_app(stateless_http=True, host=host)
        self._plain = plain.streamable_http_app(stateless_http=True, host=host, json_response=True)

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

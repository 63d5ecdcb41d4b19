"""How the app is served: connections that do not say what they want in time are closed, and so are too many."""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tools.bounds import CONNECTIONS, HEADER_BYTES, HEADER_SECONDS


class _BoundedConnection(h11.Connection):
    """Refuses headers that are too long however they arrive; h11 looks only while the end of them is missing."""

    def next_event(self) -> Any:
        """The next part of a request.

        Raises:
            RemoteProtocolError: it is none, or its headers are too long.
        """
        if self.their_state is not h11.IDLE:
            return super().next_event()
        before = len(self.trailing_data[0])
        event = super().next_event()
        if isinstance(event, h11.Request) and before - len(self.trailing_data[0]) > HEADER_BYTES:
            raise h11.RemoteProtocolError(f"The headers have more than {HEADER_BYTES:,} bytes", error_status_hint=431)
        return event


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with limits on headers that uvicorn has not: a time, and a size that always holds."""

    _waiting: asyncio.TimerHandle | None = None

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Read what arrives with bounds."""
        super().__init__(*arguments, **more)
        self.conn = _BoundedConnection(h11.SERVER, HEADER_BYTES)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the headers, or close one connection too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request in; the wait is over once its headers are whole."""
        super().data_received(data)
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.transport.is_closing():
            self._stop_waiting()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def configured(app: Callable[..., Any] | str, **more: Any) -> uvicorn.Config:
    """The server of an app that is made by a factory; no header of a proxy is believed, and no WebSocket is opened."""
    return uvicorn.Config(
        app,
        factory=True,
        http=BoundedProtocol,
        ws="none",
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        **more,
    )

"""How the app is served: connections that do not say what they want in time are closed, and so are too many."""

import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tools.bounds import CONNECTIONS, HEADER_BYTES, HEADER_SECONDS


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for the headers, which uvicorn has not; idle connections it closes by itself."""

    _waiting: asyncio.TimerHandle | None = None

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
        http=TimedProtocol,
        ws="none",
        log_level="warning",
        h11_max_incomplete_event_size=HEADER_BYTES,
        proxy_headers=False,
        server_header=False,
        **more,
    )

"""How much a request may carry. The limit that FastAPI has answers in plain text, and everything here is a problem."""

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 4_000_000
"""Of the body of a request; an outcome file of the largest allowed length fits in."""


class BodyLimit:
    """Middleware that stops to read where a body gets too long, whatever length it was announced with."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what is read of it."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise HTTPException(413, f"A request may carry {MOST_BYTES:,} bytes; send less at once.")
            return message

        await self.app(scope, counted, send)

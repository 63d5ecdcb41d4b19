"""The body of a request, read within its bounds; and requests that are refused."""

import asyncio
import re
from http import HTTPStatus

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive

from tools.access.routes import BodyKind
from tools.bounds import JSON_DEPTH

BEARER = {"WWW-Authenticate": 'Bearer realm="audience"'}
BASIC = {"WWW-Authenticate": 'Basic realm="audience", charset="UTF-8"'}
"""Has a browser ask for the token in its own window."""


class RefusedError(Exception):
    """A request is not answered; whatever is behind the gate may raise it as long as no answer has begun."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        """Say why, in one sentence with the remedy."""
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}

    def response(self, as_problem: bool) -> Response:
        """The answer: problem details (RFC 9457) for programs, plain text for a browser window."""
        headers = self.headers | {"Cache-Control": "no-store"}
        if not as_problem:
            return PlainTextResponse(self.detail, self.status, headers)
        title = HTTPStatus(self.status).phrase
        problem = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return JSONResponse(problem, self.status, headers, media_type="application/problem+json")


_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""Strings of JSON, one that is not closed included, so that each byte is looked at once."""
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class Body:
    """Reads the body of one request; an ASGI ``receive`` that refuses what is too much."""

    def __init__(self, receive: Receive, carries: BodyKind, declared: str | None) -> None:
        """Begin to read.

        Args:
            receive: gives the parts.
            carries: what the request may carry.
            declared: the header Content-Length.

        Raises:
            RefusedError: the length that is declared is none, or too much.
        """
        self._receive, self._carries = receive, carries
        self._read = 0
        self.ended = False
        """Nothing more comes."""
        self._until = asyncio.get_running_loop().time() + carries.seconds
        self._whole: bytes | None = None
        if declared is not None and not re.fullmatch(r"[0-9]{1,18}", declared):
            raise RefusedError(400, "The header Content-Length is no number.")
        if declared is not None and int(declared) > carries.most_bytes:
            raise self._too_long()

    async def __call__(self) -> Message:
        """The next part.

        Raises:
            RefusedError: there is too much of it, or it takes too long.
        """
        if self._whole is not None:
            whole, self._whole = self._whole, None
            return {"type": "http.request", "body": whole, "more_body": False}
        # Where nothing may be carried, there is nothing to wait for but the end of the connection.
        nothing = self.ended or self._carries is BodyKind.NOTHING
        return self._counted(await self._receive()) if nothing else await self._next()

    async def read_json(self) -> None:
        """Read all of it, so that the app has it in one piece.

        Raises:
            RefusedError: as a part is refused, or lists and objects are nested too deeply.
        """
        parts = []
        while not self.ended:
            parts.append((await self._next()).get("body", b""))
        self._whole = b"".join(parts)
        if is_deep(self._whole):
            raise RefusedError(400, f"The JSON is nested more than {JSON_DEPTH} levels deep; send it flatter.")

    async def _next(self) -> Message:
        left = self._until - asyncio.get_running_loop().time()
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except TimeoutError:
            raise RefusedError(408, f"The body did not arrive within {self._carries.seconds:.0f} seconds.") from None
        return self._counted(message)

    def _counted(self, message: Message) -> Message:
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)
        self._read += len(message.get("body", b""))
        if self._read > self._carries.most_bytes:
            raise self._too_long()
        return message

    def _too_long(self) -> RefusedError:
        return RefusedError(413, f"A request to this path may carry {self._carries.most_bytes:,} bytes; send less.")


def is_deep(body: bytes) -> bool:
    """Whether brackets outside of strings are nested deeper than JSON_DEPTH.

    Each round removes the innermost pairs, so the time is in proportion to the length, whatever is in it. What is no
    JSON is left to whoever reads it, unless more brackets than that stay open.
    """
    brackets = _STRINGS.sub(b"", body).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(JSON_DEPTH):
        if b"[]" not in brackets:
            return brackets.count(b"[") > JSON_DEPTH
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)

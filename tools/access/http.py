"""Tokens on HTTP: who calls, found out once for every request, before anything else reads it.

Agents send ``Authorization: Bearer TOKEN``. Where the page needs a token too, which it does on a public address, the
browser asks for it in its own window (HTTP Basic: any name, the token as password).
"""

import base64
import binascii
from ipaddress import ip_address

from starlette.datastructures import URL, Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from encoders.errors import UnknownTokenError
from tools.access.caller import OWNER, Caller, acting_as
from tools.access.caller import Scope as Right
from tools.access.tokens import Tokens

OPEN = frozenset({"/healthz"})
"""Paths anybody may ask for."""

_NEEDED = "A token is needed: send it as 'Authorization: Bearer TOKEN'. 'audience token create' makes one."
_OTHER_NAME = "Without a token, this machine answers to its own names alone, such as 127.0.0.1."
_NOT_HERE = "This token is not for the page, which is the owner's: it needs the scope 'admin' and no tenant."


def is_public(host: str) -> bool:
    """Whether an address to listen on can be reached from other machines; a name other than 'localhost' counts so."""
    if host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


class Bearer:
    """Middleware that lets nobody in without a token where one is needed; plain ASGI, so that streams stay streams."""

    def __init__(self, app: ASGIApp, tokens: Tokens, public: bool, doors: tuple[str, ...]) -> None:
        """Guard an app.

        Args:
            app: what is guarded.
            tokens: where the tokens are.
            public: the app listens on an address that others can reach, so a token is needed everywhere.
            doors: beginnings of the paths that agents use; there a token is needed as soon as there is one at all.
        """
        self._app, self._tokens, self._public, self._doors = app, tokens, public, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who calls and pass the request on, or answer 401."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        agents = any(scope["path"] == door or scope["path"].startswith(f"{door}/") for door in self._doors)
        # A web page elsewhere may have its own name lead to this machine; it is then no caller from here.
        elsewhere = agents and is_public(URL(scope=scope).hostname or "")
        caller = self._caller(Headers(scope=scope).get("authorization", ""), agents, elsewhere)
        if isinstance(caller, Caller):
            with acting_as(caller):
                await self._app(scope, receive, send)
        else:
            await caller(scope, receive, send)

    def _caller(self, authorization: str, agents: bool, elsewhere: bool) -> Caller | Response:
        scheme, _, given = authorization.partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else ""
        if not agents and scheme.lower() == "basic":
            token = _password(given)
        if not authorization and not self._public and not (agents and self._tokens.any()):
            return _problem(421, "Misdirected Request", _OTHER_NAME) if elsewhere else OWNER
        if not agents and not self._public:
            return OWNER
        try:
            caller = self._tokens.caller(token)
        except UnknownTokenError as error:
            return _refusal(str(error) if token else _NEEDED, agents)
        owns = caller.may(Right.ADMIN) and not caller.tenant
        return caller if agents or owns else _refusal(_NOT_HERE, agents)


def _password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _refusal(detail: str, agents: bool) -> Response:
    if not agents:
        headers = {"WWW-Authenticate": 'Basic realm="audience", charset="UTF-8"'}
        return PlainTextResponse(detail, 401, headers)
    return _problem(401, "Unauthorized", detail, {"WWW-Authenticate": 'Bearer realm="audience"'})


def _problem(status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> Response:
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(problem, status, headers, media_type="application/problem+json")

"""The gate in front of every path: plain ASGI, so that streams stay streams; and how the app is served."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple

import h11
import uvicorn
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from encoders.errors import UnknownTokenError, WorkspaceError
from tools.access.callers import OWNER, Caller, GatedRequest, Tokens, acting_as
from tools.access.callers import Scope as Right
from tools.access.gate import UNKNOWN, CallLimits, RequestAudit
from tools.access.names import Names, Origin, is_public, read_origin
from tools.access.routes import BASIC, BEARER, RULES, Admission, Body, BodyKind, PathRule, RefusedError, rule_for
from tools.bounds import CONNECTIONS, HEADER_BYTES, HEADER_SECONDS

# --- The gate in front of every path: plain ASGI, so that streams stay streams --------------------
#
# In this order: is the name ours, does the request come from our own page or from no page at all, who calls, may they
# come in at this path, were too many of their requests refused, and is the body within its bounds. What is turned away
# leaves an audit line. Agents send ``Authorization: Bearer TOKEN``. Where the page needs a token too, which it does on
# a public address or behind a proxy, the browser asks for it in its own window (HTTP Basic: any name, the token as
# password).


__all__ = ["HttpGate", "configured", "is_public"]

_NEEDED = "A token is needed: send it as 'Authorization: Bearer TOKEN'. 'audience token create' makes one."
REQUESTS_PER_CALL = 4
"""So many requests of any kind a token may send for each call that it may make within a minute."""

_OTHER_NAME = (
    "This app does not answer to that name; take 127.0.0.1 at this machine, or set AUDIENCE_HOSTS to the names it has."
)
_OTHER_PAGE = "Requests of other web pages are not answered; open the page of this app itself."
_NOT_HERE = "This token is not for the page, which is the owner's: it needs the scope 'admin' and no tenant."
_NOT_THERE = "There is no such path."
_TWO_LENGTHS = "The request has both Content-Length and Transfer-Encoding; send one of them."

_OF_PROXIES = frozenset(
    {"forwarded", "via", "x-real-ip", "x-original-url", "x-original-host", "x-rewrite-url", "x-gradio-server"}
)
"""Headers that only somebody between a browser and this app sends, and those that begin with x-forwarded-."""
_OF_FILES = {"GET": "download", "HEAD": "look up"}
"""What the audit calls it where a file of users is answered, by method."""
_OUR_PAGE = ("same-origin", "none")

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class HttpGate:
    """Middleware that decides on every request before the app behind it sees anything of it."""

    def __init__(
        self,
        app: ASGIApp,
        tokens: Tokens,
        names: Names,
        trail: RequestAudit,
        limits: CallLimits,
        rules: Sequence[PathRule] = RULES,
    ) -> None:
        """Guard an app.

        Args:
            app: what is guarded.
            tokens: where the tokens are.
            names: what the app is called.
            trail: where audit lines go.
            limits: how often tokens call.
            rules: who comes in at which path.
        """
        self._app, self._tokens, self._names = app, tokens, names
        self._trail, self._limits, self._rules = trail, limits, rules
        self._threads: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule = rule_for(scope["path"], self._rules)
        visit = _RequestState(rule)
        try:
            await self._admit(visit, scope, receive, send)
        except RefusedError as refused:
            if visit.begun:
                raise
            visit.status = refused.status
            if _has_body(Headers(scope=scope)) and not (visit.body and visit.body.ended):
                refused.headers["Connection"] = "close"  # or the server would go on to read what nobody wants
            as_problem = rule.door is Admission.AGENTS or rule.carries is not BodyKind.NOTHING
            await refused.response(as_problem)(scope, receive, send)
        finally:
            await self._settle(visit)

    async def _admit(self, visit: "_RequestState", scope: Scope, receive: Receive, send: Send) -> None:
        headers, rule = Headers(scope=scope), visit.rule
        if "content-length" in headers and "transfer-encoding" in headers:  # a proxy may have read the other one
            raise RefusedError(400, _TWO_LENGTHS, {"Connection": "close"})
        origin = self._own_name(headers, scope)
        _from_our_page(headers, scope["method"], origin)
        visit.caller = self._caller(headers, rule, origin)
        await self._not_too_often(visit.caller)
        if rule.door is Admission.NOBODY:
            raise RefusedError(404, _NOT_THERE)
        if scope["method"] not in rule.methods:
            raise RefusedError(405, f"This path takes {_listed(rule.methods)} alone.", {"Allow": _listed(rule.methods)})
        body = visit.body = Body(receive, rule.carries, headers.get("content-length"))
        if rule.carries is BodyKind.JSON:
            await body.read_json()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                if rule.leaves and visit.status < 300 and scope["method"] in _OF_FILES:
                    await self._leaves(visit.caller, _OF_FILES[scope["method"]], scope["path"])
                visit.begun = True
            await send(message)

        with acting_as(visit.caller, visit.request):
            await self._app(_cleaned(scope, origin), body, watched)

    # --- one question each ------------------------------------------------------------------------

    def _own_name(self, headers: Headers, scope: Scope) -> Origin:
        hosts = headers.getlist("host")
        local_address = (scope.get("server") or ("",))[0]
        origin = self._names.origin(hosts[0], local_address) if len(hosts) == 1 else None
        if origin is None:
            raise RefusedError(421, _OTHER_NAME)
        return origin

    def _caller(self, headers: Headers, rule: PathRule, origin: Origin) -> Caller:
        if rule.door is Admission.ANYBODY:
            return UNKNOWN
        agents = rule.door is Admission.AGENTS
        authorization = headers.get("authorization", "")
        # A proxy at this machine lets others in under our own names.
        elsewhere = self._names.public or is_public(origin.name) or any(map(_of_proxy, headers.keys()))
        if not authorization and not elsewhere and not (agents and self._tokens.needed()):
            return OWNER
        try:
            caller = self._tokens.caller(_token(authorization, agents))
        except UnknownTokenError as error:
            detail = str(error) if authorization else _NEEDED
            raise RefusedError(401, detail, BEARER if agents else BASIC) from error
        if not agents and not (caller.may(Right.ADMIN) and not caller.tenant):
            raise RefusedError(401, _NOT_HERE, BASIC)
        return caller

    async def _not_too_often(self, caller: Caller) -> None:
        """Not every request is a call: messages of protocols about themselves are none."""
        if caller.per_minute is not None:
            most = REQUESTS_PER_CALL * caller.per_minute
            if wait := await self._apart(self._limits.hit, f"{caller.name} requests", most):
                detail = f"This token may send {most} requests a minute; send the next one in {wait} seconds."
                raise RefusedError(429, detail, {"Retry-After": str(wait)})
            wait = await self._apart(self._limits.wait, _refused(caller), caller.per_minute)
            if wait:
                detail = f"Too many requests of this token were refused; send the next one in {wait} seconds."
                raise RefusedError(429, detail, {"Retry-After": str(wait)})

    # --- what is written down -----------------------------------------------------------------------

    async def _leaves(self, caller: Caller, action: str, path: str) -> None:
        """Write that a file leaves, or what is known about it, before the first byte does."""
        try:
            await self._apart(self._trail.write, caller, action, {"file": path.rpartition("/")[2]})
        except WorkspaceError as error:
            raise RefusedError(503, str(error)) from error

    async def _settle(self, visit: "_RequestState") -> None:
        """Write down what was refused, unless the gate of the operation has done so, or it is a picture of the page."""
        of_page = visit.begun and visit.rule.door is Admission.OWNER and not visit.rule.leaves
        if not 400 <= visit.status < 500 or visit.request.audited or (of_page and visit.status == 404):
            return
        self._trail.refused(visit.caller, visit.status, visit.rule.path or "other")
        if visit.caller.per_minute is not None and visit.status != 429:
            await self._apart(self._limits.hit, _refused(visit.caller), visit.caller.per_minute)

    async def _apart(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Read or write in a thread, and never wait behind those that compute."""
        if self._threads is None:
            self._threads = CapacityLimiter(4)
        return await to_thread.run_sync(work, *arguments, limiter=self._threads)


class _RequestState:
    """What is known of a request so far."""

    def __init__(self, rule: PathRule) -> None:
        self.rule = rule
        self.caller = UNKNOWN
        self.request = GatedRequest()
        self.body: Body | None = None
        self.status = 500
        self.begun = False
        """The app began to answer."""


def _from_our_page(headers: Headers, method: str, ours: Origin) -> None:
    """Refuse what another web page has a browser send; programs that are no browser send neither header."""
    if any(read_origin(each) != ours for each in headers.getlist("origin")):
        raise RefusedError(403, _OTHER_PAGE)
    navigates = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    opens_window = method == "GET" and navigates
    if headers.get("sec-fetch-site", "none") not in _OUR_PAGE and not opens_window:
        raise RefusedError(403, _OTHER_PAGE)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _cleaned(scope: Scope, origin: Origin) -> Scope:
    """The request as the app sees it: without what proxies say, and what was looked at already.

    Without an Origin, Gradio does not echo it as one that may read answers with credentials.
    """
    kept = [each for each in scope["headers"] if each[0] != b"origin" and not _of_proxy(each[0].decode("latin-1"))]
    return {**scope, "headers": kept, "scheme": origin.scheme}


def _of_proxy(header: str) -> bool:
    return header in _OF_PROXIES or header.startswith("x-forwarded-")


def _token(authorization: str, agents: bool) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    return _password(given) if scheme.lower() == "basic" and not agents else ""


def _password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _refused(caller: Caller) -> str:
    """Under what the refused requests of a token are counted; no token is called so."""
    return f"{caller.name} refused"


def _listed(methods: frozenset[str]) -> str:
    return ", ".join(sorted(methods))


# --- How the app is served: connections that do not say what they want in time are closed, and so are
#     too many ---


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

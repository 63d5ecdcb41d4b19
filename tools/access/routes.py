"""Who may ask for which path, what a request to it may carry, and its body, read within its bounds."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from re import Pattern

import numpy as np
from anyio import to_thread
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import compile_path
from starlette.types import Message, Receive

from tools.bounds import (
    BODY_SECONDS,
    JSON_BYTES,
    JSON_DEPTH,
    JSON_ELEMENTS,
    JSON_FIELDS,
    JSON_LISTS,
    UPLOAD_BYTES,
    UPLOAD_OVERHEAD,
    UPLOAD_SECONDS,
)

# --- Who may ask for which path, and what a request to it may carry. A path that is not here is not there


class Admission(StrEnum):
    """Who comes in at a path."""

    ANYBODY = "anybody"
    OWNER = "page"
    """The owner of the workspace: at this machine, or with a token 'admin' without a tenant."""
    AGENTS = "agents"
    """Holders of a token; the owner where there never was one."""
    NOBODY = "closed"


class BodyKind(StrEnum):
    """What a request may carry."""

    NOTHING = "nothing"
    JSON = "JSON"
    FILE = "a file"

    @property
    def most_bytes(self) -> int:
        """Bytes of the body."""
        return {BodyKind.NOTHING: 0, BodyKind.JSON: JSON_BYTES, BodyKind.FILE: UPLOAD_BYTES + UPLOAD_OVERHEAD}[self]

    @property
    def seconds(self) -> float:
        """Until the body has arrived."""
        return UPLOAD_SECONDS if self is BodyKind.FILE else BODY_SECONDS


@dataclass(frozen=True)
class PathRule:
    """What holds for one path."""

    path: str
    """As routes are written: '/exports/{name}'."""
    door: Admission
    methods: frozenset[str] = frozenset()
    carries: BodyKind = BodyKind.NOTHING
    leaves: bool = False
    """What is answered is a file of users; the audit says who took it."""
    pattern: Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the path."""
        object.__setattr__(self, "pattern", compile_path(self.path)[0])


READ = frozenset({"GET", "HEAD"})
POST = frozenset({"POST"})
_ALL = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
_GRADIO = "/gradio_api"

_CLOSED = (
    "/svelte/{path:path}",
    "/login",
    "/login/",
    "/logout",
    "/openapi.json",
    "/robots.txt",
    "/pwa_icon",
    "/pwa_icon/{size}",
    "/monitoring",
    "/monitoring/summary",
    "/monitoring/{key}",
    *(
        f"{_GRADIO}/{path}"
        for path in (
            "user",
            "user/",
            "login_check",
            "login_check/",
            "token",
            "token/",
            "dev/reload",
            "runs",
            "runs/",
            "deep_link",
            "info",
            "info/",
            "openapi.json",
            "custom_component/{id}/{environment}/{type}/{file_name}",
            "proxy={url_path:path}",
            "file={path_or_url:path}",
            "file/{path:path}",
            "stream/{event_id}",
            "stream/{event_id}/close",
            "stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
            "stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
            "stream/{session_hash}/{run}/{component_id}/playlist-file",
            "reset",
            "reset/",
            "run/{api_name}",
            "run/{api_name}/",
            "api/{api_name}",
            "api/{api_name}/",
            "call/v2/{api_name}",
            "call/v2/{api_name}/",
            "call/{api_name}",
            "call/{api_name}/",
            "call/v2/{api_name}/{event_id}",
            "call/{api_name}/{event_id}",
            "component_server",
            "component_server/",
            "queue/status",
            "upload_progress",
            "startup-events",
            "theme.css",
            "process_recording",
            "vibe-edit",
            "vibe-edit/",
            "undo-vibe-edit",
            "undo-vibe-edit/",
            "vibe-code",
            "vibe-code/",
            "vibe-starter-queries",
            "vibe-starter-queries/",
        )
    ),
)
"""Paths of Gradio that the page does not use."""

JOIN, DATA, CANCEL, UPLOAD = (f"{_GRADIO}/{path}" for path in ("queue/join", "queue/data", "cancel", "upload"))

PLACES = ("audiences", "results", "data", "settings")
"""Of the page, beside the first."""

RULES: tuple[PathRule, ...] = (
    PathRule("/healthz", Admission.ANYBODY, READ),
    PathRule("/mcp", Admission.AGENTS, _ALL - {"PUT"}, BodyKind.JSON),
    PathRule("/api/exports/{name}", Admission.AGENTS, READ | {"DELETE"}, leaves=True),
    PathRule("/api/{path:path}", Admission.AGENTS, _ALL, BodyKind.JSON),
    PathRule("/exports/{name}", Admission.OWNER, READ, leaves=True),
    *(PathRule(path, Admission.NOBODY) for path in _CLOSED),
    PathRule("/", Admission.OWNER, READ),
    *(PathRule(f"/{place}{slash}", Admission.OWNER, READ) for place in PLACES for slash in ("", "/")),
    PathRule("/config", Admission.OWNER, READ),
    PathRule("/config/", Admission.OWNER, READ),
    PathRule("/theme.css", Admission.OWNER, READ),
    PathRule("/favicon.ico", Admission.OWNER, READ),
    PathRule("/manifest.json", Admission.OWNER, READ),
    PathRule("/static/{path:path}", Admission.OWNER, READ),
    PathRule("/assets/{path:path}", Admission.OWNER, READ),
    PathRule(f"{_GRADIO}/app_id", Admission.OWNER, READ),
    PathRule(f"{_GRADIO}/app_id/", Admission.OWNER, READ),
    PathRule(f"{_GRADIO}/heartbeat/{{session_hash}}", Admission.OWNER, READ),
    PathRule(JOIN, Admission.OWNER, POST, BodyKind.JSON),
    PathRule(DATA, Admission.OWNER, READ),
    PathRule(CANCEL, Admission.OWNER, POST, BodyKind.JSON),
    PathRule(UPLOAD, Admission.OWNER, POST, BodyKind.FILE),
)
"""The first that fits counts."""

UNKNOWN = PathRule("", Admission.NOBODY)
"""What holds for every other path."""


def rule_for(path: str, rules: Sequence[PathRule] = RULES) -> PathRule:
    """The rule of a path."""
    return next((rule for rule in rules if rule.pattern.fullmatch(path)), UNKNOWN)


# --- The body of a request, read within its bounds; and requests that are refused -----------------


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


_ESCAPED_SIGNS = ((b"\\\\", b"__"), (b'\\"', b"__"))
"""Escapes of JSON after which each quote begins or ends a string, and each backslash another escape, as long before."""
_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""An escape that is one half of a character without the other."""
_SMALL = 65_536
"""Bytes of a body that are looked at before a thread would have begun."""
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_QUOTE = ord('"')
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_COUNTED = (
    ((b"[", b"{"), JSON_LISTS, "lists and objects"),
    ((b":",), JSON_FIELDS, "fields"),
    ((b",",), JSON_ELEMENTS, "elements"),
)
"""What is counted in JSON without its strings before it is parsed: marks, how many at most, and what they stand for."""


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
            RefusedError: as a part is refused, or its form is one that no reader behind the gate should meet.
        """
        parts = []
        while not self.ended:
            parts.append((await self._next()).get("body", b""))
        self._whole = b"".join(parts)
        if len(self._whole) > _SMALL:
            why = await to_thread.run_sync(_why_unread, self._whole)
        else:
            why = _why_unread(self._whole)
        if why:
            raise RefusedError(400, why)

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


def _why_unread(body: bytes) -> str:
    """Why no reader behind the gate should meet a JSON body, in a sentence; empty where one may.

    Each byte is looked at some ten times, and never in Python: nobody else waits for long, whatever is in it.
    """
    plain = body
    for escape, signs in _ESCAPED_SIGNS:
        plain = plain.replace(escape, signs)
    if not _is_text(body, plain):
        return "The JSON holds what is no text in UTF-8, such as half a character; send whole ones."
    bare = without_strings(plain)
    for marks, most, called in _COUNTED:
        if sum(map(bare.count, marks)) > most:
            return f"The JSON has more than {most:,} {called}; send less."
    if is_deep(bare):
        return f"The JSON is nested more than {JSON_DEPTH} levels deep; send it flatter."
    return ""


def _is_text(body: bytes, plain: bytes) -> bool:
    """Whether JSON is UTF-8, as RFC 8259 has it, and no escape in it is a lone surrogate.

    Python's own reader takes all of that, and also UTF-16, which it tells by zeros; what it gives then cannot be
    written anywhere.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body and not _HALF.search(plain)


def without_strings(plain: bytes) -> bytes:
    """JSON without its strings, one that is not closed included; escaped quotes are no quotes any more in ``plain``."""
    signs = np.frombuffer(plain, np.uint8)
    quotes = signs == _QUOTE
    inside = np.logical_xor.accumulate(quotes)
    bare: bytes = signs[~(inside | quotes)].tobytes()
    return bare


def is_deep(bare: bytes) -> bool:
    """Whether brackets of JSON without its strings are nested deeper than JSON_DEPTH.

    Each round removes the innermost pairs, so the time is in proportion to the length, whatever is in it. What is no
    JSON is left to whoever reads it, unless more brackets than that stay open.
    """
    brackets = bare.translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(JSON_DEPTH):
        if b"[]" not in brackets:
            return brackets.count(b"[") > JSON_DEPTH
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)

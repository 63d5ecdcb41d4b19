"""Who may ask for which path, and what a request to it may carry. A path that is not here is not there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from re import Pattern

from starlette.routing import compile_path

from tools.bounds import BODY_SECONDS, JSON_BYTES, UPLOAD_BYTES, UPLOAD_OVERHEAD, UPLOAD_SECONDS


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

RULES: tuple[PathRule, ...] = (
    PathRule("/healthz", Admission.ANYBODY, READ),
    PathRule("/mcp", Admission.AGENTS, _ALL - {"PUT"}, BodyKind.JSON),
    PathRule("/api/exports/{name}", Admission.AGENTS, READ | {"DELETE"}, leaves=True),
    PathRule("/api/{path:path}", Admission.AGENTS, _ALL, BodyKind.JSON),
    PathRule("/exports/{name}", Admission.OWNER, READ, leaves=True),
    *(PathRule(path, Admission.NOBODY) for path in _CLOSED),
    PathRule("/", Admission.OWNER, READ),
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

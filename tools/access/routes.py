"""Who may ask for which path, and what a request to it may carry. A path that is not here is not there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from re import Pattern

from starlette.routing import compile_path

from tools.access.bounds import BODY_SECONDS, JSON_BYTES, UPLOAD_BYTES, UPLOAD_OVERHEAD, UPLOAD_SECONDS


class Door(StrEnum):
    """Who comes in at a path."""

    ANYBODY = "anybody"
    OWNER = "page"
    """The owner of the workspace: at this machine, or with a token 'admin' without a tenant."""
    AGENTS = "agents"
    """Holders of a token; the owner where there never was one."""
    NOBODY = "closed"


class Carries(StrEnum):
    """What a request may carry."""

    NOTHING = "nothing"
    JSON = "JSON"
    FILE = "a file"

    @property
    def most_bytes(self) -> int:
        """Bytes of the body."""
        return {Carries.NOTHING: 0, Carries.JSON: JSON_BYTES, Carries.FILE: UPLOAD_BYTES + UPLOAD_OVERHEAD}[self]

    @property
    def seconds(self) -> float:
        """Until the body has arrived."""
        return UPLOAD_SECONDS if self is Carries.FILE else BODY_SECONDS


@dataclass(frozen=True)
class Rule:
    """What holds for one path."""

    path: str
    """As routes are written: '/exports/{name}'."""
    door: Door
    methods: frozenset[str] = frozenset()
    carries: Carries = Carries.NOTHING
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

RULES: tuple[Rule, ...] = (
    Rule("/healthz", Door.ANYBODY, READ),
    Rule("/mcp", Door.AGENTS, _ALL - {"PUT"}, Carries.JSON),
    Rule("/api/exports/{name}", Door.AGENTS, READ | {"DELETE"}, leaves=True),
    Rule("/api/{path:path}", Door.AGENTS, _ALL, Carries.JSON),
    Rule("/exports/{name}", Door.OWNER, READ, leaves=True),
    *(Rule(path, Door.NOBODY) for path in _CLOSED),
    Rule("/", Door.OWNER, READ),
    Rule("/config", Door.OWNER, READ),
    Rule("/config/", Door.OWNER, READ),
    Rule("/theme.css", Door.OWNER, READ),
    Rule("/favicon.ico", Door.OWNER, READ),
    Rule("/manifest.json", Door.OWNER, READ),
    Rule("/static/{path:path}", Door.OWNER, READ),
    Rule("/assets/{path:path}", Door.OWNER, READ),
    Rule(f"{_GRADIO}/app_id", Door.OWNER, READ),
    Rule(f"{_GRADIO}/app_id/", Door.OWNER, READ),
    Rule(f"{_GRADIO}/heartbeat/{{session_hash}}", Door.OWNER, READ),
    Rule(JOIN, Door.OWNER, POST, Carries.JSON),
    Rule(DATA, Door.OWNER, READ),
    Rule(CANCEL, Door.OWNER, POST, Carries.JSON),
    Rule(UPLOAD, Door.OWNER, POST, Carries.FILE),
)
"""The first that fits counts."""

UNKNOWN = Rule("", Door.NOBODY)
"""What holds for every other path."""


def rule_for(path: str, rules: Sequence[Rule] = RULES) -> Rule:
    """The rule of a path."""
    return next((rule for rule in rules if rule.pattern.fullmatch(path)), UNKNOWN)

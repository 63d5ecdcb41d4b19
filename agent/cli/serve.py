"""The conversation and the service: ask, serve, and mcp over standard input and output."""

import os
from contextlib import closing, suppress
from pathlib import Path
from socket import create_server
from threading import Lock, Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.console import Json, open_workspace, progress_bar, show
from agent.steps import DECIDE
from encoders.errors import RequestError, WorkspaceError
from encoders.settings import Settings
from encoders.workspace import Workspace

if TYPE_CHECKING:
    from agent.state import Clarification, Reply
    from encoders.settings import Settings
    from tools.interfaces.mcp.toolsets import Toolset
    from tools.service import AudienceService


def ask(
    request: Annotated[str | None, typer.Argument(help="Whom you want to reach, in your own words.")] = None,
    requests: Annotated[
        Path | None, typer.Option(help='Many requests instead: JSON lines, {"id": "1", "request": "..."}.')
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the answers to --requests go, one JSON line each.")] = None,
    as_json: Json = False,
) -> None:
    """Give the assistant one request, or a file of them; nobody answers its questions."""
    if (request is None) == (requests is None):
        raise RequestError("Say in one argument whom to reach, or name a file of requests with --requests.")
    if (requests is None) != (out is None):
        raise RequestError("--requests and --out go together: a file of requests, and where its answers go.")
    _, settings = open_workspace()
    from agent.batch import answer_file, settle
    from agent.conversation import Conversation
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Thinking")
        with closing(AudienceService.open(settings)) as service, closing(Conversation(service, settings)) as talk:
            service.learn_to_read(progress)
            if requests is not None and out is not None:
                lines, errors = answer_file(talk, requests, out, progress)
            elif request is not None:
                questions, reply = settle(talk, request)
    if request is None:
        show({"requests": lines, "errors": errors}, as_json, lambda: f"{lines} answered in {out}, {errors} errors.")
    else:
        show(_turn(request, questions, reply), as_json, lambda: _in_words(questions, reply))


def serve() -> None:
    """Start the app; AUDIENCE_HOST and AUDIENCE_PORT say where, AUDIENCE_HOSTS names a proxy in front of it.

    Where other machines can reach it, everybody needs a token; 'audience token create' makes one.
    """
    workspace, settings = open_workspace()
    _tokens_where_needed(workspace, settings)
    _shown(settings.toolsets)
    try:
        listening = create_server((settings.host, settings.port))
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise WorkspaceError(
            f"The app cannot listen on {settings.host}:{settings.port} ({reason}); set AUDIENCE_PORT to another number."
        ) from None
    os.environ.setdefault("GRADIO_TEMP_DIR", str(settings.workspace / "gradio"))  # read when gradio is imported
    import uvicorn

    from tools.access.http import configured

    with listening:
        host, port = listening.getsockname()[:2]
        typer.echo(f"The app is at http://{host}:{port} - stop it with Ctrl-C.", err=True)
        config = configured("app_gradio:create_app", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listening])


def _tokens_where_needed(workspace: Workspace, settings: Settings) -> None:
    from tools.access.callers import Tokens
    from tools.access.names import Names

    if not Names(settings.host, settings.hosts).public:
        return
    with Tokens(workspace.tokens) as tokens:
        if not tokens.any():
            reached = settings.hosts or settings.host
            raise RequestError(
                f"{reached} can be reached by other machines, and there is no token that would keep strangers out; "
                "make one with 'audience token create me --scopes admin', or listen on 127.0.0.1 alone."
            )


def _turn(request: str, questions: "list[Clarification]", reply: "Reply") -> dict[str, Any]:
    spec = reply.draft.spec if reply.draft else None
    return {
        "request": request,
        "demand": spec.demand if spec else None,
        "filters": spec.filters if spec else (),
        "behaviours": spec.behaviours if spec else (),
        "assumptions": reply.draft.assumptions if reply.draft else (),
        "questions": questions,
        "size": reply.size,
        "refused": reply.refused,
        "text": reply.text,
        "options": reply.options,
        "talking": reply.talking,
        "usage": reply.usage,
    }


def _in_words(questions: "list[Clarification]", reply: "Reply") -> str:
    asked = [f"(It asked: {each.question} and was told: {DECIDE}.)" for each in questions]
    return "\n".join([*asked, reply.text, *(f"  - {option}" for option in reply.options)])


def _shown(text: str) -> "frozenset[Toolset]":
    """The toolsets that a text names; raises a sentence where there is no such toolset."""
    from tools.interfaces.mcp.toolsets import toolsets

    return toolsets(text)


def mcp(
    toolsets: Annotated[
        str | None,
        typer.Option(help="Tools it shows: core, campaign, adcp, with commas between, or all [AUDIENCE_TOOLSETS]."),
    ] = None,
) -> None:
    """Offer everything to another agent as tools (Model Context Protocol), over standard input and output."""
    workspace, settings = open_workspace()
    shown = _shown(settings.toolsets if toolsets is None else toolsets)
    from agent.guard.verdict import permit
    from tools.access.gate import Gate, RequestAudit
    from tools.interfaces.mcp.server import make_server
    from tools.storage.registry import Registry

    service, trail = (
        LazyAudienceService(settings),
        RequestAudit(lambda tenant: Registry(workspace.of_tenant(tenant).registry)),
    )
    Thread(target=service.warm_up, daemon=True).start()
    try:
        make_server(service, permit, Gate(lambda: trail), shown).run("stdio")
    finally:
        service.close()
        trail.close()


class LazyAudienceService:
    """Opens the service when it is first needed; what failed is tried again, so that it can be mended meanwhile."""

    def __init__(self, settings: "Settings") -> None:
        self._settings = settings
        self._lock = Lock()
        self._service: AudienceService | None = None

    def __call__(self) -> "AudienceService":
        """The service.

        Raises:
            AudienceError: it cannot be opened; the text says which command mends it.
        """
        from tools.service import AudienceService

        with self._lock:
            if self._service is None:
                self._service = AudienceService.open(self._settings)
            return self._service

    def warm_up(self) -> None:
        """Begin to open it, so that the first call waits less; what goes wrong, that call will say."""
        with suppress(Exception):
            self()

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._lock:
            if self._service is not None:
                self._service.close()

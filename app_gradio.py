"""The front door: one ASGI app with the page at /, the tools for other agents at /mcp and the resources at /api.

What is on the page is laid out by ``agent.page.places``.
"""

import asyncio
import signal
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from anyio import to_thread
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from gradio.utils import get_upload_folder

from agent.guard.verdict import permit
from agent.page import look
from agent.page.events import PageEvents
from agent.page.look import ContentSecurityPolicy
from agent.page.places import make_page
from agent.page.state import AppState, LazyService, Uploads
from agent.reopening import ReopeningService, VersionWatch
from encoders.errors import AudienceError
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.access.callers import Tokens, current
from tools.access.gate import FOLDED_SECONDS, CallLimits, Gate, RequestAudit
from tools.access.http import HttpGate
from tools.access.names import Names
from tools.bounds import UPLOAD_BYTES
from tools.interfaces.mcp.server import OverHttp, make_server
from tools.interfaces.mcp.toolsets import toolsets
from tools.interfaces.rest.api import make_api
from tools.problems import problem_of
from tools.storage.registry import Registry
from tools.workers import RetentionTask, WebhookWorker

if TYPE_CHECKING:
    from tools.service import AudienceService

THREADS = 8
"""Calls of agents that are worked on at once: they compute, so more threads would only take turns more often."""


def open_desk() -> AppState:
    """Open the workspace named in the settings; the imports behind it take seconds, so they happen here."""
    from agent.conversation import Conversation
    from tools.service import AudienceService

    service = AudienceService.open(settings())
    service.begin_to_read()
    return AppState(conversation=Conversation(service, settings()), service=service)


def create_app(opener: Callable[[], AppState] = open_desk) -> FastAPI:
    """Build the app; what ``opener`` opens is opened in the background while the page is already there."""
    here = settings()
    opening = ReopeningService(opener, here)
    workspace, names = Workspace(here.workspace), Names(here.host, here.hosts)
    tokens, limits = Tokens(workspace.tokens), CallLimits(workspace.path / "limits.db")
    trail = RequestAudit(lambda tenant: Registry(workspace.of_tenant(tenant).registry))
    uploads = Uploads(Path(get_upload_folder()))

    def service() -> "AudienceService":
        return opening.at_once().service.of(current())

    gate = Gate(lambda: trail, limits)
    shown = toolsets(here.toolsets)
    tools, api = OverHttp(lambda: make_server(service, permit, gate, shown)), make_api(service, permit, gate)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        opening.start()
        to_thread.current_default_thread_limiter().total_tokens = THREADS
        folding = asyncio.create_task(_folding(trail))
        async with tools.running(), api.router.lifespan_context(api):
            with _work_beside(opening):
                yield
        folding.cancel()
        opening.close()
        for each in (uploads, trail, limits, tokens):
            each.close()

    app = FastAPI(title="Audience", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.routes.append(tools.route)
    app.mount("/api", api)

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> dict[str, bool]:
        stale = opening.ready and bool(opening.desk().service.describe_data().notice)
        return {"ready": opening.ready} | ({"newer_data": True} if stale else {})

    @app.api_route("/exports/{name}", methods=["GET", "HEAD"])
    def exported(name: str) -> FileResponse:
        try:
            path = service().exported(name)
        except AudienceError as error:
            raise HTTPException(problem_of(error, "").status, str(error)) from error
        return FileResponse(path, filename=name, headers={"Cache-Control": "private, no-store"})

    blocks = _mounted(app, opening)
    # The last one is the first that a request meets.
    app.add_middleware(PageEvents, blocks=blocks, uploads=uploads, trail=trail)
    app.add_middleware(HttpGate, tokens=tokens, names=names, trail=trail, limits=limits)
    app.add_middleware(ContentSecurityPolicy)
    return app


def _mounted(app: FastAPI, opening: LazyService) -> gr.Blocks:
    """Put the page into the app."""
    blocks = make_page(opening)
    blocks.queue(default_concurrency_limit=8)
    shown = {"theme": look.theme(), "css_paths": look.STYLES, "footer_links": [], "ssr_mode": False}
    with warnings.catch_warnings():  # it says that several places cannot be rendered here, which nobody asked for
        warnings.filterwarnings("ignore", "SSR mode is not supported")
        gr.mount_gradio_app(
            app, blocks, path="/", run_history=False, show_error=False, max_file_size=UPLOAD_BYTES, **shown
        )
    blocks.has_launched = True  # mounting does not say so, and without it Gradio copies any file it is told of
    return blocks


@contextmanager
def _work_beside(opening: ReopeningService) -> Iterator[None]:
    """What is done beside answering: what is old goes, messages are sent, and what is newer is opened."""
    here = opening.settings
    sending = WebhookWorker(here, lambda: opening.desk().service if opening.ready else None)
    watch = VersionWatch(opening, here.watch_seconds)
    with RetentionTask(here), sending, watch, _on_hangup(opening.reopen_soon):
        yield


@contextmanager
def _on_hangup(act: Callable[[], None]) -> Iterator[None]:
    """Act whenever the process gets a SIGHUP, as from ``systemctl reload``; only where the loop may listen for it."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGHUP, act)
    except (RuntimeError, ValueError, NotImplementedError):  # not the main thread, or a system without signals
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _folding(trail: RequestAudit) -> None:
    """Have counts of refusals written down even while nobody comes."""
    while True:
        await asyncio.sleep(FOLDED_SECONDS)
        trail.fold()

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import which
from socket import create_server
from threading import Thread
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect, sync_playwright

from agent.page.state import AppState
from app_gradio import create_app
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.app.browsing import LAPTOP, Serve, Visit
from tests.app.page_doubles import PlantedDesk, make_desk
from tests.planted import world_settings
from tools.access.http import configured
from tools.service import AudienceService

PATIENCE = 90_000
"""How long a page may take to show something, in milliseconds; a busy machine is slow."""

CHROMIUM = which("chromium") or ""
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file: its event loop, which other code may not run in, ends with them."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open a page in a browser of its own; nothing may be asked for elsewhere, and no script may fail."""
    asked: list[str] = []
    faults: list[str] = []
    contexts = []

    def go(address: str, size: tuple[int, int] = LAPTOP) -> Page:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(address)
        return page

    yield go
    for context in contexts:
        context.close()
    elsewhere = [url for url in asked if urlsplit(url).scheme not in {"data", "blob"}]
    assert {urlsplit(url).hostname for url in elsewhere} <= {"127.0.0.1"}
    assert faults == []


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve the page over some desk, in a thread, on a free port; gives its address."""
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path))
    settings.cache_clear()
    running: list[tuple[uvicorn.Server, Thread]] = []

    def start(opener: Callable[[], AppState]) -> str:
        listening = create_server(("127.0.0.1", 0))
        app = partial(create_app, opener)  # made inside the loop of the server: Gradio leaves others open
        server = uvicorn.Server(configured(app, timeout_graceful_shutdown=1))
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(20)
    settings.cache_clear()


@pytest.fixture
def desk(tmp_path: Path) -> PlantedDesk:
    return make_desk(tmp_path / "exports")


@pytest.fixture
def shop(own_workspace: Workspace) -> Iterator[AudienceService]:
    """A service of its own, which can be refreshed."""
    opened = AudienceService.open(world_settings(own_workspace.path))
    yield opened
    opened.close()

"""Every path of the app is decided on: its own, those of the resources, and those of Gradio."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from gradio.routes import App
from starlette.routing import Mount

from app_gradio import create_app
from encoders.settings import settings
from tests import apart
from tests.app.page_doubles import make_desk
from tools.access.routes import RULES, Admission, rule_for
from tools.bounds import UPLOAD_BYTES

pytestmark = pytest.mark.slow

ABOUT = {"/api/openapi.json", "/api/health", "/api/problems"}
"""Resources that say something about the service alone, so that no operation and no scope belongs to them."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path))
    settings.cache_clear()

    async def made() -> FastAPI:
        return create_app(lambda: make_desk(tmp_path))

    yield apart.run(made())  # inside a loop: Gradio leaves others open
    settings.cache_clear()


def walked(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each path below some routes; routers that are included and apps that are mounted are walked as well."""
    for route in routes:
        if hasattr(route, "effective_candidates"):
            for each in route.effective_candidates():
                yield from walked([each], prefix)
        elif isinstance(route, Mount):
            yield from walked(list(route.routes), prefix + route.path)
        else:
            yield prefix + str(route.path), route


def test_every_route_is_decided_on_and_every_decision_is_about_a_route(app: FastAPI) -> None:
    found = dict(walked(list(app.routes)))
    assert {"/gradio_api/queue/join", "/gradio_api/file={path_or_url:path}", "/api/sizes"} <= found.keys()
    of_resources = {path for path in found if path.startswith("/api/")}
    assert {rule_for(path).door for path in of_resources} == {Admission.AGENTS}
    decided = {rule.path for rule in RULES}
    assert found.keys() - of_resources - decided == set(), "Decide in tools/access/routes.py who may ask for these."
    assert decided - found.keys() - {"/api/{path:path}"} == set(), "There are no such routes any more."


def test_every_resource_is_an_operation_with_its_gate(app: FastAPI) -> None:
    for path, route in walked(list(app.routes)):
        if path.startswith("/api/") and path not in ABOUT:
            route = getattr(route, "original_route", route)
            assert isinstance(route, APIRoute)
            names = {getattr(each.dependency, "__qualname__", "") for each in route.dependencies}
            assert "Context.admits.<locals>.admitted" in names, path


def test_gradio_checks_paths_and_sizes_itself_as_a_second_wall(app: FastAPI) -> None:
    [page] = [route.app for route in app.routes if isinstance(route, Mount) and route.path == ""]
    assert isinstance(page, App)
    blocks = page.get_blocks()
    assert blocks.has_launched
    assert blocks.max_file_size == UPLOAD_BYTES
    assert (blocks.allowed_paths, blocks.show_error) == ([], False)


def test_the_first_rule_that_fits_is_the_one_of_the_path() -> None:
    for rule in RULES:
        assert rule_for(rule.path.replace("{", "").replace("}", "")).door is rule.door, rule.path
    for path in ("/healthz/", "/mcp/", "/MCP", "/gradio_api/queue/join/", "/exports/a/b", "/gradio_api", "/x"):
        assert rule_for(path).door is Admission.NOBODY


def test_what_can_be_got_answers_head(app: FastAPI) -> None:
    methods: dict[str, set[str]] = {}
    for path, route in walked(list(app.routes)):
        if path.startswith(("/api/", "/exports/", "/healthz")):
            methods.setdefault(path, set()).update(getattr(route, "original_route", route).methods)
    assert {"/exports/{name}", "/healthz", "/api/health", "/api/exports/{name}"} <= methods.keys()
    assert {path for path, found in methods.items() if "GET" in found and "HEAD" not in found} == set()

"""Who comes in over HTTP: with a token, without one, on a loopback address and on a public one."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tools.access.caller import Scope, current
from tools.access.http import Bearer, is_public
from tools.access.tokens import Tokens


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    with Tokens(tmp_path / "tokens.db") as opened:
        yield opened


def client(tokens: Tokens, public: bool) -> TestClient:
    async def who(_: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{current().name}/{current().tenant}")

    app = Starlette(routes=[Route("/{path:path}", who)])
    return TestClient(Bearer(app, tokens, public, ("/mcp", "/api")), base_url="http://127.0.0.1:7860")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"}


def test_at_this_machine_nobody_needs_a_token_until_there_is_one(tokens: Tokens) -> None:
    here = client(tokens, public=False)
    assert here.get("/mcp").text == "owner/"
    token = tokens.create("agent", [Scope.SIZE], tenant="shop")
    assert here.get("/mcp", headers=bearer(token)).text == "agent/shop"
    refused = here.get("/api/audiences")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json() | {"detail": ""} == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "",
    }
    assert here.get("/").text == "owner/"
    assert here.get("/apis").text == "owner/"
    tokens.revoke("agent")
    assert here.get("/mcp").text == "owner/"


def test_a_web_page_whose_name_leads_here_is_not_the_owner(tokens: Tokens) -> None:
    here = client(tokens, public=False)
    for host in ("evil.test", "evil.test:7860", "192.168.1.5:7860"):
        assert here.get("/api/audiences", headers={"Host": host}).status_code == 421
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860"):
        assert here.get("/api/audiences", headers={"Host": host}).text == "owner/"
    token = tokens.create("agent", [Scope.SIZE])
    assert here.get("/api/audiences", headers=bearer(token) | {"Host": "proxied.test"}).text == "agent/"


def test_a_wrong_token_is_never_overlooked(tokens: Tokens) -> None:
    here = client(tokens, public=False)
    assert here.get("/mcp", headers=bearer("aud_wrong")).status_code == 401
    assert here.get("/mcp", headers={"Authorization": "Bearer"}).status_code == 401
    assert here.get("/mcp", headers=basic(tokens.create("boss", [Scope.ADMIN]))).status_code == 401


def test_on_a_public_address_everything_needs_one(tokens: Tokens) -> None:
    there = client(tokens, public=True)
    agent, boss = tokens.create("agent", [Scope.SIZE]), tokens.create("boss", [Scope.ADMIN])
    assert there.get("/healthz").status_code == 200
    assert [there.get(path).status_code for path in ("/", "/mcp", "/api", "/exports/a.csv")] == [401] * 4
    assert there.get("/").headers["www-authenticate"].startswith("Basic")
    assert there.get("/", headers=basic(boss)).text == "boss/"
    assert there.get("/", headers=basic(agent)).status_code == 401
    rival = tokens.create("rival", [Scope.ADMIN], tenant="rival")
    assert there.get("/", headers=basic(rival)).text.startswith("This token is not for the page")
    assert there.get("/exports/a.csv", headers=bearer(rival)).status_code == 401
    assert there.get("/mcp", headers=bearer(rival)).text == "rival/rival"
    assert there.get("/mcp", headers=bearer(agent)).text == "agent/"
    assert there.get("/", headers={"Authorization": "Basic !!"}).status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_for_this_machine(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.test"])
def test_all_others_can_be_reached(host: str) -> None:
    assert is_public(host)

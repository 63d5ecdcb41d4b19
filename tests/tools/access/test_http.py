"""Who comes in over HTTP: by which name, from which page, with which token, and what leaves a line."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from encoders.errors import RequestError
from tools.access.callers import Caller, Scope, Tokens, current
from tools.access.gate import CallLimits, Details, RequestAudit
from tools.access.http import HttpGate
from tools.access.names import Names, is_public, read_origin
from tools.access.routes import Body, BodyKind
from tools.bounds import JSON_BYTES, JSON_ELEMENTS, JSON_FIELDS, JSON_LISTS, SEEDS
from tools.storage.registry import Registry

HERE = "http://127.0.0.1:7860"


class Lines(RequestAudit):
    """Audit lines that are only remembered."""

    def __init__(self) -> None:
        super().__init__(lambda _: pytest.fail("no registry"))
        self.written: list[tuple[str, str, Details]] = []

    def write(self, caller: Caller, action: str, details: Details) -> None:
        self.written.append((caller.name, action, details))

    def note(self, caller: Caller, action: str, details: Details) -> None:
        self.write(caller, action, details)


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[Tokens]:
    with Tokens(tmp_path / "tokens.db") as opened:
        yield opened


@pytest.fixture
def lines() -> Lines:
    return Lines()


def client(tokens: Tokens, lines: RequestAudit | None = None, host: str = "127.0.0.1", hosts: str = "") -> TestClient:
    async def who(request: Request) -> PlainTextResponse:
        await request.body()
        if request.url.path == "/exports/none.csv":
            return PlainTextResponse("no such file", 404)
        told = [current().name, current().tenant, request.url.scheme, *sorted(request.headers.keys())]
        return PlainTextResponse("/".join(told[:2]), headers={"X-Scheme": told[2], "X-Seen": ",".join(told[3:])})

    app = Starlette(routes=[Route("/{path:path}", who, methods=["GET", "POST", "PUT", "DELETE"])])
    guarded = HttpGate(app, tokens, Names(host, hosts), lines or Lines(), CallLimits())
    return TestClient(guarded, base_url=HERE)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"}


def test_once_there_was_a_token_agents_need_one_for_good(tokens: Tokens, tmp_path: Path) -> None:
    here = client(tokens)
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
    assert here.get("/apis").status_code == here.get("/api").status_code == 404
    tokens.revoke("agent")
    revoked = here.get("/mcp", headers=bearer(token))
    assert (revoked.status_code, revoked.json()["detail"]) == (401, "Invalid or expired token.")
    assert here.get("/mcp").status_code == 401
    for file in tmp_path.glob("tokens.db*"):
        file.unlink()
    with Tokens(tmp_path / "tokens.db") as lost:
        assert client(lost).get("/mcp").status_code == 401


def test_a_workspace_of_an_older_version_that_has_had_tokens_keeps_needing_them(tmp_path: Path) -> None:
    with Tokens(tmp_path / "tokens.db") as old:
        old.create("agent", [Scope.SIZE])
    (tmp_path / "tokens.used").unlink()
    with Tokens(tmp_path / "tokens.db") as opened:
        assert opened.needed()
        assert (tmp_path / "tokens.used").exists()


PATHS = ("/", "/healthz", "/mcp", "/api/audiences", "/exports/a.csv", "/gradio_api/upload", "/config", "/nothing")


@pytest.mark.parametrize("path", PATHS)
def test_a_name_of_others_that_leads_here_is_answered_nowhere(tokens: Tokens, lines: Lines, path: str) -> None:
    here = client(tokens, lines)
    token = tokens.create("boss", [Scope.ADMIN])
    others = [
        "evil.test",
        "evil.test:7860",
        "192.168.1.5:7860",
        "127.0.0.1.evil.test",
        "127.0.0.1@evil.test",
        "",
        "127.1",
        "localhost:99999",
        "127.0.0.1:65536",
    ]
    for host in others:
        for headers in ({}, bearer(token), basic(token)):
            assert here.get(path, headers=headers | {"Host": host}).status_code == 421, host
    assert {line[1:2] for line in lines.written} == {("refused",)}
    for host in ("localhost:7860", "127.0.0.1", "[::1]:7860", "127.0.0.1:80"):
        assert here.get(path, headers=bearer(token) | {"Host": host}).status_code != 421


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.test"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://localhost:7860"},
        {"Origin": "https://127.0.0.1:7860"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
def test_other_web_pages_are_answered_nothing(tokens: Tokens, path: str, headers: dict[str, str]) -> None:
    here = client(tokens)
    for method in ("GET", "POST", "OPTIONS"):
        answer = here.request(method, path, headers=headers | {"Access-Control-Request-Method": "POST"})
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_our_own_page_and_programs_are_answered_and_the_app_sees_no_origin(tokens: Tokens) -> None:
    here = client(tokens)
    ours = {"Origin": HERE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert "origin" not in here.post("/gradio_api/queue/join", json={}, headers=ours).headers["X-Seen"].split(",")
    typed = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert here.get("/", headers=typed).status_code == here.get("/", headers=link).status_code == 200
    assert here.post("/mcp", json={}, headers=link).status_code == 403


def test_a_wrong_token_is_never_overlooked(tokens: Tokens) -> None:
    here = client(tokens)
    assert here.get("/mcp", headers=bearer("aud_wrong")).status_code == 401
    assert here.get("/", headers=bearer("aud_wrong")).status_code == 401
    assert here.get("/mcp", headers={"Authorization": "Bearer"}).status_code == 401
    assert here.get("/mcp", headers=basic(tokens.create("boss", [Scope.ADMIN]))).status_code == 401
    agent = tokens.create("agent", [Scope.SIZE])
    assert here.get("/exports/a.csv", headers=bearer(agent)).status_code == 401


@pytest.mark.parametrize(("host", "hosts"), [("0.0.0.0", ""), ("127.0.0.1", "audience.test")])
def test_where_others_reach_the_app_everything_needs_a_token(tokens: Tokens, host: str, hosts: str) -> None:
    there = client(tokens, host=host, hosts=hosts)
    agent, boss = tokens.create("agent", [Scope.SIZE]), tokens.create("boss", [Scope.ADMIN])
    assert there.get("/healthz").status_code == 200
    assert [there.get(path).status_code for path in PATHS if path != "/healthz"] == [401] * 7
    assert there.get("/").headers["www-authenticate"].startswith("Basic")
    assert there.get("/", headers=basic(boss)).text == "boss/"
    assert there.get("/", headers=basic(agent)).status_code == 401
    rival = tokens.create("rival", [Scope.ADMIN], tenant="rival")
    assert there.get("/", headers=basic(rival)).text.startswith("This token is not for the page")
    assert there.get("/exports/a.csv", headers=bearer(rival)).status_code == 401
    assert there.get("/mcp", headers=bearer(rival)).text == "rival/rival"
    assert there.get("/mcp", headers=bearer(agent)).text == "agent/"
    assert there.get("/", headers={"Authorization": "Basic !!"}).status_code == 401


def test_a_proxy_lets_nobody_in_as_the_owner_and_nothing_it_says_is_believed(tokens: Tokens) -> None:
    here = client(tokens)
    headers = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Via")
    for header in headers:
        assert here.get("/", headers={header: "127.0.0.1"}).status_code == 401
        assert here.get("/mcp", headers={header: "127.0.0.1"}).status_code == 401
    boss = tokens.create("boss", [Scope.ADMIN])
    there = client(tokens, hosts="https://audience.test, 10.0.0.7:8443")
    seen = there.get("/", headers=basic(boss) | {"Host": "audience.test", "X-Forwarded-Host": "evil.test"})
    assert (seen.text, seen.headers["X-Scheme"]) == ("boss/", "https")
    assert not [name for name in seen.headers["X-Seen"].split(",") if "forward" in name]
    ours = {"Host": "audience.test", "Origin": "https://audience.test"}
    assert there.get("/", headers=basic(boss) | ours).status_code == 200
    assert there.get("/", headers=basic(boss) | ours | {"Origin": "http://audience.test"}).status_code == 403
    assert there.get("/", headers=basic(boss) | {"Host": "10.0.0.7:8443"}).headers["X-Scheme"] == "http"
    assert there.get("/", headers=basic(boss) | {"Host": "10.0.0.7"}).status_code == 421


def test_paths_and_methods_that_nobody_decided_on_are_closed(tokens: Tokens) -> None:
    here = client(tokens)
    for path in ("/gradio_api/file=/etc/passwd", "/gradio_api/run/on_say", "/nothing", "/mcp/", "/healthz/"):
        assert here.get(path).status_code == 404
    wrong = here.put("/exports/a.csv")
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD")
    assert here.request("TRACE", "/mcp").status_code == 405


def test_a_body_is_bounded_by_what_is_declared_by_what_comes_and_by_its_depth(tokens: Tokens, lines: Lines) -> None:
    here = client(tokens, lines)
    long = b'"' + b" " * JSON_BYTES + b'"'
    assert here.post("/api/sizes", content=long).status_code == 413
    assert here.post("/api/sizes", content=iter([long])).status_code == 413
    assert here.post("/healthz", content=b"x").status_code == 405
    assert here.request("GET", "/healthz", content=b"x").status_code == 413
    for deep in (b"[" * 65, b"[" * 65 + b"]" * 65, b'{"a":' * 100_000, b'{"a":[' * 40 + b"]}" * 40):
        assert here.post("/mcp", content=deep).status_code == 400
    for flat in (b"[" * 64 + b"]" * 64, b'"' + b"[" * 1000 + b'"', b"[{}]" * 1000, b"{", b""):
        assert here.post("/mcp", content=flat).status_code == 200
    assert {line[2]["status"] for line in lines.written} == {400, 405, 413}


def test_a_request_of_two_lengths_is_refused_and_nothing_behind_it_is_read(tokens: Tokens) -> None:
    both = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    for method, path in (("POST", "/mcp"), ("POST", "/api/sizes"), ("GET", "/healthz")):
        refused = client(tokens).request(method, path, content=b"{}", headers=both)
        assert (refused.status_code, refused.headers["connection"]) == (400, "close"), path
        assert "both Content-Length and Transfer-Encoding" in refused.text


def test_half_a_character_is_refused_in_one_sentence_wherever_it_stands(tokens: Tokens) -> None:
    here = client(tokens)
    halves = [
        rb"\ud800",
        rb"\uDFFF",
        rb"\\\ud800",
        rb"\ud83d\ude00\ude00",
        rb"\ud83dx\ude00",
        rb"\ud83d\n",
        b"\xed\xa0\x80",
        b"\xff",
    ]
    bodies = [form % half for half in halves for form in (b'"%s"', b'{"a":["b%sc"]}', b'{"%s":1}')]
    for path in ("/api/demands/x", "/mcp"):
        for body in [*bodies, '{"a":1}'.encode("utf-16"), '"\ud800"'.encode("utf-16-le", "surrogatepass")]:
            refused = here.post(path, content=body)
            assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json"), body
            assert "half a character" in refused.json()["detail"]
    for whole in (rb'"\ud83d\uDE00"', rb'"\\ud800"', rb'"\\\\ud800"', rb'"\u00e9"', '"é 😀"'.encode()):
        assert here.post("/mcp", content=whole).status_code == 200, whole


def test_the_fields_of_a_body_are_bounded_in_one_object_or_many(tokens: Tokens) -> None:
    here = client(tokens)
    fields = [b'"%x":1' % number for number in range(JSON_FIELDS + 1)]
    for many in (b"{%s}" % b",".join(fields), b"[%s]" % b",".join(b"{%s}" % each for each in fields)):
        assert here.post("/mcp", content=many).status_code == 400
    for few in (b"{%s}" % b",".join(fields[1:]), b"[%s]" % b",".join([b'"a:b"'] * 2 * JSON_FIELDS)):
        assert here.post("/mcp", content=few).status_code == 200


def test_lists_and_elements_of_a_body_are_counted_before_it_is_parsed(tokens: Tokens) -> None:
    here = client(tokens)
    whole = JSON_BYTES - 100
    for part, called in ((b"[],", "lists and objects"), (b"{},", "lists and objects"), (b"1,", "elements")):
        refused = here.post("/api/sizes", content=b'{"filters":[%s1]}' % (part * (whole // len(part))))
        assert (refused.status_code, called in refused.json()["detail"]) == (400, True), part
    lists = b"[%s]" % b",".join([b"[]"] * (JSON_LISTS - 1))
    users = b'{"users":[%s]}' % b",".join([b'"1"'] * (SEEDS - 10))
    quoted = b'["%s"]' % (b"[,{" * JSON_ELEMENTS)
    for few in (lists, users, quoted):
        assert here.post("/mcp", content=few).status_code == 200


@pytest.mark.parametrize("carries", list(BodyKind))
def test_a_connection_is_waited_for_longer_than_a_body(carries: BodyKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.access.routes.BODY_SECONDS", 0.05)
    monkeypatch.setattr("tools.access.routes.UPLOAD_SECONDS", 0.05)

    async def read() -> list[str]:
        async def receive() -> Message:
            if not begun:
                begun.append(True)
                return {"type": "http.request", "body": b"", "more_body": False}
            await asyncio.sleep(0.2)
            return {"type": "http.disconnect"}

        begun: list[bool] = []
        body = Body(receive, carries, None)
        if carries is BodyKind.JSON:
            await body.read_json()
        return [(await body())["type"] for _ in range(2)]

    assert asyncio.run(read()) == ["http.request", "http.disconnect"]


def test_the_depth_of_a_body_is_found_in_time_that_its_length_allows(tokens: Tokens) -> None:
    here = client(tokens)
    for part in (b"[]", b'"\\', b'\\"', b"[{", b'""'):
        here.post("/mcp", content=part * (JSON_BYTES // len(part)))  # a quadratic reader would take hours


def test_what_is_refused_leaves_a_line_and_a_token_is_refused_so_often_alone(tokens: Tokens, lines: Lines) -> None:
    here = client(tokens, lines)
    token = tokens.create("agent", [Scope.SIZE], per_minute=3)
    found = [here.put("/mcp", headers=bearer(token)).status_code for _ in range(5)]
    assert found == [405, 405, 405, 429, 429]
    assert 1 <= int(here.get("/mcp", headers=bearer(token)).headers["Retry-After"]) <= 60
    assert ("agent", "refused", {"status": 405, "path": "/mcp"}) in lines.written
    assert ("agent", "refused", {"status": 429, "path": "/mcp"}) in lines.written
    assert token not in str(lines.written)


def test_a_file_that_leaves_is_a_line_before_it_does_and_one_that_is_not_there_is_another(
    tokens: Tokens, lines: Lines
) -> None:
    here = client(tokens, lines)
    assert here.get("/exports/a.csv").status_code == 200
    assert here.head("/exports/a.csv").status_code == 200
    assert here.get("/exports/none.csv").status_code == 404
    token = tokens.create("agent", [Scope.ACTIVATE])
    here.get("/api/exports/b.csv", headers=bearer(token))
    assert lines.written == [
        ("owner", "download", {"file": "a.csv"}),
        ("owner", "look up", {"file": "a.csv"}),
        ("owner", "refused", {"status": 404, "path": "/exports/{name}"}),
        ("agent", "download", {"file": "b.csv"}),
    ]


def test_no_file_leaves_where_no_line_can_be_written(tokens: Tokens, tmp_path: Path) -> None:
    (tmp_path / "registry.db").mkdir()
    trail = RequestAudit(lambda _: Registry(tmp_path / "registry.db"))
    answer = client(tokens, trail).get("/exports/a.csv")
    trail.close()
    assert answer.status_code == 503
    assert "owner" not in answer.text


def test_no_websocket_is_opened(tokens: Tokens) -> None:
    with pytest.raises(WebSocketDisconnect), client(tokens).websocket_connect("/mcp"):
        pytest.fail("was opened")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_addresses_are_for_this_machine(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.test"])
def test_all_others_can_be_reached(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize("hosts", ["http://", "a b", "ftp://x", "x/y", "x?y", "user@x", "*"])
def test_what_is_no_name_is_said(hosts: str) -> None:
    with pytest.raises(RequestError, match="AUDIENCE_HOSTS"):
        Names("127.0.0.1", hosts)


def test_the_very_address_that_was_connected_to_is_a_name_of_ours() -> None:
    names = Names("0.0.0.0")
    assert names.origin("192.168.1.5:7860", "192.168.1.5") == read_origin("http://192.168.1.5:7860")
    assert names.origin("[fe80::1]:7860", "fe80::1")
    assert names.origin("192.168.1.6:7860", "192.168.1.5") is None
    assert names.origin("evil.test", "evil.test") is None

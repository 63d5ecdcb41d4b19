"""What the page sends, over a real server: arguments that are something else than their input takes go nowhere."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from gradio.utils import get_upload_folder

from agent.page.events import COOKIE, handler
from agent.page.places import make_page
from agent.page.state import LazyService
from encoders.settings import settings
from encoders.workspace import Workspace
from tests import apart
from tests.app.browsing import Serve
from tests.app.page_doubles import HOSTILE, PlantedDesk
from tools.bounds import TEXT_CHARACTERS, UPLOAD_BYTES, UPLOAD_FILES
from tools.storage.registry import AuditLine, Registry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]  # from Gradio's own statistics

SESSION = "abc123def45"
SECRET = "what nobody is told"


async def numbered() -> dict[str, int]:
    """The number of each event of the first place by the name of its handler; "" is one without a handler."""
    blocks = make_page(LazyService(lambda: pytest.fail("nothing is opened")))
    found = {handler(event): number for number, event in blocks.fns.items() if event.page == "" and event.fn}
    found |= {"on_library": next(number for number, event in blocks.fns.items() if handler(event) == "on_library")}
    return found | {"": next(number for number, event in blocks.fns.items() if event.fn is None)}


NUMBERS = apart.run(numbered())  # inside a loop: Gradio leaves others open
LOAD, SAY, SAVE, EXPORT = (NUMBERS[f"on_{name}"] for name in ("load", "say", "save", "export"))
PEOPLE, CONDITIONS, ASSUMED, CUT, THINGS, USERS = (
    NUMBERS[f"on_{name}"] for name in ("people", "conditions", "assumed", "cut", "things", "users")
)


class Web:
    """A browser without a window."""

    def __init__(self, address: str) -> None:
        self.http = httpx2.Client(base_url=address, timeout=30)
        self.http.get("/")

    def send(self, event: int, *data: Any, session: str = SESSION, **more: Any) -> httpx2.Response:
        body = {"data": list(data), "fn_index": event, "session_hash": session, "trigger_id": 7, **more}
        return self.http.post("/gradio_api/queue/join?", json=body)

    def hear(self, session: str = SESSION) -> str:
        """Everything that comes back, until no event runs any more."""
        return self.http.get(f"/gradio_api/queue/data?session_hash={session}").text

    def bring(self, name: str, content: bytes, **more: Any) -> httpx2.Response:
        return self.http.post("/gradio_api/upload", files={"files": (name, content)}, **more)


@pytest.fixture
def address(serve: Serve, desk: PlantedDesk) -> str:
    return serve(lambda: desk)


@pytest.fixture
def web(address: str) -> Iterator[Web]:
    opened = Web(address)
    yield opened
    opened.http.close()


@pytest.fixture
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "secret.txt"
    path.write_text(SECRET)
    return path


def audit(fewest: int) -> list[AuditLine]:
    """Wait for that many lines: those of refusals are written soon after the answer."""
    until = time.monotonic() + 60
    while True:
        with Registry(Workspace(settings().workspace).registry) as registry:
            lines = list(registry.audit())
        if len(lines) >= fewest or time.monotonic() > until:
            return lines
        time.sleep(0.05)


def disguises(path: Path) -> list[Any]:
    """A file of the server as somebody might have it taken for an argument."""
    meta = {"_type": "gradio.FileData"}
    file = {"path": str(path), "meta": meta}
    named = {**file, "orig_name": "a.csv", "url": f"/gradio_api/file={path}", "size": 3, "mime_type": "text/csv"}
    return [
        file,
        named,
        {**named, "is_stream": True},
        [file],
        [[file]],
        {"text": "baby", "files": [file]},
        {"text": file},
        {"value": {"deep": [{"deeper": file}]}},
        {"path": f"file://{path}", "meta": meta},
        {"path": "http://127.0.0.1:1/metadata", "meta": meta},
        {"path": "x", "url": f"file://{path}", "meta": meta},
        {"path": "x", "url": "http://127.0.0.1:1/metadata", "meta": meta},
        {"__type__": "update", "value": file},
        {"path": f"{path.parent}/../{path.parent.name}/{path.name}", "meta": meta},
        str(path),
        f"file://{path}",
    ]


def test_a_click_that_changes_nothing_leaves_the_page_as_it_is(web: Web, desk: PlantedDesk) -> None:
    """Gradio empties every part of the page where a handler yields nothing at all."""
    stored = {"thread": "0" * 32, "said": [], "options": []}
    for text in ("baby", "the first"):
        desk.conversation.say("0" * 32, text)
    web.send(LOAD, stored)
    web.hear()
    assert web.send(THINGS, stored, ["baby food", HOSTILE], ["diapers"], [], []).status_code == 200
    assert '"value":["diapers"]' in web.hear().replace(": ", ":")
    draft = desk.conversation.current("0" * 32).draft
    assert draft is not None
    assert web.send(ASSUMED, stored, list(draft.assumptions)).status_code == 200
    assert f'"value":{json.dumps(list(draft.assumptions))}' in web.hear().replace(": ", ":")


def test_no_file_of_the_server_comes_down_as_an_argument_of_any_event(web: Web, secret: Path) -> None:
    for disguise in disguises(secret):
        typed = isinstance(disguise, str)
        for event, data in [
            (SAY, (None, disguise)),
            (SAVE, (None, disguise, 10)),
            (SAVE, (None, "name", disguise)),
            (EXPORT, (None, disguise)),
            (CONDITIONS, (None, [disguise] if not isinstance(disguise, list) else disguise)),
            (THINGS, (None, [disguise] if not isinstance(disguise, list) else disguise, [], [], [])),
            (USERS, (None, disguise)),
            (PEOPLE, (None, disguise)),
        ]:
            sent = web.send(event, *data)
            text = typed and not (event in (USERS, PEOPLE) or data[1] == "name")
            assert sent.status_code == (200 if text else 400), (event, disguise)
            if text:
                assert SECRET not in web.hear()
        stored = web.send(SAY, disguise, "baby")
        assert stored.status_code == 200
        heard = web.hear()
        assert SECRET not in heard
        assert "/gradio_api/file=" not in heard
    for folder in (settings().workspace, get_upload_folder()):
        assert not list(Path(folder).rglob("secret.txt")), "Gradio would serve a copy of it"


def test_what_is_not_an_event_of_the_page_is_refused(web: Web) -> None:
    wrong = [
        {"data": [None, "x"], "fn_index": 9999, "session_hash": SESSION},
        {"data": [None, "x"], "fn_index": NUMBERS[""], "session_hash": SESSION},
        {"data": [None, "x"], "fn_index": True, "session_hash": SESSION},
        {"data": [None, "x"], "fn_index": "3", "session_hash": SESSION},
        {"data": [None], "fn_index": SAY, "session_hash": SESSION},
        {"data": [None, "x", "y"], "fn_index": SAY, "session_hash": SESSION},
        {"data": {"0": None, "1": "x"}, "fn_index": SAY, "session_hash": SESSION},
        {"data": [None, "x"], "fn_index": SAY},
        {"data": [None, "x"], "fn_index": SAY, "session_hash": "../up"},
        {"data": [None, "x"], "fn_index": SAY, "session_hash": SESSION, "simple_format": True},
        {"data": [None, "x"], "fn_index": SAY, "session_hash": SESSION, "batched": True},
        {"data": [None, "x"], "fn_index": SAY, "session_hash": SESSION, "event_id": "1"},
        {"data": [None], "fn_index": 4, "session_hash": SESSION, "event_data": {"path": "/etc/passwd"}},
        {"data": [None], "fn_index": 5, "session_hash": SESSION, "event_data": {"index": 0, "value": {"text": {}}}},
        {"data": [None], "fn_index": 4, "session_hash": SESSION},
        {"data": [None], "fn_index": 4, "session_hash": SESSION, "event_data": {"index": 0, "value": ["/etc/passwd"]}},
        [],
    ]
    for body in wrong:
        answer = web.http.post("/gradio_api/queue/join", json=body)
        assert answer.status_code == 400, body
        assert answer.headers["content-type"] == "application/problem+json"
    for body in (b"", b"{", b"\xff", b'{"data": [NaN]}'):
        assert web.http.post("/gradio_api/queue/join", content=body).status_code == 400
    assert web.http.post("/gradio_api/queue/join", content=b"[" * 100_000).status_code == 400
    assert web.send(SAY, None, "x" * (TEXT_CHARACTERS + 1)).status_code == 413
    assert web.http.post("/gradio_api/cancel", json={"session_hash": SESSION, "fn_index": SAY, "event_id": {}}).is_error


@pytest.mark.parametrize("told", [None, {}, {"share": "0.5"}, {"share": -0.1}, {"share": 1.5}, {"share": None}, [0.5]])
def test_what_was_let_go_is_somewhere_on_the_curve(web: Web, told: Any) -> None:
    assert web.send(CUT, None, event_data=told).status_code == 400
    assert web.send(CUT, None, event_data={"share": 0.5, "path": "/etc/passwd"}).status_code == 200


@pytest.mark.parametrize(
    "told",
    [
        None,
        {"act": "rename; drop"},
        {"act": "rename", "of": ["aud-1"]},
        {"act": "rename", "fields": {"name": "Coffee"}},
        {"act": "rename", "fields": {"name": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}},
        {"act": "rename", "fields": {"name": ["x" * (TEXT_CHARACTERS + 1)]}},
        {"act": "rename", "fields": {"Not a name": ["Coffee"]}},
        {"act": "rename", "fields": {f"{chr(97 + place)}": [] for place in range(21)}},
        {"act": "compare", "fields": {"audience": ["a"] * 201}},
    ],
)
def test_a_form_that_brings_something_else_than_texts_is_refused(web: Web, told: Any) -> None:
    assert web.send(NUMBERS["on_library"], event_data=told).status_code == 400


def test_a_number_that_no_browser_counts_to_is_refused_and_audited(web: Web) -> None:
    before = {"data": [None, "x"], "fn_index": SAY, "session_hash": SESSION, "trigger_id": 7}
    for digits in ("9" * 400, "-" + "9" * 400, "9" * 5000, "1e999", "9007199254740992"):
        bodies = [
            json.dumps({**before, "data": [None, "name", 0], "fn_index": SAVE}).replace("0]", f"{digits}]"),
            json.dumps({**before, "data": [None, 0], "fn_index": USERS}).replace("0]", f"{digits}]"),
            json.dumps(before).replace(f'"fn_index": {SAY}', f'"fn_index": {digits}'),
            json.dumps(before).replace('"trigger_id": 7', f'"trigger_id": {digits}'),
        ]
        for body in bodies:
            assert web.http.post("/gradio_api/queue/join", content=body).status_code == 400, body[:60]
    lines = audit(1)
    assert {(line.action, line.details["status"]) for line in lines} == {("refused", 400)}


def test_one_browser_has_nothing_of_another(web: Web, address: str) -> None:
    other = Web(address)
    assert web.send(SAY, None, "baby").status_code == 200
    assert other.send(SAY, None, "baby").status_code == 403
    assert other.http.get(f"/gradio_api/queue/data?session_hash={SESSION}").status_code == 403
    assert other.http.get("/gradio_api/queue/data?session_hash=unknown").status_code == 403
    assert other.http.get("/gradio_api/queue/data").status_code == 403
    cancel = {"session_hash": SESSION, "fn_index": SAY, "event_id": "0" * 32}
    assert other.http.post("/gradio_api/cancel", json=cancel).status_code == 403
    assert "process_completed" in web.hear()
    [path] = web.bring("list.csv", b"user_id\n1\n").json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert other.send(PEOPLE, None, file, session="other").status_code == 400
    assert web.send(PEOPLE, None, file).status_code == 200
    other.http.close()
    with httpx2.Client(base_url=address) as without:
        body = {"data": [None, "x"], "fn_index": SAY, "session_hash": "new"}
        assert without.post("/gradio_api/queue/join", json=body).status_code == 403
        assert without.post("/gradio_api/upload", files={"files": ("a.csv", b"x")}).status_code == 403


def test_a_file_that_this_browser_brought_is_taken_and_goes_nowhere_else(web: Web, desk: PlantedDesk) -> None:
    [path] = web.bring("../../list of users.csv", b"user_id\n1\n2\n").json()
    assert re.fullmatch(r"[0-9a-f]{64}/upload\.csv", path), "nothing of where the workspace lies"
    folder = Path(get_upload_folder())
    assert (folder / path).stat().st_mode & 0o777 == 0o600
    assert (
        web.send(PEOPLE, None, {"path": path, "orig_name": "x", "url": f"/gradio_api/file={path}"}).status_code == 200
    )
    assert "process_completed" in web.hear()
    assert desk.service.brought == ["user_id\n1\n2\n"]
    for way in (f"/gradio_api/file={path}", f"/gradio_api/file/{path}", "/gradio_api/file=/etc/passwd"):
        assert web.http.get(way).status_code == 404
    brought = [web.bring("a.csv", b"user_id\n").json()[0] for _ in range(UPLOAD_FILES)]
    assert not (folder / path).exists(), "the oldest goes when another comes"
    assert all((folder / each).exists() for each in brought)


def test_a_file_is_refused_by_its_kind_its_size_and_its_form(web: Web) -> None:
    for name in ("a.exe", "a.csv.gz", "a.html", "a", ".csv", "a.parquet.zip"):
        assert web.bring(name, b"x").status_code == 400, name
    assert web.bring("a.csv", b"").is_success, "whoever reads it says that it names nobody"
    two = [("files", ("a.csv", b"x")), ("files", ("b.csv", b"x"))]
    assert web.http.post("/gradio_api/upload", files=two).status_code == 400
    assert web.http.post("/gradio_api/upload", files={"other": ("a.csv", b"x")}).status_code == 400
    assert web.http.post("/gradio_api/upload", content=b"x").status_code == 400
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    assert web.http.post("/gradio_api/upload", content=b"nothing", headers=form).status_code == 400
    declared = HTTPConnection(web.http.base_url.host, web.http.base_url.port)
    declared.request("POST", "/gradio_api/upload", headers=form | {"Content-Length": str(UPLOAD_BYTES * 2)})
    answer = declared.getresponse()
    assert (answer.status, answer.getheader("connection")) == (413, "close")
    declared.close()
    foreign = {"Origin": "http://evil.test"}
    assert web.bring("a.csv", b"user_id\n", headers=foreign).status_code == 403


def test_a_file_that_goes_on_and_on_is_stopped_at_the_bound(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.access.routes.UPLOAD_BYTES", 100_000)
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n\r\n'
        while read < 50_000_000:
            read += 65536
            yield b"1" * 65536

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with suppress(httpx2.TransportError):  # it may be closed while more is being sent
        assert web.http.post("/gradio_api/upload", content=endless(), headers=headers).status_code == 413
    assert read < 20_000_000
    assert [line.details["status"] for line in audit(1) if line.action == "refused"] == [413]


def test_what_the_page_does_is_in_the_audit_and_what_was_said_is_not(web: Web) -> None:
    assert web.send(SAY, None, "people who are called Robin").status_code == 200
    web.hear()
    web.send(USERS, None, 20)
    web.hear()
    web.bring("a.csv", b"user_id\n1\n")
    web.send(SAY, None, {"path": "/etc/passwd"})
    assert [(line.actor, line.action, line.details) for line in audit(4)] == [
        ("owner", "page", {"act": "say"}),
        ("owner", "page", {"act": "edit"}),
        ("owner", "page", {"act": "upload", "kind": ".csv", "bytes": 10}),
        ("owner", "refused", {"status": 400, "path": "/gradio_api/queue/join"}),
    ]
    assert "Robin" not in json.dumps([line.model_dump(mode="json") for line in audit(4)])


def test_the_cookie_is_of_this_site_alone_and_a_forged_one_is_none(address: str) -> None:
    with httpx2.Client(base_url=address) as http:
        given = http.get("/").headers["set-cookie"]
        assert given.startswith(f"{COOKIE}=")
        assert given.endswith("; Path=/; HttpOnly; SameSite=Strict")
        assert "set-cookie" not in http.get("/").headers
    for forged in ("x", "a" * 31, "a b", f"{'a' * 31}/"):
        again = httpx2.get(address, headers={"Cookie": f"{COOKIE}={forged}"})
        assert "set-cookie" in again.headers

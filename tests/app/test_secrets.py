"""Secrets are planted everywhere, and then looked for in every answer, log and audit line."""

import json
import logging

import httpx2
import polars as pl
import pytest
from pydantic_core import to_json

from agent.page.state import AppState
from encoders.checksums import write_checksums
from encoders.settings import Settings, settings
from encoders.workspace import Workspace
from tests.app.browsing import Serve
from tests.app.page_doubles import make_desk
from tests.planted import world_settings
from tools.access.callers import Scope, Tokens
from tools.operation_types import NewDestination, NewSubscription
from tools.service import AudienceService
from tools.storage.registry import Registry

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")]

CHAT_KEY = "sk-canary-of-the-chat-model"
CONTACT = "{}@contact.example"
SENT = "aud_canary-that-was-sent"
SPEC = {"demand": "Households that will buy coffee in the next 28 days", "cut": 0.5}
JSON = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def address(
    serve: Serve, own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> str:
    """The app over a workspace whose users have contacts, with a key for a chat model."""
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("AUDIENCE_CHAT_KEY", CHAT_KEY)
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    settings.cache_clear()
    users = pl.read_parquet(own_workspace.data / "users.parquet")["user_id"]
    contacts = pl.DataFrame({"user_id": users, "email": [CONTACT.format(user) for user in users]})
    contacts.write_parquet(own_workspace.data / "contacts.parquet")
    write_checksums(own_workspace.data)
    service = AudienceService.open(world_settings(own_workspace.path))
    address = serve(lambda: AppState(conversation=make_desk(own_workspace.path).conversation, service=service))
    while not httpx2.get(f"{address}/healthz").json()["ready"]:
        pass
    return address


def test_no_secret_is_in_an_answer_a_log_or_an_audit_line(
    address: str, own_workspace: Workspace, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with Tokens(own_workspace.tokens) as tokens:
        token = tokens.create("boss", [Scope.ADMIN])
    answers: list[str] = []
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:

        def ask(method: str, path: str, body: object = None, **headers: str) -> httpx2.Response:
            found = http.request(method, path, json=body, headers=headers)
            answers.append(f"{found.headers}{found.text}")
            return found

        hook = {"url": "https://example.com/hook", "events": ["audience.ready"]}
        made = http.post("/api/webhooks", json=hook, headers={"Idempotency-Key": "hook"})
        secret = made.json()["secret"]
        assert secret.startswith("whsec_")
        saved = {"spec": SPEC, "name": "Coffee", "approved_by": "Ada"}
        assert ask("POST", "/api/audiences", saved, **{"Idempotency-Key": "save"}).is_success
        exported = ask("POST", "/api/audiences/Coffee/exports", {"format": "csv"}, **{"Idempotency-Key": "file"})
        assert "email_sha256" in exported.text
        assert ask("GET", exported.headers["Location"]).is_success
        for path in (
            "data",
            "audiences",
            "audiences/Coffee",
            "webhooks",
            "webhooks/deliveries",
            "capabilities",
            "jobs",
        ):
            ask("GET", f"/api/{path}")
        for path in ("sizes", "previews", "profiles", "skews"):
            assert ask("POST", f"/api/{path}", SPEC).is_success
        ask("POST", "/api/explanations", {"spec": SPEC, "user_id": CONTACT.format("h004")})
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": SENT, "arguments": {}}}
        for body in (call, call | {"method": SENT}, {SENT: SENT}):
            ask("POST", "/mcp", body, **JSON)
        ask("GET", "/")
        ask("GET", "/config")
        for path in (f"/exports/{SENT}.csv", f"/api/exports/{SENT}.csv", f"/{SENT}", f"/api/{SENT}?token={SENT}"):
            http.get(path)
        http.post("/api/sizes", json={"demand": SENT, SENT: SENT})
        http.get("/mcp", headers={"Authorization": f"Bearer {SENT}"})
        http.get("/mcp", headers={"Host": SENT, "Origin": SENT, "Cookie": SENT})
    with Registry(own_workspace.registry) as registry:
        audit = to_json(registry.audit()).decode()
    by_the_client = ("httpx", "httpcore")
    logged = [each for each in caplog.records if not each.name.startswith(by_the_client)]
    written = "\n".join(map(caplog.handler.format, logged)) + "".join(capfd.readouterr()) + audit
    ours = token, secret, CHAT_KEY, CONTACT.partition("}")[2]
    asked_about = CONTACT.format("h004")  # what somebody sends may come back to them, and to nobody else
    told = "".join(answers).replace(asked_about, "")
    assert [each for each in ours if each in told] == []
    assert [line for line in written.splitlines() if any(each in line for each in (*ours, SENT))] == []
    assert json.loads(audit)


def test_what_holds_a_secret_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIENCE_CHAT_KEY", CHAT_KEY)
    chosen = Settings()
    assert CHAT_KEY not in repr(chosen) + chosen.model_dump_json()
    for kind in (NewDestination, NewSubscription):
        assert not kind.model_fields["secret"].repr

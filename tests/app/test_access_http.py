"""Tokens at the real app: what each may do, and that tenants never meet."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from agent.page.state import AppState
from encoders.settings import settings
from encoders.workspace import Workspace
from tests import apart
from tests.app.browsing import Serve
from tests.app.page_doubles import make_desk
from tests.planted import world_settings
from tools.access.callers import Scope, Tokens
from tools.service import AudienceService
from tools.storage.registry import Registry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # from Gradio's own statistics
]

SPEC = {"demand": "Households that will buy coffee in the next 28 days", "cut": 0.3}
SAVE = {"spec": SPEC, "name": "Coffee", "approved_by": "Ada", "key": "once"}


class Door:
    """The app, and the tokens that open it."""

    def __init__(self, address: str, tokens: Tokens, workspace: Path) -> None:
        self.address, self.tokens, self.workspace = address, tokens, workspace

    def call(self, token: str, name: str, /, **arguments: object) -> CallToolResult:
        async def connected() -> CallToolResult:
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as http,
                Client(streamable_http_client(f"{self.address}/mcp", http_client=http)) as client,
            ):
                return await client.call_tool(name, arguments)

        return apart.run(connected())


@pytest.fixture
def door(serve: Serve, tmp_path: Path, own_workspace: Workspace) -> Iterator[Door]:
    service = AudienceService.open(world_settings(own_workspace.path))
    address = serve(lambda: AppState(conversation=make_desk(tmp_path).conversation, service=service))
    while not httpx2.get(f"{address}/healthz").json()["ready"]:
        pass
    with Tokens(Workspace(settings().workspace).tokens) as tokens:
        yield Door(address, tokens, own_workspace.path)


def text(found: CallToolResult) -> str:
    assert found.is_error
    return str(getattr(found.content[0], "text", ""))


def test_a_token_opens_what_its_scopes_say_and_every_call_is_written_down(door: Door) -> None:
    small = door.tokens.create("small", [Scope.SIZE, Scope.PREVIEW], per_minute=4)
    assert httpx2.post(f"{door.address}/mcp", json={}).status_code == 401
    assert not door.call(small, "size", spec=SPEC).is_error
    assert "needs a token with the scope 'activate'" in text(door.call(small, "save", **SAVE))
    shown = door.call(small, "preview", spec=SPEC).structured_content
    assert shown
    mask = shown["result"][0]["masked_id"].split()[-1]
    row = door.call(small, "explain", user_id=mask, spec=SPEC).structured_content
    boss = door.call(door.tokens.create("boss", [Scope.ADMIN]), "explain", user_id=mask, spec=SPEC).structured_content
    assert row
    assert boss
    assert row["user_id"] == boss["user_id"] == mask
    assert boss["evidence"] == row["evidence"]
    assert "4 times a minute" in text(door.call(small, "size", spec=SPEC))
    with Registry(Workspace(settings().workspace).registry) as registry:
        calls = [(line.actor, line.details) for line in registry.audit() if line.action == "call"]
    assert {actor for actor, details in calls if details["operation"] == "list_tools"} == {"small", "boss"}
    lines = [
        (actor, details["outcome"], details["operation"])
        for actor, details in calls
        if details["operation"] != "list_tools"
    ]
    assert [line[0] for line in lines] == ["small", "small", "small", "small", "boss", "small"]
    assert {tuple(sorted(line[1:])) for line in lines} == {
        ("answered", "size"),
        ("refused", "save"),
        ("answered", "explain"),
        ("answered", "preview"),
        ("refused", "size"),
    }


def test_what_is_not_yours_is_not_there(door: Door) -> None:
    mine = door.tokens.create("mine", [Scope.ACTIVATE, Scope.SIZE, Scope.READ], tenant="shop")
    other = door.tokens.create("other", [Scope.ADMIN], tenant="rival")
    combined = {"operation": "and", "approved_by": "Ada", "name": "Both"}
    before = [door.call(other, "outcome", audience="Coffee"), door.call(other, "export", audience="Coffee", key="a")]
    saved = door.call(mine, "save", **SAVE).structured_content
    assert saved
    exported = door.call(mine, "export", audience=saved["id"], key="b").structured_content
    assert exported
    assert Path(exported["path"]).is_relative_to(door.workspace / "tenants" / "shop")
    after = [door.call(other, "outcome", audience="Coffee"), door.call(other, "export", audience="Coffee", key="a")]
    assert [each.model_dump_json() for each in before] == [each.model_dump_json() for each in after]
    assert "There is no saved audience" in text(after[0])
    listed = door.call(other, "list_audiences").structured_content
    assert listed == {"audiences": [], "next_cursor": ""}
    assert door.call(other, "combine", audiences=["Coffee", saved["id"]], key="c", **combined).is_error
    assert door.call(mine, "list_audiences").structured_content == {"audiences": [saved], "next_cursor": ""}
    theirs = door.call(other, "save", **SAVE).structured_content
    assert theirs
    assert theirs["id"] != saved["id"]


def test_what_is_no_call_of_a_tool_is_written_down(door: Door) -> None:
    agent = door.tokens.create("agent", [Scope.READ], tenant="shop", per_minute=2)
    for _ in range(2):
        assert "There is no tool 'aud_secret' here" in text(door.call(agent, "aud_secret"))
    assert "2 times a minute" in text(door.call(agent, "describe_data"))
    headers = {"Authorization": f"Bearer {agent}"}
    for body in (b"{", b'{"aud_secret": 1}'):
        assert httpx2.post(f"{door.address}/mcp", content=body, headers=headers).is_client_error
    assert httpx2.post(f"{door.address}/mcp", json={}, headers=headers).status_code == 429
    with Registry(Workspace(settings().workspace).of_tenant("shop").registry) as registry:
        calls = [line.details for line in registry.audit() if line.action == "call"]
        found = [(each["operation"], each["outcome"]) for each in calls]
        assert sorted(line for line in found if "unknown_tool" in line) == [("unknown_tool", "declined")] * 2
        while len(audit := [line for line in registry.audit() if line.action == "refused"]) < 2:
            pass
    assert {line.details["status"] for line in audit} <= {400, 406, 415, 429}
    assert "aud_secret" not in str([line.model_dump() for line in audit]) + str(found)


def test_the_page_stays_open_at_this_machine(door: Door) -> None:
    door.tokens.create("any", [Scope.READ])
    assert httpx2.get(door.address).status_code == 200

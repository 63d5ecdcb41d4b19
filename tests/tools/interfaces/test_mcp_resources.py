"""What an agent reads without a tool: resources and prompts."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests import apart
from tests.tools.interfaces.mcp_asking import SPEC, anything_goes
from tools.access.callers import OWNER, Caller, Scope, acting_as
from tools.access.gate import Gate
from tools.interfaces.mcp.answers import content
from tools.interfaces.mcp.server import INSTRUCTIONS, make_server
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import DataCard, SavedAudience

Said = TypeVar("Said")


def talk(service: AudienceService, say: Callable[[Client], Awaitable[Said]], caller: Caller = OWNER) -> Said:
    async def connected() -> Said:
        with acting_as(caller):
            return await talking()

    async def talking() -> Said:
        async with Client(make_server(lambda: service, anything_goes, Gate(lambda: service))) as client:
            return await say(client)

    return apart.run(connected())


def read(service: AudienceService, uri: str) -> str:
    found = talk(service, lambda client: client.read_resource(uri))
    return str(getattr(found.contents[0], "text", ""))


def problem(service: AudienceService, uri: str, caller: Caller = OWNER) -> str:
    """Why a resource cannot be read."""

    async def fails(client: Client) -> str:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
        return str(caught.value)

    return talk(service, fails, caller)


def test_the_data_what_is_saved_and_the_catalogue_can_be_read(own: AudienceService) -> None:
    saved = own.save(SPEC, "Coffee drinkers", "Ada", "k")
    assert json.loads(read(own, "audience://data")) == content(own.describe_data(), DataCard)
    listed = json.loads(read(own, "audience://audiences"))["audiences"]
    assert (
        listed
        == [content(own.saved(saved.id), SavedAudience)]
        == [json.loads(read(own, f"audience://audiences/{saved.id}"))]
    )
    assert json.loads(read(own, "audience://audiences/Coffee%20drinkers"))["id"] == saved.id
    sources = json.loads(read(own, "audience://catalogue"))["names"]
    assert json.loads(read(own, f"audience://catalogue/{sources[0]}"))["of"] == sources[0]
    with Registry(own.tenant.workspace.registry) as registry:
        assert "describe_data" in {line.details.get("operation") for line in registry.audit()}


def test_what_is_not_there_says_so(own: AudienceService) -> None:
    for uri, said in (("audience://audiences/Tea", "no saved audience 'Tea'"), ("audience://quality", "has no report")):
        assert said in problem(own, uri)


def test_the_quality_of_the_model_is_told_in_words(service: AudienceService) -> None:
    said = read(service, "audience://quality")
    assert said.startswith(f"Model {service.describe_data().model_version} of ")
    assert "The intervals, meant to hold 80 % of the time, held " in said
    assert "{" not in said


def test_a_resource_needs_the_scope_of_its_operation(own: AudienceService) -> None:
    caller = Caller(name="sizer", scopes=frozenset({Scope.SIZE}))
    for uri in ("audience://data", "audience://quality"):
        assert "needs a token with the scope 'read'" in problem(own, uri, caller)


def test_the_prompts_lead_through_the_two_usual_tasks(own: AudienceService) -> None:
    async def ask(client: Client) -> list[Any]:
        listed = await client.list_prompts()
        assert [each.name for each in listed.prompts] == ["audience_from_brief", "message_angles"]
        return [
            await client.get_prompt("audience_from_brief", {"brief": "our new $5 baby line"}),
            await client.get_prompt("message_angles", {"audience": "Coffee"}),
        ]

    brief, angles = (found.messages[0].content.text for found in talk(own, ask))
    assert 'this brief into one audience: "our new $5 baby line"' in brief
    assert 'the saved audience "Coffee"' in angles


def test_the_server_says_what_it_is(own: AudienceService) -> None:
    async def ask(client: Client) -> tuple[Any, str | None]:
        return client.server_info, client.instructions

    info, instructions = talk(own, ask)
    assert (info.name, info.title) == ("audience", "Audience")
    assert info.version
    assert instructions == INSTRUCTIONS

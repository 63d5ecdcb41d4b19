"""Toolsets: which tools a connection is shown, and how much of an agent's attention their list takes."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from mcp import Client
from mcp_types import Tool

from encoders.errors import RequestError
from tests import apart
from tests.tools.interfaces.mcp_asking import DEMAND, SPEC, anything_goes, ask, text
from tools.access.gate import Gate
from tools.interfaces.adcp.tasks import TASKS
from tools.interfaces.mcp.server import AudienceServer, make_server
from tools.interfaces.mcp.toolsets import ALL, CORE, HEADER, Toolset, chosen, toolsets
from tools.operations.operation import Interface
from tools.operations.table import BY_NAME, offered
from tools.service import AudienceService

BYTES_PER_TOKEN = 4
"""4.07 for this list by the tokenizer o200k_base, which is not at hand here."""
MOST_TOKENS = {Toolset.CORE: 4000}
"""What a list may take in the context of a model."""


def closed() -> AudienceService:
    raise AssertionError("listing the tools opens nothing")


def server(*shown: Toolset) -> AudienceServer:
    return make_server(closed, anything_goes, Gate(closed), frozenset(shown) or ALL)


def listed(*shown: Toolset) -> list[Tool]:
    return apart.run(server(*shown).list_tools())


def on_the_wire(tools: list[Tool]) -> str:
    return json.dumps(
        [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in tools], separators=(",", ":")
    )


def test_limits_that_are_not_listed_hold(own: AudienceService) -> None:
    for spec in (
        {"demand": "x" * 2001},
        {"demand": DEMAND, "colour": 1},
        {"demand": DEMAND, "filters": [{"field": "age"}] * 21},
    ):
        assert ask(lambda: own, "size", {"spec": spec}).is_error


def test_every_tool_is_in_one_toolset_and_all_are_shown_unless_some_are_asked_for() -> None:
    parts = [{each.name for each in listed(toolset)} for toolset in Toolset]
    everything = [each.name for each in listed()]
    assert everything == [*(each.name for each in offered(Interface.MCP)), *TASKS]
    assert sum(len(each) for each in parts) == len(set.union(*parts)) == len(everything)
    assert parts == [set(CORE), set(everything) - {*CORE, *TASKS}, set(TASKS)]
    assert set(CORE) <= BY_NAME.keys()


def test_the_list_of_a_toolset_stays_short() -> None:
    for toolset, most in MOST_TOKENS.items():
        assert len(on_the_wire(listed(toolset))) / BYTES_PER_TOKEN < most, toolset


def test_what_a_type_is_made_of_stands_once_in_a_schema() -> None:
    for tool in listed():
        assert '"title"' not in json.dumps(tool.input_schema), tool.name
        said = on_the_wire([tool])
        assert said.count("'anything' for every item") <= 1, tool.name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ALL),
        ("all", ALL),
        ("core", {Toolset.CORE}),
        (" Core , ADCP,", {Toolset.CORE, Toolset.ADCP}),
    ],
)
def test_toolsets_are_named_with_commas_between(text: str, found: frozenset[Toolset]) -> None:
    assert toolsets(text) == found


def test_the_address_goes_before_the_header_and_that_before_what_is_usual() -> None:
    usual = frozenset({Toolset.ADCP})
    request = SimpleNamespace(query_params={"toolsets": "core"}, headers={HEADER: "campaign"})
    assert chosen(request, usual) == {Toolset.CORE}
    request.query_params = {}
    assert chosen(request, usual) == {Toolset.CAMPAIGN}
    assert chosen(None, usual) == chosen(SimpleNamespace(query_params={}, headers={}), usual) == usual
    with pytest.raises(RequestError, match="There is no toolset 'corr'; there are core, campaign, adcp, all"):
        toolsets("corr")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("reach_goal", "'reach_goal' is in the toolset 'campaign'; this connection has core: ask with ?toolsets=core,"),
        ("siez", "There is no tool 'siez' here; did you mean 'size'?"),
        ("aud_secret", "There is no tool 'aud_secret' here; there are: describe_data, search_groups, size, "),
    ],
)
def test_a_tool_that_is_not_shown_is_not_there(own: AudienceService, name: str, said: str) -> None:
    async def call() -> Any:
        shown = make_server(lambda: own, anything_goes, Gate(lambda: own), frozenset({Toolset.CORE}))
        async with Client(shown) as client:
            return await client.call_tool(name, {})

    found = apart.run(call())
    assert found.is_error
    assert text(found).startswith(said)


def test_who_speaks_adcp_gets_its_code_for_a_tool_that_is_not_there(own: AudienceService) -> None:
    found = ask(lambda: own, "get_signal", {})
    assert found.structured_content
    assert found.structured_content["adcp_error"]["code"] == "UNSUPPORTED_FEATURE"
    assert text(found) == "There is no tool 'get_signal' here; did you mean 'get_signals'?"


@pytest.mark.parametrize("include", [[], ["curve", "histogram"]])
def test_an_answer_is_what_its_schema_says(own: AudienceService, include: list[str]) -> None:
    """The official client holds every answer against the schema of its tool, once it has listed them."""
    calls: dict[str, dict[str, Any]] = {
        "size": {"spec": DEMAND, "include": include},
        "describe_data": {},
        "list_audiences": {},
        "search_groups": {"words": "tea"},
        "save": {"spec": SPEC, "name": "Coffee", "approved_by": "Ada", "key": "k"},
        "outcome": {"audience": "Coffee"},
    }

    async def each() -> None:
        async with Client(make_server(lambda: own, anything_goes, Gate(lambda: own))) as client:
            schemas = {tool.name: tool.output_schema or {} for tool in (await client.list_tools()).tools}
            for name, arguments in calls.items():
                found = await client.call_tool(name, arguments)
                assert found.structured_content is not None, text(found)
                assert found.structured_content.keys() <= schemas[name]["properties"].keys()

    apart.run(each())

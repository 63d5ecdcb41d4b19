"""The tools of the protocol, asked by the official client, beside the service behind them."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client
from mcp_types import CallToolResult, Tool

from encoders.errors import BROKEN, RequestError, WorkspaceError
from tests import apart
from tests.planted import AS_OF
from tests.tools.interfaces.mcp_asking import SPEC, answer, anything_goes, ask, fault, refusal
from tools.access.gate import Gate
from tools.interfaces.adcp.tasks import TASKS
from tools.interfaces.mcp.answers import content
from tools.interfaces.mcp.server import make_server
from tools.operation_types import Goal
from tools.operations.operation import Effect, Interface
from tools.operations.table import BY_NAME, offered
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import AudienceSpec, SavedAudience, TunedSummary

WIDER = SPEC.model_copy(update={"cut": 0.6})
OFFERED = [each.name for each in offered(Interface.MCP)]


class Kept(AudienceService):
    """A service that only lists what was saved."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def record_call(self, operation: str, outcome: str) -> None:
        """Nobody looks."""

    def list_audiences(self, archived: bool = False) -> tuple[SavedAudience, ...]:
        facts = {"version": 1, "spec": None, "definition": "", "users": 9, "holdout": 1, "as_of": AS_OF}
        facts |= {"model_version": "m", "data_version": "d", "created": datetime(2024, 7, 1, tzinfo=UTC)}
        named = [{"id": f"id of {name}", "name": name, "approved_by": "Ada"} for name in sorted(self.names)]
        return tuple(SavedAudience.model_validate(facts | each) for each in named)


def listed() -> dict[str, Tool]:
    def closed() -> AudienceService:
        raise AssertionError("listing the tools opens nothing")

    tools = apart.run(make_server(closed, anything_goes, Gate(closed)).list_tools())
    return {tool.name: tool for tool in tools if tool.name not in TASKS}


def test_every_operation_is_a_tool() -> None:
    assert list(listed()) == OFFERED


@pytest.mark.parametrize("name", OFFERED)
def test_a_tool_says_what_it_does_takes_and_answers(name: str) -> None:
    tool, effect = listed()[name], BY_NAME[name].effect
    hints = tool.annotations
    assert hints
    assert tool.title == BY_NAME[name].title
    assert hints.read_only_hint == (effect is Effect.READ)
    assert (hints.destructive_hint or False) == (name in {"tune", "delete_audience", "delete_export", "remove_webhook"})
    assert (hints.idempotent_hint, hints.open_world_hint) == (True, name == "export")
    assert tool.description
    assert tool.description.endswith(".")
    assert tool.output_schema
    assert all("description" in each or "$ref" in each for each in tool.input_schema["properties"].values())
    assert ("key" in tool.input_schema.get("required", ())) == (name in {"save", "combine", "export", "refresh"})


def test_a_preview_names_nobody(service: AudienceService) -> None:
    ids = set(service.forecaster.snapshot.histories.user_ids)
    shown = answer(service, "preview", spec=SPEC, count=20)
    assert len(shown) == 20
    assert not ids & {each["masked_id"] for each in shown}


def test_saving_twice_with_one_key_saves_once(own: AudienceService) -> None:
    arguments = {"spec": SPEC, "name": "Coffee", "approved_by": "Ada", "key": "k1", "holdout": 0.2}
    saved = answer(own, "save", **arguments)
    assert saved == answer(own, "save", **arguments) == content(own.list_audiences()[0], SavedAudience)
    assert saved["holdout"] == round(saved["users"] * 0.2)
    assert answer(own, "save", **arguments | {"key": "k2"})["version"] == 2
    assert "key" in refusal(own, "save", **arguments | {"name": "Tea"})
    assert "key" in refusal(own, "save", spec=SPEC, name="Tea", approved_by="Ada")
    assert [each.name for each in own.list_audiences()] == ["Coffee"]


def test_a_saved_audience_is_combined_exported_measured_and_refreshed(own: AudienceService) -> None:
    answer(own, "save", spec=SPEC, name="Coffee", approved_by="Ada", key="a")
    answer(own, "save", spec=WIDER, name="Wide", approved_by="Ada", key="b")
    rest = {"operation": "not", "audiences": ["Wide", "Coffee"]}
    there = answer(own, "combined_users", **rest)["users"]
    assert answer(own, "combine", **rest, name="Rest", approved_by="Ada", key="c")["users"] == there > 0
    assert answer(own, "compare", audiences=["Wide", "Rest"])["overlaps"][0]["both"] == there
    file = answer(own, "export", audience="Coffee", key="d")
    assert file == answer(own, "export", audience="Coffee", key="d")
    assert file["rows"] == len(Path(file["path"]).read_text().splitlines()) - 1
    assert "There is no platform 'moon' here" in refusal(own, "export", audience="Coffee", key="m", platform="moon")
    assert answer(own, "drift", audience="Coffee")["reasons"] == []
    assert answer(own, "outcome", audience="Coffee") is None
    users = "user_id\n" + "\n".join(f"h{number:03}" for number in range(0, 400, 4))
    found = answer(own, "record_outcome", audience="Coffee", approved_by="Ada", responders_csv=users)
    assert found["source"] == "file"
    assert found == answer(own, "outcome", audience="Coffee")
    seen = answer(own, "record_outcome", audience="Coffee", approved_by="Ada")
    assert (seen["source"], seen["recorded_by"]) == ("data", "Ada")
    assert "as of" in refusal(own, "refresh_day", audience="Coffee")
    assert "as of" in refusal(own, "refresh", audience="Coffee", approved_by="Ada", key="e")
    assert "was combined from others" in refusal(own, "refresh", audience="Rest", approved_by="Ada", key="f")
    with Registry(own.tenant.workspace.registry) as registry:
        assert [line.action for line in registry.audit("Coffee")] == ["save", "export", "outcome", "outcome"]


def test_tuning_tells_that_it_is_at_work(own: AudienceService) -> None:
    told: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async def tune() -> CallToolResult:
        arguments = {"name": "regulars", "seeds": [f"h{number:03}" for number in range(0, 40, 4)]}
        async with Client(make_server(lambda: own, anything_goes, Gate(lambda: own))) as client:
            return await client.call_tool("tune", arguments, progress_callback=hear)

    found = apart.run(tune())
    assert not found.is_error, found.content
    assert told[0] == "Tune a demand to known users"
    assert found.structured_content
    kept = content(own.tuned("regulars"), TunedSummary)
    assert answer(own, "tuned", name="regulars") == kept == found.structured_content | {"warnings": []}
    assert "needs at least 5 users" in refusal(own, "tune", name="few", seeds=["h001"])


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("size", {}, "spec: Field required."),
        ("size", {"spec": {"demand": ""}}, "spec.demand: String should have at least 1 character."),
        ("size", {"spec": {"demand": "coffee", "cut": 3}}, "spec.cut: Input should be less than or equal to 1."),
        ("size", {"spec": {"demand": "coffee", "cuts": 0.1}}, "spec.cuts: Extra inputs are not permitted."),
        (
            "size",
            {"spec": SPEC, "cut": 0.1},
            "size has no argument 'cut'; its arguments are: spec, include. 'cut' is a part of 'spec'.",
        ),
        ("size", {"spec": SPEC, "include": ["chart"]}, "include: a list of curve, histogram."),
        ("describe_data", {"x": 1}, "describe_data has no argument 'x'; its arguments are: none."),
        ("preview", {"spec": SPEC, "count": 0}, "count: Input should be greater than or equal to 1."),
        ("compare", {"audiences": [SPEC]}, "audiences: Tuple should have at least 2 items"),
        ("explain", {"user_id": "nobody", "spec": SPEC}, "There is no household 'nobody'"),
        ("list_audiences", {"cursor": "x"}, "There is no such page; begin again without a cursor."),
        ("outcome", {"audience": "Tea"}, "There is no saved audience 'Tea'; none is saved yet."),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    own: AudienceService, name: str, arguments: dict[str, Any], words: str
) -> None:
    assert refusal(own, name, **arguments).startswith(words)


def test_an_audience_that_is_declined_is_neither_looked_at_nor_saved(own: AudienceService) -> None:
    def declines(spec: AudienceSpec) -> None:
        raise RequestError(f"Not {spec.demand}.")

    rest = {"name": "Coffee", "approved_by": "Ada", "key": "k", "user_id": "h001", "goal": Goal(users=60)}
    rest |= {"seeds": ["h001"], "demand": SPEC.demand, "audiences": [SPEC, SPEC], "spec": SPEC}
    guarded = [name for name, tool in listed().items() if {"spec", "demand"} & tool.input_schema["properties"].keys()]
    for name in [*guarded, "compare"]:
        arguments = {each: rest[each] for each in listed()[name].input_schema["required"]}
        arguments |= {"demand": SPEC.demand} if name == "tune" else {}
        assert fault(ask(lambda: own, name, arguments, declines)) == f"Not {SPEC.demand}."
    assert own.list_audiences() == ()


def test_names_pass_the_check_as_demands_do(own: AudienceService) -> None:
    def declines(spec: AudienceSpec) -> None:
        if spec.demand == "People with cancer":
            raise RequestError("Not by that name.")

    rest = {"name": "People with cancer", "approved_by": "Ada", "key": "k", "spec": SPEC, "seeds": ["h001"]}
    rest |= {"operation": "or", "audiences": ["a", "b"]}
    for name in ("save", "combine", "tune"):
        arguments = {each: rest[each] for each in listed()[name].input_schema["required"]}
        assert fault(ask(lambda: own, name, arguments, declines)) == "Not by that name."


def test_until_the_service_is_open_a_call_says_so() -> None:
    def opening() -> AudienceService:
        raise WorkspaceError("Try again in a few seconds.")

    assert fault(ask(opening, "describe_data", {})) == "Try again in a few seconds."


def test_a_bug_shows_nothing_of_itself_but_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> AudienceService:
        raise KeyError("secret")

    with caplog.at_level(logging.ERROR):
        assert fault(ask(broken, "describe_data", {})) == BROKEN
    assert "secret" in caplog.text


@given(names=st.lists(st.integers(0, 99), unique=True, max_size=9), limit=st.integers(1, 4), later=st.integers(0, 99))
@settings(max_examples=15)
def test_the_pages_hold_every_audience_once_even_when_one_is_saved_meanwhile(
    names: list[int], limit: int, later: int
) -> None:
    saved = [f"Audience {number:02}" for number in names]
    kept = Kept()
    kept.names.update(saved)
    seen: list[str] = []
    cursor = ""
    while True:
        page = answer(kept, "list_audiences", limit=limit, cursor=cursor)
        seen += [each["name"] for each in page["audiences"]]
        cursor = page["next_cursor"]
        assert len(page["audiences"]) <= limit
        kept.names.add(f"Audience {later:02}")
        if not cursor:
            break
    assert sorted(set(seen)) == seen
    assert set(saved) <= set(seen) <= {*saved, f"Audience {later:02}"}

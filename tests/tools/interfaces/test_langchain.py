import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool

from agent.guard.verdict import permit
from encoders.errors import RequestError
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.planted import AS_OF, MINIMUM
from tools.interfaces.langchain import targeting_tools
from tools.operation_types import AudiencePage
from tools.service import AudienceService
from tools.types import AudienceSpec, DataCard, Filter, SizeEstimate

PAGE = Path(__file__).parents[3] / "docs" / "langchain.md"
DOGS = {"demand": "Households that will buy dog food in the next 28 days"}


class Scripted(FakeMessagesListChatModel):
    """Says what it was given, one message a call."""

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self


def called(tools: list[StructuredTool], tool_name: str, /, **arguments: Any) -> ToolMessage:
    """What a model would read after its call."""
    [tool] = [each for each in tools if each.name == tool_name]
    message = tool.invoke({"name": tool_name, "args": arguments, "id": "1", "type": "tool_call"})
    assert isinstance(message, ToolMessage)
    return message


@pytest.fixture
def tools(own: AudienceService) -> list[StructuredTool]:
    return targeting_tools(own, permit)


def test_the_content_is_the_answer_in_json(tools: list[StructuredTool], own: AudienceService) -> None:
    assert DataCard.model_validate_json(str(called(tools, "describe_data").content)) == own.describe_data()
    assert SizeEstimate.model_validate_json(str(called(tools, "size", spec=DOGS).content)) == own.size(
        AudienceSpec.model_validate(DOGS)
    )


def test_a_campaign_from_the_goal_to_the_file(tools: list[StructuredTool], own: AudienceService) -> None:
    goal = called(tools, "reach_goal", spec=DOGS, goal={"users": 60}).artifact
    spec = {**DOGS, "cut": goal.cut}
    yes = {"approved_by": "Robin", "key": "k1"}
    saved = called(tools, "save", spec=spec, name="Dogs", **yes).artifact
    assert (saved.users, saved.approved_by, saved.as_of) == (60, "Robin", AS_OF)
    assert isinstance(saved.as_of, date)
    again = called(tools, "save", spec=spec, name="Dogs", **yes).artifact
    assert (again.id, again.version) == (saved.id, 1)
    cats = {"demand": "Households that will buy cat food in the next 28 days", "cut": 0.5}
    called(tools, "save", spec=cats, name="Cats", approved_by="Robin", key="k2")
    overlap = called(tools, "compare", audiences=["Dogs", cats]).artifact.overlaps[0]
    joined = called(
        tools, "combine", operation="and", audiences=["Dogs", "Cats"], name="Both", approved_by="Robin", key="k3"
    ).artifact
    assert joined.users <= overlap.both < joined.users + MINIMUM
    listed = called(tools, "list_audiences")
    assert AudiencePage.model_validate_json(str(listed.content)).audiences == own.list_audiences()
    assert [each.name for each in listed.artifact.audiences] == ["Both", "Cats", "Dogs"]
    file = called(tools, "export", audience="Dogs", key="k4").artifact
    assert Path(file.path).is_file()
    assert file.rows + sum(each.users for each in file.left_out) == saved.users - saved.holdout


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("export", {"audience": "nobody"}, "nobody"),
        ("explain", {"user_id": "x1", "spec": DOGS}, "There is no household 'x1'"),
        ("preview", {"spec": {**DOGS, "cut": 0.001}}, "Make it broader."),
        ("size", {"spec": {**DOGS, "filters": [{"field": "shoe size", "values": ["9"]}]}}, "shoe size"),
        (
            "save",
            {"spec": DOGS, "name": "Dogs", "approved_by": ""},
            "approved_by: String should have at least 1 character.",
        ),
        ("size", {}, "spec: Field required."),
        ("size", {"spec": {"demand": "pregnant women"}}, ""),
        ("compare", {"audiences": ["Dogs", {"demand": "pregnant women"}]}, ""),
    ],
)
def test_what_cannot_be_done_is_one_sentence_for_the_model(
    tools: list[StructuredTool], own: AudienceService, name: str, arguments: dict[str, Any], sentence: str
) -> None:
    message = called(tools, name, **arguments)
    assert message.status == "error"
    assert message.artifact is None
    assert sentence in str(message.content)
    assert "Traceback" not in str(message.content)
    assert own.list_audiences() == ()


def test_nothing_gets_past_the_check(own: AudienceService) -> None:
    def nobody(spec: AudienceSpec) -> None:
        raise RequestError("Not here.")

    tools = targeting_tools(own, nobody)
    more: dict[str, dict[str, Any]] = {
        "size": {},
        "reach_goal": {"goal": {"users": 60}},
        "preview": {},
        "profile": {},
        "skew": {},
        "explain": {"user_id": "h100"},
        "similar": {"user_id": "h100"},
        "save": {"name": "Dogs", "approved_by": "Robin"},
    }
    for name, given in more.items():
        assert called(tools, name, spec=DOGS, **given).content == "Not here."
    assert called(tools, "compare", audiences=[DOGS, DOGS]).content == "Not here."
    joined = called(tools, "combine", operation="or", audiences=["a", "b"], name="c", approved_by="Robin")
    assert joined.content == "Not here."
    assert own.list_audiences() == ()


def test_a_bug_is_not_taken_for_an_answer(own: AudienceService, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(own.population, "size", broken)
    with pytest.raises(ZeroDivisionError):
        called(targeting_tools(own, permit), "size", spec=DOGS)


def test_a_model_can_read_what_a_tool_is_for_and_takes(tools: list[StructuredTool]) -> None:
    for tool in tools:
        assert len(tool.description) > 30
        assert "Raises:" not in tool.description
    size, save = (next(tool for tool in tools if tool.name == name) for name in ("size", "save"))
    schema = size.tool_call_schema.model_json_schema()  # type: ignore[union-attr]
    assert schema["required"] == ["spec"]
    assert schema["$defs"]["AudienceSpec"]["required"] == ["demand"]
    assert schema["$defs"]["Filter"]["properties"]["op"]["enum"] == list(Filter.model_fields["op"].annotation.__args__)  # type: ignore[union-attr]
    taken = save.tool_call_schema.model_json_schema()  # type: ignore[union-attr]
    assert taken["required"] == ["spec", "name", "approved_by"]
    assert "person" in taken["properties"]["approved_by"]["description"]


def test_an_agent_reads_its_mistake_and_mends_it(tools: list[StructuredTool]) -> None:
    def size(**spec: Any) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": "size", "args": {"spec": spec}, "id": "1"}])

    model = Scripted(responses=[size(sentence="dogs"), size(**DOGS), AIMessage("Done.")])
    said = create_agent(model, tools).invoke({"messages": [HumanMessage("dog owners")]})["messages"]
    first, second = (each for each in said if isinstance(each, ToolMessage))
    assert first.status == "error"
    assert "demand" in str(first.content)
    assert isinstance(second.artifact, SizeEstimate)


def test_the_page_runs_as_it_stands(
    own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"WORKSPACE": own_workspace.path, "TEXT_ENCODER": "use", "MINIMUM_SIZE": 20}.items():
        monkeypatch.setenv(f"AUDIENCE_{name}", str(value))
    settings.cache_clear()
    [script] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    try:
        exec(compile(script, str(PAGE), "exec"), {"__name__": "page"})
    finally:
        settings.cache_clear()
    sized, saved = capsys.readouterr().out.splitlines()
    users = int(sized.split()[0])
    assert users >= 20
    assert saved.startswith(f"'Coffee' has {users} users")
    assert saved.endswith("approved by Robin.")

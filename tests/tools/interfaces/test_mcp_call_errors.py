"""What a wrong call is answered: what to change, with a call that works."""

import json
import re
from typing import Any

import pytest

from encoders.errors import WorkspaceError
from tests.tools.interfaces.mcp_asking import DEMAND, SPEC, answer, ask, fault, refusal
from tools.access.callers import Caller, Scope
from tools.interfaces.mcp.examples import with_example
from tools.operations.operation import Effect, Interface
from tools.operations.table import BY_NAME, offered
from tools.service import AudienceService

EXAMPLE = re.compile(r" Call for example: (\w+) (\{.*\})$")
SHOWN = [each.name for each in offered(Interface.MCP) if each.effect is not Effect.DELETE]
LONG = {"tune", "refresh", "refresh_day", "record_outcome", "tuned", "model_card", "restore", "reopen"}
"""They need what no example can bring into being: a horizon that is over, a later day, a name that was tuned, a
model with its report, an audience that was deleted, a server."""


def example_in(said: str) -> tuple[str, dict[str, Any]]:
    found = EXAMPLE.search(said)
    assert found, said
    return found[1], json.loads(found[2])


@pytest.mark.parametrize("saved", [False, True])
def test_the_example_of_an_error_can_be_sent_as_it_is(own: AudienceService, saved: bool) -> None:
    if saved:
        for name in ("Coffee", "Tea"):
            answer(own, "save", spec=SPEC, name=name, approved_by="Ada", key=name)
    for name in SHOWN:
        said = refusal(own, name, nonsense=1)
        assert said.startswith(f"{name} has no argument 'nonsense'; its arguments are: ")
        tool, arguments = example_in(said)
        assert tool in (name, "save")
        assert set(arguments) >= {
            each for each, about in BY_NAME[tool].input.model_fields.items() if about.is_required()
        }
        if tool not in LONG and not (name == "outcome" and not saved):
            answer(own, tool, **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("size", {}, "spec: Field required."),
        ("size", {"spec": 5}, "spec: give one sentence, or an object with it as 'demand'."),
        ("size", {"spec": ""}, "spec.demand: String should have at least 1 character."),
        (
            "size",
            {"demand": DEMAND},
            "size has no argument 'demand'; its arguments are: spec, include. 'demand' is a part",
        ),
        ("preview", {"spec": DEMAND, "count": "many"}, "count: Input should be a valid integer"),
        ("search_groups", {"words": ""}, "words: String should have at least 1 character."),
        ("reach_goal", {"spec": DEMAND, "goal": {"people": 5}}, "goal.people: Extra inputs are not permitted."),
        ("export", {"audience": "Coffee"}, "key: Field required."),
        ("compare", {"audiences": DEMAND}, "audiences: Input should be a valid tuple."),
    ],
)
def test_what_does_not_fit_says_so_and_shows_what_does(
    own: AudienceService, name: str, arguments: dict[str, Any], words: str
) -> None:
    said = refusal(own, name, **arguments)
    assert said.startswith(words)
    tool, works = example_in(said)
    answer(own, tool, **works)


def test_no_example_deletes_anything(own: AudienceService) -> None:
    assert "Call for example" not in refusal(own, "delete_audience", name="Coffee")


def test_until_the_service_is_open_the_example_of_the_documentation_has_to_do() -> None:
    def opening() -> AudienceService:
        raise WorkspaceError("Try again in a few seconds.")

    tool, arguments = example_in(with_example("No.", BY_NAME["size"], opening))
    assert (tool, arguments) == ("size", dict(BY_NAME["size"].example))


def test_an_example_shows_nothing_that_the_caller_may_not_see(own: AudienceService) -> None:
    answer(own, "save", spec=SPEC, name="Secret plan", approved_by="Ada", key="s")
    caller = Caller(name="sizer", scopes=frozenset({Scope.SIZE, Scope.ACTIVATE}))
    for name in ("export", "tune", "compare"):
        said = fault(ask(lambda: own, name, {}, caller=caller))
        assert "Secret plan" not in said
        assert example_in(said)[1] == dict(BY_NAME[name].example)


def test_a_sentence_of_the_data_is_the_example(own: AudienceService) -> None:
    said = with_example("No.", BY_NAME["size"], lambda: own)
    demand = example_in(said)[1]["spec"]
    assert re.fullmatch(r"Households that will buy .+ in the next 28 days", demand)

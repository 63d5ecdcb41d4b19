"""What a tool answers: rounded numbers, long parts on request, and a paragraph in words beside them."""

import json
from typing import Any

import pytest
from pydantic_core import to_jsonable_python

from tests.tools.interfaces.mcp_asking import DEMAND, SPEC, answer, ask, refusal, text
from tools.interfaces.mcp.answers import content, parts, plain, rounded
from tools.operation_types import CampaignOutcome, Refreshed
from tools.operations.operation import Interface
from tools.operations.table import offered
from tools.service import AudienceService
from tools.types import SizeEstimate


@pytest.mark.parametrize(
    ("number", "short"),
    [
        (0.0, 0.0),
        (0.123456, 0.1235),
        (140.23456, 140.2),
        (0.000123456, 0.0001235),
        (12345.678, 12346.0),
        (-2.34567, -2.346),
    ],
)
def test_numbers_have_four_digits_but_lose_none_before_the_point(number: float, short: float) -> None:
    assert rounded(number) == short


def test_counts_ids_and_cuts_stay_as_they_are() -> None:
    given = {"users": 123456, "id": "aud-1234567890", "cut": 0.123456789, "yes": True, "share": 0.123456789}
    assert plain(given) == given | {"share": 0.1235}


def test_a_saved_cut_takes_the_same_users_as_the_one_that_was_sized(own: AudienceService) -> None:
    recommended = answer(own, "size", spec=DEMAND)["recommended_cut"]
    again = answer(own, "size", spec={"demand": DEMAND, "cut": recommended})
    assert again["users"] == own.size(SPEC.model_copy(update={"cut": None})).users


def test_the_long_parts_come_on_request(own: AudienceService) -> None:
    assert parts(SizeEstimate) == ("curve", "histogram")
    assert parts(Refreshed) == ("came_samples", "left_samples")
    assert parts(CampaignOutcome | None) == ()
    short, long = answer(own, "size", spec=SPEC), answer(own, "size", spec=SPEC, include=["curve"])
    assert long.keys() - short.keys() == {"curve"}
    assert long["curve"] == plain(to_jsonable_python(own.size(SPEC).curve))
    assert len(json.dumps(short)) < 2000


def test_an_answer_comes_once_as_data_and_once_in_words(own: AudienceService) -> None:
    found = ask(lambda: own, "size", {"spec": SPEC})
    size = own.size(SPEC)
    said = text(found)
    assert found.structured_content == content(size, SizeEstimate)
    assert not said.startswith(("{", "["))
    assert size.sentence in said
    assert f"{size.users:,} of {size.eligible:,} eligible" in said
    assert size.responders
    assert f"{rounded(size.responders.mid):g} (" in said
    assert all(group in said for group in size.reads_as)
    assert "curve" not in said.lower()
    assert "Curve: " in text(ask(lambda: own, "size", {"spec": SPEC, "include": ["curve"]}))


NEEDED = {"id", "name", "masked_id", "next_cursor", "version", "sha256", "path", "group", "key", "url", "demand"}
"""What a client that shows its model the words alone needs to go on."""


def needed(value: Any, name: str = "") -> list[str]:
    if isinstance(value, dict):
        return [each for field, one in value.items() for each in needed(one, field)]
    if isinstance(value, list):
        return [each for one in value for each in needed(one, name)]
    return [str(value)] if name in NEEDED and value not in (None, "", 0) else []


def test_the_words_hold_what_is_needed_to_go_on(own: AudienceService) -> None:
    for name in ("Coffee", "Wide"):
        answer(own, "save", spec=SPEC, name=name, approved_by="Ada", key=name, holdout=0.2)
    calls: dict[str, dict[str, Any]] = {
        "describe_data": {},
        "search_groups": {"words": "coffee"},
        "search_items": {"words": "coffee"},
        "browse": {},
        "preview": {"spec": SPEC},
        "reach_goal": {"spec": SPEC, "goal": {"users": 60}},
        "list_audiences": {"limit": 1},
        "saved": {"audience": "Coffee"},
        "export": {"audience": "Coffee", "key": "e"},
        "destinations": {},
        "outcome": {"audience": "Coffee"},
        "combined_users": {"operation": "or", "audiences": ["Coffee", "Wide"]},
        "capabilities": {},
        "profile": {"spec": SPEC},
    }
    for name, arguments in calls.items():
        found = ask(lambda: own, name, arguments)
        said = text(found)
        assert said, name
        assert "{" not in said, name
        missing = [each for each in needed(found.structured_content) if each not in said]
        assert missing == [], (name, said)


def test_no_number_is_written_out_whole_in_words(own: AudienceService) -> None:
    own.save(SPEC.model_copy(update={"cut": 1 / 3}), "Third", "Ada", "k")
    assert "33.33333" in own.saved("Third").definition
    assert "the likeliest 33.33 %" in text(ask(lambda: own, "saved", {"audience": "Third"}))


def test_a_sentence_is_enough_wherever_a_spec_is_taken(own: AudienceService) -> None:
    takes = [each for each in offered(Interface.MCP) if "spec" in each.input.model_fields]
    assert {each.name for each in takes} >= {"size", "reach_goal", "preview", "profile", "skew", "explain", "save"}
    whole = {"demand": DEMAND}
    assert (
        answer(own, "size", spec=DEMAND)
        == answer(own, "size", spec=whole)
        == answer(own, "size", spec=json.dumps(whole))
    )
    for each in takes:
        assert each.input.model_json_schema()["properties"]["spec"]["anyOf"][1]["type"] == "string"
        example = {name: each.example[name] for name in each.input.model_fields if name in each.example}
        assert each.input.model_validate(example | {"spec": DEMAND}).model_dump()["spec"]["demand"] == DEMAND
    assert "spec.demand" in refusal(own, "size", spec="")
    assert "spec.demand" in refusal(own, "size", spec="{}")
    assert "spec" in refusal(own, "size", spec=7)
    assert "spec" in refusal(own, "size", spec='{"a":' * 5000)

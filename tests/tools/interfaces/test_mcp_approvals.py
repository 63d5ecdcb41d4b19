"""Where a client shows questions, the person at the other end says yes before anything is kept, sent or deleted."""

from typing import Any

import pytest
from mcp_types import ElicitRequestParams, ElicitResult

from tests.tools.interfaces.mcp_asking import DEMAND, SPEC, ask, text
from tools.service import AudienceService

SAVE = {"spec": SPEC, "name": "Coffee", "approved_by": "Ada", "key": "once"}
MODES = ["auto", "legacy"]
"""A question that is an answer, and one that is asked in the middle of the call."""


class Person:
    """Answers the questions of a client."""

    def __init__(self, action: str, **content: Any) -> None:
        self.action, self.content = action, content
        self.asked: list[str] = []

    async def __call__(self, context: Any, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        filled_in = self.content if self.action == "accept" else None
        return ElicitResult(action=self.action, content=filled_in)


@pytest.mark.parametrize("mode", MODES)
def test_a_person_who_says_yes_is_the_one_who_approved(own: AudienceService, mode: str) -> None:
    person = Person("accept", approved_by="Robin")
    found = ask(lambda: own, "save", SAVE, mode=mode, elicitation_callback=person)
    assert not found.is_error, found.content
    assert [each.approved_by for each in own.list_audiences()] == ["Robin"]
    assert len(person.asked) == 1
    assert person.asked[0].startswith(f"Save an audience? spec: {DEMAND}")
    assert "Coffee" in person.asked[0]
    assert "once" not in person.asked[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_nothing_is_done_without_a_yes(own: AudienceService, mode: str, action: str) -> None:
    found = ask(lambda: own, "save", SAVE, mode=mode, elicitation_callback=Person(action))
    assert found.is_error
    assert text(found) == "The person was asked and said no to this, so 'save' did nothing."
    assert own.list_audiences() == ()


@pytest.mark.parametrize("mode", MODES)
def test_what_leaves_or_is_deleted_is_asked_about_and_what_only_looks_is_not(own: AudienceService, mode: str) -> None:
    own.save(SPEC, "Coffee", "Ada", "k")
    person = Person("accept")
    calls: dict[str, dict[str, Any]] = {
        "size": {"spec": DEMAND},
        "export": {"audience": "Coffee", "key": "e"},
        "delete_audience": {"audience": "Coffee"},
    }
    for name, arguments in calls.items():
        assert not ask(lambda: own, name, arguments, mode=mode, elicitation_callback=person).is_error
    assert person.asked == [
        "Export a saved audience? audience: Coffee; format: csv",
        "Delete a saved audience? audience: Coffee",
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_yes_to_a_question_without_fields_may_come_without_content(own: AudienceService, mode: str) -> None:
    own.save(SPEC, "Coffee", "Ada", "k")

    async def yes(context: Any, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept")

    found = ask(lambda: own, "delete_audience", {"audience": "Coffee"}, mode=mode, elicitation_callback=yes)
    assert not found.is_error, found.content
    assert own.list_audiences() == ()


def test_a_client_that_shows_no_questions_is_asked_none(own: AudienceService) -> None:
    assert not ask(lambda: own, "save", SAVE).is_error


def test_a_name_that_is_none_is_turned_down(own: AudienceService) -> None:
    found = ask(lambda: own, "save", SAVE, elicitation_callback=Person("accept", approved_by=" "))
    assert found.is_error
    assert own.list_audiences() == ()

"""Where a client shows questions, the person at the other end says yes before anything is kept, sent or deleted."""

from typing import Any

import pytest
from mcp_types import ElicitRequestParams, ElicitResult

from encoders.errors import NotAllowedError
from tests.tools.interfaces.mcp_asking import DEMAND, SPEC, anything_goes, ask, text
from tools.access.callers import Caller, Scope, current
from tools.operations.table import OPERATIONS
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


@pytest.mark.parametrize("mode", MODES)
def test_where_a_person_is_asked_for_a_token_cannot_say_yes_for_them(own: AudienceService, mode: str) -> None:
    caller = Caller(name="agent", scopes=frozenset({Scope.ADMIN}))
    own.save(SPEC, "There", "Ada", "k")
    own.settings = own.settings.model_copy(update={"approval": "person"})

    def seen() -> AudienceService:
        return own.of(current())

    for name, arguments in (("save", SAVE), ("export", {"audience": "There", "key": "e"})):
        alone = ask(seen, name, arguments, caller=caller, mode=mode)
        assert text(alone).startswith("Here a person has to say yes, and a token cannot say it for them;")
        person = Person("accept", **{"approved_by": "Robin"} if name == "save" else {})
        assert not ask(seen, name, arguments, caller=caller, mode=mode, elicitation_callback=person).is_error
    assert [each.approved_by for each in own.list_audiences()] == ["Robin", "Ada"]
    assert not ask(seen, "size", {"spec": DEMAND}, caller=caller, mode=mode).is_error
    assert not ask(seen, "save", SAVE | {"name": "Owner", "key": "o"}, mode=mode).is_error


def test_over_other_interfaces_a_token_cannot_say_yes_either(own: AudienceService) -> None:
    own.settings = own.settings.model_copy(update={"approval": "person"})
    seen = own.of(Caller(name="agent", scopes=frozenset({Scope.ADMIN})))
    asked_about = {each.name for each in OPERATIONS if each.needs_approval}
    assert asked_about >= {"save", "combine", "export", "record_outcome", "refresh", "delete_audience", "forget"}
    assert not asked_about & {"size", "tune", "cancel", "add_webhook"}
    for each in OPERATIONS:
        given = each.input.model_validate(each.example)
        if each.needs_approval:
            with pytest.raises(NotAllowedError, match="a token cannot say it"):
                each.allowed(given, anything_goes, lambda: seen)
        else:
            assert each.allowed(given, anything_goes, lambda: seen) is seen
    signal = {"signal_agent_segment_id": "x", "destinations": [{"type": "platform", "platform": "google"}]}
    signal |= {"idempotency_key": "k" * 16, "pricing_option_id": "p"}
    found = ask(lambda: seen, "activate_signal", signal)
    assert found.structured_content
    assert found.structured_content["adcp_error"]["code"] == "PERMISSION_DENIED"


def test_a_client_that_shows_no_questions_is_asked_none(own: AudienceService) -> None:
    assert not ask(lambda: own, "save", SAVE).is_error


def test_a_name_that_is_none_is_turned_down(own: AudienceService) -> None:
    found = ask(lambda: own, "save", SAVE, elicitation_callback=Person("accept", approved_by=" "))
    assert found.is_error
    assert own.list_audiences() == ()

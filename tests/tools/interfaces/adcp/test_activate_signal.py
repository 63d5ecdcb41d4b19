"""activate_signal on the planted world: saving, exporting, deployments, keys, and what is turned down."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from encoders.errors import RequestError
from tests.listening import listening
from tests.present import present
from tests.tools.interfaces.adcp.asking import AGENT, RIVAL, Json, ask, fault
from tools.access.callers import Scope
from tools.access.gate import Gate
from tools.interfaces.adcp.listing import of_sentence, saving_name
from tools.naming import NAME_LENGTH
from tools.service import AudienceService
from tools.types import AudienceSpec

COFFEE = "Households that will buy coffee in the next 28 days"
SELLER = {"type": "agent", "agent_url": "https://seller.example/mcp"}
DSP = {"type": "platform", "platform": "some-dsp", "account": "a-1"}
KEY = "key-0123456789abcdef"


def request(segment: str, *destinations: Json, **more: Any) -> Json:
    return {
        "signal_agent_segment_id": segment,
        "destinations": list(destinations),
        "pricing_option_id": "cpm",
        "idempotency_key": KEY,
        **more,
    }


def activate(service: AudienceService, segment: str, *destinations: Json, **more: Any) -> Json:
    return ask(service, "activate_signal", request(segment, *destinations, **more), AGENT)


def exports(service: AudienceService) -> list[Path]:
    kept = service.of(AGENT).tenant.workspace.exports
    return sorted(each for each in kept.glob("*") if not each.name.endswith(("-sum", "-reach")))


def test_a_sentence_is_saved_with_its_holdout_and_the_agent_gets_a_key(own: AudienceService) -> None:
    segment = ask(own, "get_signals", {"signal_spec": COFFEE}, AGENT)["signals"][0]["signal_agent_segment_id"]
    (deployment,) = activate(own, segment, SELLER)["deployments"]
    (saved,) = own.of(AGENT).list_audiences()
    assert (saved.name, saved.approved_by) == (saving_name(of_sentence(COFFEE)), "agent")
    assert saved.name.startswith(f"{COFFEE} (signal ")
    assert abs(present(saved.holdout) - 0.1 * present(saved.users)) <= 0.5, "a tenth, whichever way half a user falls"
    assert deployment.items() >= {**SELLER, "is_live": True}.items()
    assert deployment["activation_key"] == {"type": "key_value", "key": "audience", "value": saved.id}
    (listed,) = ask(own, "get_signals", {"discovery_mode": "wholesale"}, AGENT)["signals"]
    assert listed["deployments"] == [deployment]
    actions = [(each.actor, each.action) for each in own.of(AGENT).tenant.registry.audit(saved.id)]
    assert actions == [("agent", "save"), ("agent", "activate")]


def test_a_platform_gets_a_file_without_the_holdout_and_is_not_said_to_be_live(own: AudienceService) -> None:
    saved = own.of(AGENT).save(AudienceSpec(demand=COFFEE), "Morning people", "Ada")
    (deployment,) = activate(own, "morning people", DSP)["deployments"]
    assert deployment.items() >= {**DSP, "is_live": False}.items()
    assert "activation_key" not in deployment
    (file,) = exports(own)
    assert pl.read_csv(file).height == deployment["ext"]["audience_file"]["rows"]
    contacted = present(saved.users) - present(saved.holdout)
    assert abs(deployment["ext"]["audience_file"]["rows"] - contacted) < 40, "a count for tokens"
    assert deployment["ext"]["audience_file"]["left_out"] == []
    assert str(file.parent) not in str(deployment)


def test_an_activation_leaves_out_who_is_held_out_elsewhere_and_says_so(own: AudienceService) -> None:
    mine = own.of(AGENT)
    saved = mine.save(AudienceSpec(demand=COFFEE), "Morning people", "Ada", holdout=0.0)
    mine.save(AudienceSpec(demand=COFFEE), "Others", "Ada", holdout=0.4)
    held_out = set(mine.tenant.registry.members("Others")[1])
    (deployment,) = activate(own, "Morning people", DSP)["deployments"]
    (left_out,) = deployment["ext"]["audience_file"]["left_out"]
    assert (left_out["reason"], len(held_out) >= 20) == ("held out elsewhere", True)
    assert left_out["users"] is None or left_out["users"] % 5 == 0, "a count for tokens"
    signals = ask(own, "get_signals", {"discovery_mode": "wholesale"}, AGENT)["signals"]
    assert [DSP | {"is_live": False}] in [each["deployments"] for each in signals], "what is in a file is its writer's"
    members = set(mine.tenant.registry.members(saved.id)[0])
    assert deployment["ext"]["audience_file"]["rows"] == len(members - held_out) < len(members)
    mine.save(AudienceSpec(demand=COFFEE), "Most", "Ada", holdout=0.5)
    mine.tenant.registry.save_version(
        "Rest", spec=None, definition="rest", members=mine.tenant.registry.members("Morning people")[0],
        holdout_share=1.0, as_of=saved.as_of, model_version="m", data_version="d", approved_by="Ada",
    )  # fmt: skip
    answer = activate(own, "Morning people", SELLER, idempotency_key="key-fedcba9876543210")
    assert "reaches fewer than 20" in fault(answer)["message"]


def test_a_platform_that_is_known_gets_its_own_list(own: AudienceService) -> None:
    own.of(AGENT).save(AudienceSpec(demand=COFFEE), "Morning people", "Ada")
    (deployment,) = activate(own, "Morning people", {"type": "platform", "platform": "google-ads"})["deployments"]
    assert deployment["ext"]["audience_file"]["columns"] == ["Email"]
    assert [each.name.endswith("-google.csv") for each in exports(own)] == [True]


def test_a_destination_that_is_sent_the_users_is_live(own: AudienceService) -> None:
    mine = own.of(AGENT)
    saved = mine.save(AudienceSpec(demand=COFFEE), "Morning people", "Ada")
    with listening() as listener:
        mine.destinations.add("crm", listener.url)
        (deployment,) = activate(own, saved.id, {"type": "platform", "platform": "CRM"})["deployments"]
        again = activate(own, saved.id, {"type": "platform", "platform": "CRM"})
    assert deployment["is_live"] is True
    assert deployment["activation_key"] == {"type": "segment_id", "segment_id": saved.id}
    assert again["deployments"] == [deployment]
    assert len({each.headers["webhook-id"] for each in listener.heard}) == len(listener.heard) > 0


def test_a_repeated_request_is_done_once_and_another_one_is_a_conflict(own: AudienceService) -> None:
    segment = of_sentence(COFFEE).id
    first = activate(own, segment, SELLER, DSP, context={"try": 1})
    again = activate(own, segment, SELLER, DSP, context={"try": 2})
    assert again == first | {"replayed": True, "context": {"try": 2}}
    assert len(own.of(AGENT).list_audiences()) == 1
    other = fault(activate(own, segment, SELLER))
    assert (other["code"], other["field"]) == ("IDEMPOTENCY_CONFLICT", "idempotency_key")
    assert "some-dsp" not in str(other)
    fresh = activate(own, segment, SELLER, DSP, idempotency_key="another-key-123456")
    assert "replayed" not in fresh
    assert own.of(AGENT).list_audiences()[0].version == 1


@pytest.mark.parametrize("words", [COFFEE, f"{COFFEE} and {'tea or ' * 20}water"])
def test_a_sentence_never_becomes_a_version_of_what_somebody_saved(own: AudienceService, words: str) -> None:
    mine = own.of(AGENT)
    names = {words[:NAME_LENGTH].strip(), words[:NAME_LENGTH].strip().upper()}
    for name in names:
        mine.save(AudienceSpec(demand="Households that will buy tea in the next 28 days", cut=0.5), name, "Ada")
    before = mine.list_audiences()
    (deployment,) = activate(own, of_sentence(words).id, SELLER)["deployments"]
    after = {each.id: each for each in mine.list_audiences()}
    made = after.pop(deployment["activation_key"]["value"])
    assert tuple(after.values()) == before
    assert (made.version, made.approved_by) == (1, "agent")
    assert len(made.name) <= NAME_LENGTH


def test_a_sentence_is_still_the_same_audience_when_its_key_is_forgotten(own: AudienceService) -> None:
    segment, registry = of_sentence(COFFEE).id, own.of(AGENT).tenant.registry
    first = activate(own, segment, SELLER)
    with registry.database.transaction():
        registry.database.run("DELETE FROM keys")
    again = activate(own, segment, SELLER, idempotency_key="key-fedcba9876543210")
    assert again["deployments"][0]["activation_key"] == first["deployments"][0]["activation_key"]
    assert [each.version for each in registry.list()] == [1]


def test_another_caller_s_key_is_not_mine(own: AudienceService) -> None:
    colleague = AGENT.model_copy(update={"name": "colleague"})
    segment = of_sentence(COFFEE).id
    activate(own, segment, SELLER)
    theirs = ask(own, "activate_signal", request(segment, DSP), colleague)
    assert [each["type"] for each in theirs["deployments"]] == ["platform"]


def test_what_failed_is_not_kept(own: AudienceService) -> None:
    assert fault(activate(own, "Morning people", SELLER))["code"] == "SIGNAL_NOT_FOUND"
    own.of(AGENT).save(AudienceSpec(demand=COFFEE), "Morning people", "Ada")
    assert activate(own, "Morning people", SELLER)["status"] == "completed"


def test_deactivated_signals_are_in_use_nowhere_and_that_can_be_repeated(own: AudienceService) -> None:
    saved = own.of(AGENT).save(AudienceSpec(demand=COFFEE), "Morning people", "Ada")
    activate(own, saved.id, SELLER, DSP)
    for key in ("stop-key-1234567890", "stop-key-1234567891"):
        stop = activate(own, saved.id, SELLER, action="deactivate", pricing_option_id=None, idempotency_key=key)
        assert stop["deployments"] == [{**SELLER, "is_live": False}]
    left = ask(own, "get_signals", {"signal_spec": COFFEE, "destinations": [SELLER, DSP]}, AGENT)["signals"][0]
    assert [each["type"] for each in left["deployments"]] == ["agent", "platform"]
    assert left["deployments"][0] == {**SELLER, "is_live": False}
    assert "audience_file" not in str(left), "what is in a file is its writer's"


def test_what_is_not_there_and_what_is_not_hers_get_equal_errors(own: AudienceService) -> None:
    theirs = own.of(RIVAL).save(AudienceSpec(demand=COFFEE), "Rival coffee", "Bob")
    ids = (theirs.id, "Rival coffee", "aud-000000000000", "sentence-", "sentence-!!", of_sentence("x").id + "=")
    answers = [activate(own, each, SELLER) for each in ids]
    assert all(each == answers[0] for each in answers)
    assert fault(answers[0])["code"] == "SIGNAL_NOT_FOUND"


def test_a_declined_sentence_is_neither_saved_nor_activated(own: AudienceService) -> None:
    def check(spec: AudienceSpec) -> None:
        raise RequestError("Coffee is private here.")

    declined = ask(own, "activate_signal", request(of_sentence(COFFEE).id, SELLER), AGENT, check)
    assert fault(declined)["code"] == "POLICY_VIOLATION"
    assert own.of(AGENT).list_audiences() == ()


def test_a_signal_that_reaches_too_few_is_neither_saved_nor_activated(own: AudienceService) -> None:
    own.settings = own.settings.model_copy(update={"minimum_size": 10_000})
    few = activate(own, of_sentence(COFFEE).id, SELLER)
    assert fault(few)["code"] == "AUDIENCE_TOO_SMALL"
    assert own.of(AGENT).list_audiences() == ()


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"pricing_option_id": None}, "INVALID_REQUEST", "pricing_option_id"),
        ({"pricing_option_id": "free"}, "INVALID_PRICING_OPTION", "pricing_option_id"),
        ({"idempotency_key": "short"}, "INVALID_REQUEST", "idempotency_key"),
        ({"idempotency_key": None}, "INVALID_REQUEST", "idempotency_key"),
        ({"destinations": []}, "INVALID_REQUEST", "destinations"),
        ({"action": "sell"}, "INVALID_REQUEST", "action"),
        ({"account": {"account_id": "acc-1"}}, "ACCOUNT_NOT_FOUND", "account.account_id"),
        ({"adcp_major_version": 2}, "VERSION_UNSUPPORTED", "adcp_major_version"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_saved(
    own: AudienceService, change: Json, code: str, field: str
) -> None:
    error = fault(activate(own, of_sentence(COFFEE).id, SELLER, **change))
    assert (error["code"], error["field"]) == (code, field)
    assert own.of(AGENT).list_audiences() == ()


def test_a_token_without_the_scope_may_look_but_not_activate(own: AudienceService) -> None:
    reader = AGENT.model_copy(update={"scopes": frozenset({Scope.READ, Scope.SIZE})})
    refused = ask(own, "activate_signal", request(of_sentence(COFFEE).id, SELLER, context={"a": 1}), reader)
    assert fault(refused)["code"] == "PERMISSION_DENIED"
    assert refused["context"] == {"a": 1}
    assert ask(own, "get_signals", {"signal_spec": COFFEE}, reader)["status"] == "completed"


def test_a_token_that_calls_too_often_is_told_when_to_come_back(own: AudienceService) -> None:
    gate = Gate(lambda: own)
    busy = AGENT.model_copy(update={"per_minute": 1})
    assert ask(own, "get_adcp_capabilities", {}, busy, gate=gate)["status"] == "completed"
    error = fault(ask(own, "get_adcp_capabilities", {}, busy, gate=gate))
    assert (error["code"], error["recovery"]) == ("RATE_LIMITED", "transient")
    assert 1 <= error["retry_after"] <= 60


def test_a_bug_is_an_answer_too_and_says_nothing_from_inside(
    own: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(AudienceService, "size", broken)
    error = fault(ask(own, "get_signals", {"signal_spec": "coffee"}, AGENT))
    assert (error["code"], error["recovery"]) == ("SERVICE_UNAVAILABLE", "transient")
    assert "secret" not in str(error)


def test_a_task_that_is_not_offered_is_said_so_in_the_same_form(own: AudienceService) -> None:
    answer = ask(own, "create_media_buy", {"context": {"a": 1}}, AGENT)
    assert fault(answer)["code"] == "UNSUPPORTED_FEATURE"
    assert answer["context"] == {"a": 1}

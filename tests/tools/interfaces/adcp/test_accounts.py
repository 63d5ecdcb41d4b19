"""Accounts as a caller names and lists them, and what this agent says of itself."""

from typing import Any

import pytest

from tests.tools.interfaces.adcp.asking import AGENT, RIVAL, Json, ask, fault
from tools.service import AudienceService


def named(*brands: str, **more: Any) -> list[Json]:
    return [{"brand": {"domain": each}, "operator": "agency.example", "billing": "operator", **more} for each in brands]


def sync(service: AudienceService, key: str, accounts: list[Json], **more: Any) -> list[tuple[str, str]]:
    arguments = {"idempotency_key": f"{key}-0123456789abcdef", "accounts": accounts, **more}
    answer = ask(service, "sync_accounts", arguments, AGENT)
    return [(each["brand"]["domain"], each["action"]) for each in answer["accounts"]]


def listed(service: AudienceService, **more: Any) -> list[tuple[str, str]]:
    answer = ask(service, "list_accounts", more, AGENT)
    return [(each["brand"]["domain"], each["status"]) for each in answer["accounts"]]


def test_accounts_are_named_changed_listed_and_closed(own: AudienceService) -> None:
    assert sync(own, "one", named("a.example", "b.example")) == [("a.example", "created"), ("b.example", "created")]
    assert sync(own, "dry", named("c.example"), dry_run=True) == [("c.example", "created")]
    changed = [*named("a.example"), *named("b.example", billing="agent"), *named("b.example", sandbox=True)]
    actions = ["unchanged", "updated", "created"]
    assert [action for _, action in sync(own, "two", changed)] == actions
    assert [action for _, action in sync(own, "two", changed)] == actions
    assert listed(own) == [("a.example", "active"), ("b.example", "active"), ("b.example", "active")]
    assert listed(own, sandbox=True) == [("b.example", "active")]
    sync(own, "three", named("a.example"), delete_missing=True)
    assert listed(own, status="active") == [("a.example", "active")]
    assert len(listed(own, status="closed")) == 2


def test_accounts_belong_to_the_caller_who_named_them(own: AudienceService) -> None:
    sync(own, "one", named("a.example"))
    (mine,) = ask(own, "list_accounts", {}, AGENT)["accounts"]
    colleague = AGENT.model_copy(update={"name": "colleague"})
    question = {"signal_spec": "coffee", "account": {"account_id": mine["account_id"]}}
    assert ask(own, "get_signals", question, AGENT)["status"] == "completed"
    for caller in (colleague, RIVAL):
        assert ask(own, "list_accounts", {}, caller)["accounts"] == []
        assert fault(ask(own, "get_signals", question, caller))["code"] == "ACCOUNT_NOT_FOUND"
    unknown = question | {"account": {"account_id": "acc-0"}}
    assert ask(own, "get_signals", unknown, AGENT) == ask(own, "get_signals", question, RIVAL)


@pytest.mark.parametrize("bad", [{"billing": "nobody"}, {"operator": "not a domain"}, {"brand": {}}])
def test_an_account_that_does_not_fit_changes_nothing(own: AudienceService, bad: Json) -> None:
    accounts = [*named("a.example"), {**named("b.example")[0], **bad}]
    arguments = {"idempotency_key": "key-0123456789abcdef", "accounts": accounts}
    assert fault(ask(own, "sync_accounts", arguments, AGENT))["code"] == "INVALID_REQUEST"
    assert listed(own) == []


def test_it_says_what_it_offers_and_only_what_is_asked_about(own: AudienceService) -> None:
    all_of_it = ask(own, "get_adcp_capabilities", {}, AGENT)
    assert all_of_it["supported_protocols"] == ["signals"]
    assert all_of_it["specialisms"] == ["signal-owned"]
    assert all_of_it["adcp"]["supported_versions"] == ["3.0", "3.1", "3.2"]
    assert all_of_it["signals"]["discovery_modes"] == ["brief", "wholesale"]
    assert "signals" not in ask(own, "get_adcp_capabilities", {"protocols": ["media_buy"]}, AGENT)

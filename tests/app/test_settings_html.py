"""What the place Settings shows, as HTML: where each setting comes from, and no secret."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.models.trying import Tried
from agent.models.usage import Usage
from agent.page.settings import access, model
from agent.page.settings.variables import variable, variables, variables_table
from encoders.settings import Settings
from tests.app.place_doubles import HOSTILE
from tools.access.callers import Caller, Scope, TokenCard
from tools.delivery.posting import PostResult
from tools.operation_types import Delivery, DestinationCard, Subscription
from tools.workers import retention_rules

KEY, PASSWORD = "sk-canary-key", "canary-password"
NOW = datetime(2017, 10, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AUDIENCE_CHAT_MODEL", "server:tiny")
    monkeypatch.setenv("AUDIENCE_CHAT_URL", f"http://robin:{PASSWORD}@127.0.0.1:11434/v1")
    monkeypatch.setenv("AUDIENCE_CHAT_KEY", KEY)
    return Settings(workspace=Path("nowhere"), _env_file=None)


def test_each_setting_says_where_it_comes_from_and_no_secret_is_shown(told: Settings) -> None:
    assert len(list(variables(told))) == len(Settings.model_fields)
    key, seed = variable(told, "chat_key"), variable(told, "seed")
    assert (key.name, key.value, key.is_set) == ("AUDIENCE_CHAT_KEY", "set, not shown", True)
    assert (seed.name, seed.value, seed.is_set) == ("AUDIENCE_SEED", "7", False)
    assert variable(told.model_copy(update={"chat_key": SecretStr("")}), "chat_key").value == "not set"
    shown = variables_table(told) + model.model_card(told)
    assert KEY not in shown
    assert PASSWORD not in shown
    assert "***@127.0.0.1:11434" in shown
    assert "set by <code>AUDIENCE_CHAT_MODEL</code>" in shown


def test_the_rules_need_no_key_and_no_test() -> None:
    card = model.model_card(Settings(_env_file=None))
    assert "Built-in rules" in card
    assert "Key" not in card
    assert "need no test" in model.tried(None)


def test_cost_is_told_in_money_where_prices_are_set() -> None:
    used = Usage(calls=3, input_tokens=1200, output_tokens=80, untold=1)
    priced = model.cost(used.model_copy(update={"dollars": 0.0021}), 2, True)
    assert "$0.0021" in priced
    assert "2 conversations" in priced
    assert "1 did not tell" in priced
    assert "no prices are set" in model.cost(used, 1, True)
    assert model.cost(Usage(), 0, False) == ""
    assert "No conversation" in model.cost(Usage(), 0, True)


def test_a_test_says_what_came_back() -> None:
    good = Tried(
        name=f"tiny {HOSTILE}", calls_tools=True, words="", seconds=1.24,
        usage=Usage(calls=1, input_tokens=80, output_tokens=5, dollars=0.0001),
    )  # fmt: skip
    said = model.tried(good)
    assert HOSTILE not in said
    for part in ("called the tool", "1.2 seconds", "80 tokens read, 5 written", "$0.0001"):
        assert part in said
    talks = model.tried(good.model_copy(update={"calls_tools": False, "words": HOSTILE}))
    assert "without calling the tool" in talks
    assert HOSTILE not in talks
    assert 'role="alert"' in talks


def token(name: str, **more: object) -> TokenCard:
    caller = Caller(name=name, scopes=frozenset({Scope.READ, Scope.SIZE}), per_minute=600, tenant="shop")
    return TokenCard.model_validate({"caller": caller, "created": NOW, "expires": None, "revoked": None} | more)


def test_a_token_is_revoked_only_after_what_that_means_was_read() -> None:
    cards = [token("gone", revoked=NOW), token("agent", expires=NOW.replace(year=2999))]
    told = access.tokens(cards, True)
    assert told.index("agent") < told.index("gone")
    assert told.count("<button") == 1
    assert "until 1 October 2999" in told
    asked = access.tokens(cards, True, "agent")
    assert "cannot be undone" in asked
    assert 'data-act="revoke" data-of="agent"' in asked
    assert 'data-act="revoke"' not in access.tokens(cards, True, "gone")
    assert "for good" in access.tokens([], False)
    assert "is gone" in access.tokens([], True)


def test_a_webhook_shows_its_latest_message_and_what_is_lost_with_it() -> None:
    hook = Subscription(
        id="wh-1",
        url=f"https://example.com/{HOSTILE}",
        events=("audience.ready",),
        created=NOW,
        disabled="answered 410",
    )
    waits = Delivery(
        id="m1", webhook="wh-1", url=hook.url, event="audience.ready", audience="a1", version=1, created=NOW,
        state="waiting", tries=2, due=NOW, answer="answered 503",
    )  # fmt: skip
    told = access.webhooks([hook], [waits])
    for part in ("waiting", "2 tries, answered 503", "off: answered 410", "12:30"):
        assert part in told
    assert HOSTILE not in told
    assert "1 message that waits for it is given up" in access.webhooks([hook], [waits], "wh-1")
    assert "Nobody is told yet" in access.webhooks([], [])
    assert access.tested(hook.url, PostResult(204, "answered 204"))[1]
    assert not access.tested(hook.url, PostResult(0, "no connection"))[1]


def test_only_destinations_of_ones_own_can_be_removed() -> None:
    found = [
        DestinationCard(key="meta", name="Meta", kind="file"),
        DestinationCard(key="crm", name="crm", kind="webhook", url="https://example.com"),
        DestinationCard(key="db", name="db", kind="table", table="marketing.members"),
        DestinationCard(key="x", name="x", kind="plugin", problem=HOSTILE),
    ]
    told = access.destinations(found)
    assert told.count("<button") == 2
    assert told.index("crm") < told.index("Meta")
    assert HOSTILE not in told
    assert "rows in the table stay" in access.destinations(found, "db")
    assert 'data-act="remove"' not in access.destinations(found, "meta")
    assert "None of your own" in access.destinations(found[:1])


def test_what_is_kept_says_how_long_and_which_variable_changes_it(told: Settings) -> None:
    shown = access.retention(retention_rules(told), told)
    assert "7 days" in shown
    assert "90 days" in shown
    assert "good, until somebody deletes them" in shown
    assert "AUDIENCE_RETENTION_DAYS" in shown

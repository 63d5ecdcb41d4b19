"""``audience token`` and ``audience audit``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.access.callers import Scope, Tokens
from tools.storage.registry import Registry

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path))
    settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr


def test_a_token_is_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    assert "There is no token" in run("token", "list").stdout
    made = run("token", "create", "shop-agent", "--scopes", "read, preview", "--tenant", "shop", "--days", "30")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    with Tokens(Workspace(tmp_path).tokens) as tokens:
        assert tokens.caller(token).scopes == {Scope.READ, Scope.PREVIEW}
    listed = run("token", "list").stdout
    assert "shop-agent: valid, until " in listed
    assert "; preview, read, tenant shop; 600 calls a minute" in listed
    assert token not in listed + run("token", "list", "--json").stdout
    assert run("token", "revoke", "shop-agent").exit_code == 0
    assert json.loads(run("token", "list", "--json").stdout)[0]["state"] == "revoked"


def test_what_cannot_be_is_said_in_one_line(run: Run) -> None:
    fails_in_one_line(run("token", "create", "x", "--scopes", "everything"), "'everything' is no scope; there are read")
    fails_in_one_line(run("token", "create", "X Y"), "cannot name a token")
    fails_in_one_line(run("token", "revoke", "x"), "There is no token 'x'")


def test_no_start_on_a_public_address_without_a_token(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIENCE_HOST", "0.0.0.0")
    settings.cache_clear()
    fails_in_one_line(run("serve"), "0.0.0.0 can be reached by other machines, and there is no token")
    run("token", "create", "me", "--scopes", "admin")
    run("token", "revoke", "me")
    fails_in_one_line(run("serve"), "there is no token that would keep strangers out")


@pytest.mark.parametrize(
    ("hosts", "words"),
    [("https://audience.test", "https://audience.test can be reached by other machines"), ("a/b", "is no name")],
)
def test_no_start_behind_a_proxy_without_a_token(
    run: Run, monkeypatch: pytest.MonkeyPatch, hosts: str, words: str
) -> None:
    monkeypatch.setenv("AUDIENCE_HOSTS", hosts)
    settings.cache_clear()
    fails_in_one_line(run("serve"), words)


def test_the_audit_lines_of_a_tenant(run: Run, tmp_path: Path) -> None:
    assert "Nothing was done yet" in run("audit").stdout
    with Registry(Workspace(tmp_path, "shop").registry) as registry:
        registry.record("agent", "call", details={"operation": "size", "outcome": "answered"})
        registry.record("agent", "call", details={"operation": "save", "outcome": "refused"})
    assert "Nothing was done yet" in run("audit").stdout
    assert (
        run("audit", "--tenant", "shop")
        .stdout.splitlines()[-1]
        .endswith("agent: call (operation save, outcome refused)")
    )
    found = json.loads(run("audit", "--tenant", "shop", "--limit", "1", "--json").stdout)
    assert [line["details"]["operation"] for line in found] == ["save"]
    fails_in_one_line(run("audit", "Coffee"), "There is no saved audience 'Coffee'")

"""``audience webhook``, ``destination``, ``export`` and ``drift``, on the trained planted world."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.listening import listening, signed
from tests.planted import world_settings
from tools.service import AudienceService
from tools.types import AudienceSpec

Run = Callable[..., Result]


@pytest.fixture
def run(own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a trained workspace in which nothing is saved."""
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    monkeypatch.setenv("AUDIENCE_MINIMUM_SIZE", "20")
    monkeypatch.setenv("AUDIENCE_TEXT_ENCODER", "use")
    settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr


def save(workspace: Workspace) -> None:
    with closing(AudienceService.open(world_settings(workspace.path))) as service:
        spec = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
        service.save(spec, "Coffee", "Ada", holdout=0.2)


def test_from_a_webhook_to_its_delivery_and_an_export(run: Run, own_workspace: Workspace) -> None:
    assert "There is no webhook" in run("webhook", "list").stdout
    with listening() as listener:
        made = json.loads(run("webhook", "add", listener.url, "--events", "audience.ready", "--json").stdout)
        crm = run("destination", "add", "crm", listener.url)
        assert crm.exit_code == 0, crm.output
        assert made["id"] in run("webhook", "list").stdout
        assert made["secret"] not in run("webhook", "list", "--json").stdout
        assert "There is no message yet." in run("webhook", "deliveries").stdout
        save(own_workspace)
        assert "audience.ready aud-" in run("webhook", "deliveries").stdout
        assert ": waiting (0 tries, next " in run("webhook", "deliveries").stdout
        assert run("webhook", "send").stdout.startswith("1 tried")
        [heard] = listener.heard
        assert signed(heard, made["secret"])
        assert ": delivered (1 try, answered 204)" in run("webhook", "deliveries").stdout
        done = run("export", "coffee", "--to", "crm", "--parquet")
        assert "90 rows, 22 held out, sent to crm in 1 batch" in done.stdout
        assert len(listener.heard[-1].data["people"]) == 90
    assert "is told nothing more" in run("webhook", "remove", made["id"]).stdout
    assert f"crm: crm, {listener.url}" in run("destination", "list").stdout
    assert run("destination", "remove", "crm").stdout == "Removed: crm\n"
    fails_in_one_line(
        run("export", "coffee", "--to", "crm"), "There is no platform 'crm' here; export for Google, Meta"
    )
    fails_in_one_line(run("webhook", "remove", "wh-1"), "There is no webhook 'wh-1'")
    fails_in_one_line(run("webhook", "add", "nowhere"), "is no address to send to")


def test_each_tenant_has_her_own(run: Run, own_workspace: Workspace) -> None:
    assert run("webhook", "add", "https://example.com/a", "--tenant", "acme").exit_code == 0
    assert "There is no webhook" in run("webhook", "list").stdout
    assert "https://example.com/a" in run("webhook", "list", "--tenant", "acme").stdout
    assert (own_workspace.path / "tenants" / "acme" / "registry.db").is_file()
    fails_in_one_line(run("webhook", "list", "--tenant", "../acme"), "cannot name a tenant")


def test_drift_of_one_and_of_all(run: Run, own_workspace: Workspace) -> None:
    assert run("drift").stdout == "No audience is saved yet.\n"
    save(own_workspace)
    one = run("drift", "coffee")
    assert one.exit_code == 0, one.output
    assert "as saved. As of " in one.stdout
    assert (
        "112 of 112 are still in, fewer than 20 would come and fewer than 20 leave; 0% moved beyond the interval."
        in one.stdout
    )
    assert run("drift").stdout == one.stdout
    assert json.loads(run("drift", "--json").stdout)["audiences"][0]["reasons"] == []
    fails_in_one_line(run("drift", "tea"), "There is no saved audience 'tea'")


def test_an_exported_table_of_users(run: Run, own_workspace: Workspace) -> None:
    save(own_workspace)
    done = json.loads(run("export", "coffee", "--json").stdout)
    assert (done["platform"], done["batches"], done["rows"]) == ("", 0, 90)
    assert Path(done["path"]).read_text().startswith("user_id,email_sha256")

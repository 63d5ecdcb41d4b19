"""``audience outcome`` and ``audience refresh``, on the trained planted world."""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.planted import AS_OF, world_settings
from tools.service import AudienceService
from tools.types import AudienceSpec

Run = Callable[..., Result]


@pytest.fixture
def run(own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a workspace with one saved audience."""
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    monkeypatch.setenv("AUDIENCE_MINIMUM_SIZE", "5")
    monkeypatch.setenv("AUDIENCE_TEXT_ENCODER", "use")
    settings.cache_clear()
    with closing(AudienceService.open(world_settings(own_workspace.path))) as service:
        spec = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
        service.save(spec, "Coffee", "Ada", holdout=0.2)
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert words in result.stderr


def test_an_outcome_is_recorded_and_shown_again(run: Run, tmp_path: Path) -> None:
    fails_in_one_line(run("outcome", "Coffee"), "No outcome of 'Coffee' was recorded yet; give a FILE")
    (tmp_path / "out.csv").write_text("user_id\n" + "\n".join(f"h{number:03}" for number in range(0, 400, 4)))
    told = run("outcome", "coffee", str(tmp_path / "out.csv"), "--by", "Ada")
    assert told.exit_code == 0, told.output
    assert "Contacted: " in told.stdout
    assert "Uplift: " in told.stdout
    assert "Forecast: " in told.stdout
    assert run("outcome", "Coffee").stdout == told.stdout
    found = json.loads(run("outcome", "Coffee", "--from-data", "--json").stdout)
    assert (found["source"], found["recorded_by"]) == ("data", "command line")
    assert found["contacted"]["rate"]["low"] < found["contacted"]["rate"]["mid"]
    fails_in_one_line(run("outcome", "Coffee", "a.csv", "--from-data"), "either a FILE or --from-data")
    fails_in_one_line(run("outcome", "Tea", "a.csv"), "There is no saved audience 'Tea'")
    fails_in_one_line(run("outcome", "Coffee", "none.csv"), "There is no file none.csv")
    fails_in_one_line(run("outcome", "Coffee", "--from-data", "--version", "7"), "has the versions 1 to 1, not 7")


def test_what_needs_no_model_opens_none(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a service was opened")

    monkeypatch.setattr(AudienceService, "open", refuse)
    (tmp_path / "out.csv").write_text("user_id\n" + "\n".join(f"h{number:03}" for number in range(0, 400, 4)))
    for command in (("outcome", "Coffee", str(tmp_path / "out.csv")), ("outcome", "Coffee"), ("export", "Coffee")):
        done = run(*command)
        assert done.exit_code == 0, done.output
    told = run("ledger")
    assert told.exit_code == 0, told.output
    assert "Coffee (v1)" in told.stdout
    page = json.loads(run("ledger", "--json").stdout)
    assert (page["overall"]["counted"], page["forecasts"][0]["name"]) == (1, "Coffee")
    assert run("ledger", "--tenant", "nobody").stdout == "No audience is saved yet.\n"
    listed = run("list")
    assert listed.stdout.startswith("Coffee (version 1, as of ")
    assert [each["name"] for each in json.loads(run("list", "--json").stdout)] == ["Coffee"]
    assert run("list", "--tenant", "nobody").stdout == "No audience is saved yet.\n"
    assert [line["action"] for line in json.loads(run("audit", "--json").stdout)] == ["save", "outcome", "export"]


def test_a_refresh_says_who_came_and_left(run: Run) -> None:
    fails_in_one_line(run("refresh", "Coffee"), "'Coffee' is as of 2024-06-21 already; name a later day")
    fails_in_one_line(run("refresh", "Coffee", "--as-of", "2030-01-01"), "The data ends on")
    told = run("refresh", "Coffee", "--as-of", str(AS_OF + timedelta(days=7)))
    assert told.exit_code == 0, told.output
    assert "Coffee is now version 2, as of 2024-06-28" in told.stdout
    assert "Some of those who came, masked:" in told.stdout


def test_all_are_refreshed_and_those_that_were_not_are_told(run: Run) -> None:
    fails_in_one_line(run("refresh"), "Say which audience to refresh, or --all")
    fails_in_one_line(run("refresh", "Coffee", "--all"), "Say which audience to refresh, or --all")
    told = run("refresh", "--all", "--as-of", str(AS_OF + timedelta(days=7)))
    assert told.exit_code == 0, told.output
    assert "Coffee is now version 2, as of 2024-06-28" in told.stdout
    again = json.loads(run("refresh", "--all", "--as-of", str(AS_OF + timedelta(days=7)), "--json").stdout)
    assert again["refreshed"] == []
    assert again["not_refreshed"]["Coffee"].startswith("'Coffee' is as of 2024-06-28 already")

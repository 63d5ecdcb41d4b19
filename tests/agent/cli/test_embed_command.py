"""``audience embed``, on the trained planted world."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.interfaces.iab import Envelope, demand_embedding
from tools.service import AudienceService

DEMAND = "Households that will buy coffee in the next 28 days"
Run = Callable[..., Result]


@pytest.fixture
def run(own_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a trained workspace, in an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    monkeypatch.setenv("AUDIENCE_TEXT_ENCODER", "use")
    settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


def expected() -> Envelope:
    with closing(AudienceService.open(settings())) as service:
        return demand_embedding(service, DEMAND)


def test_the_message_is_that_of_the_service(run: Run) -> None:
    result = run("embed", DEMAND, "--json")
    assert result.exit_code == 0, result.output
    assert Envelope.model_validate_json(result.stdout) == expected()
    assert json.loads(result.stdout)["embeddings"][0]["type"] == "query"


def test_in_words_it_names_the_space(run: Run) -> None:
    result = run("embed", DEMAND)
    assert result.exit_code == 0, result.output
    assert expected().model.embedding_space_id in result.stdout


def test_no_demand_fails_in_one_line(run: Run) -> None:
    result = run("embed", " ")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1

"""`audience ask --requests`: a file of requests, one line of answer each."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from encoders.settings import settings
from tests.agent.agent_doubles import PlantedService
from tools.service import AudienceService
from tools.types import GroupHit


@pytest.fixture(autouse=True)
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(AudienceService, "open", lambda settings: PlantedService())
    settings.cache_clear()
    return tmp_path


def answered(desk: Path, *lines: str) -> list[dict[str, Any]]:
    (desk / "requests.jsonl").write_text("\n".join(lines), "utf-8")
    result = CliRunner().invoke(app, ["ask", "--requests", "requests.jsonl", "--out", "answers.jsonl", "--json"])
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in (desk / "answers.jsonl").read_text("utf-8").splitlines()]
    assert json.loads(result.stdout) == {
        "requests": len(found),
        "errors": sum(each["error"] is not None for each in found),
    }
    return found


def test_every_line_is_answered_in_its_place(desk: Path) -> None:
    coffee, baby = answered(desk, '{"id": "a", "request": "coffee"}', "", '{"id": 7, "request": "our new baby line"}')
    assert list(coffee) == ["id", "demand", "spec", "questions", "reads_as", "refused", "error"]
    assert (coffee["id"], coffee["demand"]) == ("a", "Households that will buy coffee in the next 28 days")
    assert coffee["spec"]["demand"] == coffee["demand"]
    assert (baby["id"], baby["error"]) == ("7", None)
    assert baby["questions"]
    assert baby["demand"]


def test_what_is_refused_says_why(desk: Path) -> None:
    [refused] = answered(desk, '{"id": "1", "request": "people who are muslim"}')
    assert refused["refused"] == "religious_beliefs"
    assert refused["demand"] is None


def test_one_bad_line_costs_one_error(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AudienceService, "open", lambda settings: Broken())
    found = answered(
        desk,
        "{",
        '{"id": "b"}',
        '{"id": "c", "request": "break"}',
        '{"id": "d", "request": "tea"}',
        '{"id": "d", "request": "tea"}',
    )
    assert [each["id"] for each in found] == ["line 1", "line 2", "c", "d", "d"]
    errors = [each["error"] for each in found]
    assert errors[0] == 'Line 1 is not JSON; expected {"id": "...", "request": "..."}.'
    assert errors[1] == "Line 2: request: Field required."
    assert "ZeroDivisionError" in str(errors[2])
    assert (errors[3], errors[4]) == (None, "Line 5: the id 'd' occurs twice.")


class Broken(PlantedService):
    def search_groups(self, words: str, limit: int = 8) -> tuple[GroupHit, ...]:
        if "break" in words:
            raise ZeroDivisionError
        return super().search_groups(words, limit)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask"], "--requests"),
        (["ask", "tea", "--requests", "r.jsonl", "--out", "a.jsonl"], "--requests"),
        (["ask", "--requests", "r.jsonl"], "--out"),
        (["ask", "tea", "--out", "a.jsonl"], "--out"),
        (["ask", "--requests", "r.jsonl", "--out", "a.jsonl"], "r.jsonl cannot be read"),
    ],
)
def test_what_does_not_fit_together_is_said_and_nothing_is_written(arguments: list[str], said: str, desk: Path) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (desk / "a.jsonl").exists()

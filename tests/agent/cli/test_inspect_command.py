"""``audience inspect``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.settings import settings

Run = Callable[..., Result]

ORDERS = "customer_id,ordered_on,product_name\n" + "".join(
    f"{number % 9},2024-03-{number % 28 + 1:02d},{('green tea', 'oat milk')[number % 2]}\n" for number in range(60)
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    (tmp_path / "orders.csv").write_text(ORDERS)
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
    assert words in result.stderr


def test_from_a_file_to_prepared_data_and_its_summary(run: Run) -> None:
    told = run("inspect", "orders.csv", "--out", "shop.toml")
    assert told.exit_code == 0, told.output
    assert told.stdout.endswith("Wrote shop.toml.\nNext: read it, then 'audience prepare shop.toml'.\n")
    assert "time: \"ordered_on\"; 100 % of 60 rows fit: '2024-03-01'" in told.stdout
    made = run("prepare", "shop.toml")
    assert made.exit_code == 0, made.output
    assert "  purchases: 60 events of 9 customers, 2024-03-01 to 2024-03-28" in made.stdout
    later = run("inspect")
    assert "60 rows read: 60 events, 0 rows left out" in later.stdout
    assert "  purchases: 60 events of 9 customers, 2024-03-01 to 2024-03-28" in later.stdout
    assert json.loads(run("inspect", "--json").stdout)["summary"]["rows"] == 60


def test_what_is_printed_is_the_spec(run: Run, tmp_path: Path) -> None:
    (tmp_path / "printed.toml").write_text(run("inspect", "orders.csv").stdout)
    assert run("prepare", "printed.toml").exit_code == 0


def test_what_nobody_can_tell_is_said_and_stops_prepare(run: Run, tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(ORDERS.replace("green tea", "17").replace("oat milk", "18"))
    told = run("inspect", "codes.csv", "--out", "shop.toml")
    assert told.exit_code == 0
    assert "1 of its entries is to be chosen by you first: item." in told.stdout
    fails_in_one_line(run("prepare", "shop.toml"), "'sources.1.item' is not chosen yet")
    found = json.loads(run("inspect", "codes.csv", "--json").stdout)
    assert [each["entry"] for each in found["to_choose"]] == ["item"]


def test_bad_input_is_one_line(run: Run, tmp_path: Path) -> None:
    fails_in_one_line(run("inspect", "missing.csv"), "There is no file missing.csv")
    fails_in_one_line(run("inspect", "."), "is a folder")
    fails_in_one_line(run("inspect"), "No prepared data in")
    (tmp_path / "shop.toml").write_text("mine")
    fails_in_one_line(run("inspect", "orders.csv", "--out", "shop.toml"), "is there already")
    assert (tmp_path / "shop.toml").read_text() == "mine"
    fails_in_one_line(run("inspect", "orders.csv", "--out", "no/shop.toml"), "There is no folder no")

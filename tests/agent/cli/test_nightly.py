"""The nightly run: all its steps beside each other, and what is told where one fails."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from agent.cli.main import app
from encoders.settings import settings
from encoders.train import train
from encoders.workspace import Workspace
from tests.listening import Listener, listening
from tests.planted import TINY_RECIPE
from tools.storage.indexing import is_indexed, newest_version
from tools.storage.registry import Registry

pytestmark = pytest.mark.slow

SPEC = """
name = "planted"
title = "A shop"
main_source = "purchases"
[[sources]]
name = "purchases"
action = "buy"
wording = "buy {items}"
files = ["orders-*.csv"]
user_id = "user"
time = "at"
item = "{product}"
group = "{kind}"
"""
KINDS = {"coffee": 3, "tea": 4, "bread": 2, "milk": 5, "wine": 7}
USERS = [f"u{number:03}" for number in range(120)]
FIRST = date(2026, 1, 1)


def orders(first: int, last: int) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    for day in range(first, last):
        for number, user in enumerate(USERS):
            for place, (kind, every) in enumerate(KINDS.items()):
                if (day * 7 + number * (place + 1)) % (every * 6) == 0:
                    at = f"{FIRST + timedelta(days=day)}T10:00:00"
                    rows.append({"user": user, "at": at, "product": f"{kind} {number % 3}", "kind": kind})
    return pl.DataFrame(rows)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "shop.toml").write_text(SPEC)
    orders(0, 150).write_csv(tmp_path / "orders-1.csv")
    for name, value in {"WORKSPACE": tmp_path / "workspace", "TEXT_ENCODER": "use", "MINIMUM_SIZE": 5}.items():
        monkeypatch.setenv(f"AUDIENCE_{name}", str(value))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as found:
        yield found


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        app(list(arguments))
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_a_night_goes_through_and_a_night_that_fails_is_told(
    shop: Path, capsys: pytest.CaptureFixture[str], listener: Listener
) -> None:
    workspace, spec = Workspace(shop / "workspace"), str(shop / "shop.toml")
    assert run(capsys, "prepare", spec)[0] == 0
    train(workspace, settings(), recipe=TINY_RECIPE)
    assert run(capsys, "index")[0] == 0
    assert run(capsys, "webhook", "add", listener.url, "--events", "nightly.failed")[0] == 0
    orders(150, 151).write_csv(shop / "orders-2.csv")
    code, out, err = run(capsys, "nightly", spec, "--json")
    assert code == 0, err
    done = json.loads(out)
    assert list(done) == ["prepare", "model", "index", "refresh", "ledger"]
    assert done["model"]["verdict"] == "keep"
    assert is_indexed(workspace, newest_version(workspace, settings()))
    orders(151, 152).head(1).write_csv(shop / "orders-3.csv")
    before = workspace.data
    code, out, err = run(capsys, "nightly", spec)
    assert (code, workspace.data) == (2, before)
    assert "the nightly run failed in the step 'prepare'" in err
    assert "--accept-drift" in err
    [told] = listener.heard
    assert json.loads(told.body)["type"] == "nightly.failed"
    assert told.data["step"] == "prepare"
    assert "far from the data prepared before" in told.data["why"]
    with Registry(workspace.registry) as registry:
        assert registry.list() == ()

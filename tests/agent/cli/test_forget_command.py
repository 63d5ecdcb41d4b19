"""``audience forget`` and ``audience delete``."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders.data.erasing import Forgotten
from encoders.settings import settings
from encoders.workspace import Workspace
from tools.storage.registry import Registry

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a workspace with one saved audience and its file."""
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path))
    settings.cache_clear()
    workspace = Workspace(tmp_path)
    with Registry(workspace.registry) as registry:
        saved = registry.save_version(
            "Tea", spec=None, definition="tea", members=["cust-1", "cust-22"], holdout_share=0.0,
            as_of=date(2024, 6, 21), model_version="m", data_version="d", approved_by="Ada",
        )  # fmt: skip
    workspace.exports.mkdir()
    (workspace.exports / f"{saved.id}-v1.csv").write_text("user_id\ncust-1\ncust-22\n")
    (workspace.exports / "aud-0-v1.csv").write_text("user_id\ncust-1\n")
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert (result.stdout, len(result.stderr.splitlines())) == ("", 1)
    assert words in result.stderr


def test_forgetting_says_what_was_changed_and_what_is_not_ours(run: Run, tmp_path: Path) -> None:
    told = run("forget", "cust-1", "cust-99", "--by", "Ada")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("Erased: 2 users, from 4 places. Receipt: erasure-")  # the backup as well
    assert "  registry.db: 1\n" in told.stdout
    assert "The tables that the data is prepared from" in told.stdout
    assert (
        "No users of the data, so look at how they are written: cust-99. Traces of them were erased.\n" in told.stdout
    )
    assert "cust-1" not in told.stdout
    assert [path.read_text() for path in sorted(tmp_path.glob("exports/*"))] == ["user_id\n", "user_id\ncust-22\n"]
    assert Forgotten(Workspace(tmp_path)).among(["cust-1", "cust-22"]) == {"cust-1"}
    [receipt] = tmp_path.glob("erasures/*.json")
    assert json.loads(receipt.read_text())["erased_by"] == "Ada"
    assert "cust-99" not in receipt.read_text()
    again = json.loads(run("forget", "cust-1", "cust-77", "--json").stdout)
    assert (again["places"], again["unknown"]) == ([], ["cust-77"])
    for mask in ("W3QK-7T1Z-0M9X-C5RD", "household w3qk7t1z0m9xc5rd"):
        fails_in_one_line(run("forget", "cust-22", mask), "is a mask, as users are shown; masks are not taken here")
    assert not Forgotten(Workspace(tmp_path)).has_user("cust-22")
    fails_in_one_line(run("forget", " "), "Name at least one user to erase.")


def test_deleting_an_audience_takes_its_files_along(run: Run, tmp_path: Path) -> None:
    fails_in_one_line(run("delete", "audience", "Coffee"), "There is no saved audience 'Coffee'")
    told = run("delete", "audience", "tea")
    assert (told.exit_code, told.stdout) == (
        0,
        "Deleted: Tea, versions 1 to 1, and its files. The page and 'restore' bring it back for 7 days, without its "
        "files.\n",
    )
    assert [path.name for path in tmp_path.glob("exports/*")] == ["aud-0-v1.csv"]
    assert run("delete", "export", "aud-0-v1.csv").exit_code == 0
    fails_in_one_line(run("delete", "export", "aud-0-v1.csv"), "There is no exported file 'aud-0-v1.csv'")
    fails_in_one_line(run("delete", "export", "../registry.db"), "There is no exported file")
    fails_in_one_line(run("delete", "audience", "Tea", "--tenant", "shop"), "There is no saved audience 'Tea'")


def test_deleting_a_conversation(run: Run, tmp_path: Path) -> None:
    fails_in_one_line(run("delete", "conversation", "abc"), "There is no conversation 'abc'")
    with closing(sqlite3.connect(tmp_path / "checkpoints.db", check_same_thread=False)) as db:
        config = {"configurable": {"thread_id": "abc", "checkpoint_ns": ""}}
        SqliteSaver(db).put(config, empty_checkpoint(), {}, {})  # type: ignore[arg-type]
    assert run("delete", "conversation", "chat abc").stdout == "Deleted: conversation chat abc\n"
    fails_in_one_line(run("delete", "conversation", "abc"), "There is no conversation 'abc'")


def test_data_prepared_later_is_without_them(run: Run, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "shop.toml").write_text(
        'name = "shop"\ntitle = "Shop"\nmain_source = "orders"\n[[sources]]\nname = "orders"\naction = "buy"\n'
        'wording = "buy {items}"\nfiles = ["orders.csv"]\nuser_id = "who"\ntime = "at"\nitem = "{what}"\n'
    )
    rows = ["who,at,what", *(f"cust-{user},2026-01-0{day},tea" for user in (1, 2) for day in (1, 2))]
    (shop / "orders.csv").write_text("\n".join(rows))
    assert run("forget", "cust-1").exit_code == 0
    (shop / "orders.csv").write_text("\n".join(rows))  # here the company's tables lie in the workspace; most do not
    told = run("prepare", str(shop / "shop.toml"))
    assert told.exit_code == 0, told.output
    assert "2 rows left out: orders: forgotten" in told.stdout
    assert "cust-1" not in told.stdout

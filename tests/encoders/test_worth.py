"""Whether training again would pay: what a model promised, held against what then happened."""

import shutil
from dataclasses import fields
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from encoders.data.events import Dataset
from encoders.data.folders import About, Tables, write_folder
from encoders.data.versions import publish
from encoders.errors import ModelError, NotThereError
from encoders.model_folder import choose_model, chosen_model, usable_model
from encoders.workspace import Workspace
from encoders.worth import WORSE, check_model, promised_by
from tests.planted import AS_OF, DAYS, FIRST, TINY_RECIPE, world_settings
from tools.audiences.quality import model_card
from tools.storage.indexing import pointers

END = FIRST + timedelta(days=DAYS)


def prepare_until(workspace: Workspace, day: date, shuffled: bool = False) -> None:
    """The same data, as of a later day; or with what was done after the model's day done by other users."""
    dataset = Dataset.current(workspace)
    events = pl.read_parquet(dataset.folder / "events.parquet")
    events = events.join(dataset.items.drop("source"), on="item_id").drop("item_id")
    if shuffled:
        late = pl.col("time") >= pl.lit(AS_OF).cast(pl.Datetime("us"))
        users = events["user_id"].unique().sort()
        other = dict(zip(users, np.random.default_rng(1).permutation(users.to_list()), strict=True))
        events = events.with_columns(
            pl.when(late).then(pl.col("user_id").replace(other)).otherwise("user_id").alias("user_id")
        )
    about = About(**{each.name: getattr(dataset.card, each.name) for each in fields(About)} | {"default_as_of": day})
    tables = Tables(events.lazy(), dataset.users.lazy())
    publish(workspace, "it", lambda folder: write_folder(folder, tables, about))


def test_as_long_as_no_window_is_over_there_is_nothing_to_find(own_workspace: Workspace) -> None:
    found = check_model(own_workspace, world_settings(own_workspace.path))
    assert (found.verdict, found.window, found.found) == ("keep", None, {})
    assert str(AS_OF + timedelta(days=28)) in found.why


def test_a_model_that_keeps_its_word_is_kept(own_workspace: Workspace) -> None:
    prepare_until(own_workspace, END)
    found = check_model(own_workspace, world_settings(own_workspace.path))
    assert found.window == AS_OF
    assert found.verdict == "keep", found
    assert set(found.found) == set(WORSE) == set(found.promised)
    assert found.promised["auc"] > 0.6
    assert abs(found.found["auc"] - found.promised["auc"]) < 0.1


def test_a_model_of_another_world_is_to_be_trained_anew(own_workspace: Workspace) -> None:
    prepare_until(own_workspace, END, shuffled=True)
    found = check_model(own_workspace, world_settings(own_workspace.path))
    assert found.verdict == "train", found
    assert "AUC: 0.5" in found.why
    assert "were promised" in found.why


def test_without_a_model_there_is_nothing_to_check(own_workspace: Workspace) -> None:
    shutil.rmtree(own_workspace.models_folder)
    with pytest.raises(ModelError, match="run 'audience train' first"):
        check_model(own_workspace, world_settings(own_workspace.path))


def test_somebody_goes_back_to_an_earlier_model_and_forth(own_workspace: Workspace) -> None:
    from encoders.train import train

    chosen = world_settings(own_workspace.path)
    [first] = own_workspace.models()
    prepare_until(own_workspace, END)
    second = train(own_workspace, chosen, recipe=TINY_RECIPE)

    def used() -> str:
        found = usable_model(own_workspace, "use", "planted", END)
        assert found is not None
        return found.name

    assert used() == second.name
    before = pointers(own_workspace)
    choose_model(own_workspace, first.name)
    assert (used(), chosen_model(own_workspace)) == (first.name, first.name)
    assert pointers(own_workspace) != before, "an app that runs sees it"
    choose_model(own_workspace, "")
    assert used() == second.name
    choose_model(own_workspace, second.name)
    earlier = usable_model(own_workspace, "use", "planted", AS_OF)
    assert earlier == first, "one that has seen the future of a day is never used for it"
    with pytest.raises(NotThereError, match=f"There is no model 'other'; there are {second.name}, {first.name}"):
        choose_model(own_workspace, "other")


def test_the_card_of_a_model_says_what_its_report_says(own_workspace: Workspace) -> None:
    [folder] = own_workspace.models()
    card, promised = model_card(folder), promised_by(folder)
    assert card.startswith(f"# Model {folder.name}\n")
    assert f"| {promised['calibration_error']:.4g} |" in card
    assert f"Trained on events before: {AS_OF}" in card
    (folder / "report.json").write_text("{")
    with pytest.raises(NotThereError, match="has no report"):
        model_card(folder)

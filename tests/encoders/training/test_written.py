"""Sentences that were written ahead: what is taken and what is left out; nothing of the future comes with them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from encoders.errors import DataError
from encoders.features.counts import done_in, read_user_features
from encoders.model.match import ItemVocabulary
from encoders.model.users import read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.train import train, version_of
from encoders.training.labels import LABEL_SCHEMA, LabelWriter, came_true, read_written
from encoders.workspace import Workspace
from tests.planted import AS_OF, TINY_RECIPE, World, replace_events, world_settings

START = AS_OF - timedelta(days=28)


@pytest.fixture(scope="module")
def vocabulary(world: World, world_workspace: Workspace) -> ItemVocabulary:
    return read_vocabulary(world.dataset, text_encoder("use"), world_workspace)


def row(sentence: str = "kettle owners", **changed: Any) -> dict[str, Any]:
    usual = {"user_id": "h100", "as_of": START, "horizon_days": 28, "sentence": sentence, "source": "purchases"}
    return dict.fromkeys(LABEL_SCHEMA) | usual | {"level": "group", "names": ["tea"], "without": []} | changed


def written(path: Path, *rows: dict[str, Any]) -> Path:
    pl.DataFrame(list(rows), schema=LABEL_SCHEMA).write_parquet(path)
    return path


def test_a_label_means_every_item_of_what_it_names(vocabulary: ItemVocabulary, tmp_path: Path) -> None:
    rows = row(), row("green cups", level="item", names=["green tea bags"]), row("both", names=["tea", "coffee"])
    found = read_written(written(tmp_path / "l.parquet", *rows), vocabulary, AS_OF)
    texts = [{vocabulary.texts[item] for item in label.items} for label in found.labels]
    assert texts[0] == {"green tea bags", "black tea", "peppermint tea"}
    assert texts[1] == {"green tea bags"}
    assert len(texts[2]) == 6
    assert {vocabulary.source_of[item] for label in found.labels for item in label.items} == {0}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"as_of": START + timedelta(days=1)}, "later"),
        ({"horizon_days": 29}, "later"),
        ({"names": ["yaks"]}, "unknown names"),
        ({"names": []}, "unknown names"),
        ({"source": "raffles"}, "unknown names"),
        ({"names": ["coffee"]}, "may not be named"),
        ({"without": ["beer"]}, "of two parts"),
        ({"sentence": "tea but not beer"}, "of two parts"),
    ],
)
def test_what_cannot_be_learned_from_is_left_out_and_counted(
    vocabulary: ItemVocabulary, tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    allowed = np.array([group != "coffee" for group in vocabulary.groups])
    path = written(tmp_path / "l.parquet", row(), row(**changed))
    assert read_written(path, vocabulary, AS_OF, allowed).summary() == {"taken": 1, reason: 1}


def test_a_file_that_is_no_label_file_is_one_sentence(vocabulary: ItemVocabulary, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="audience label"):
        read_written(tmp_path / "missing.parquet", vocabulary, AS_OF)
    (tmp_path / "text.parquet").write_text("no table")
    pl.DataFrame({"sentence": ["x"]}).write_parquet(tmp_path / "other.parquet")
    for name in ("text.parquet", "other.parquet"):
        with pytest.raises(DataError, match="is no label file"):
            read_written(tmp_path / name, vocabulary, AS_OF)


@pytest.mark.parametrize(("share", "drawn"), [(0.0, 0), (0.5, 20), (1.0, 40)])
def test_the_share_is_kept_and_only_what_came_true_is_drawn(
    vocabulary: ItemVocabulary, world: World, tmp_path: Path, share: float, drawn: int
) -> None:
    rows = [row(f"kettle owner {n}") for n in range(60)] + [
        row(f"stargazer {n}", names=["telescope"]) for n in range(9)
    ]
    ahead = read_written(written(tmp_path / "l.parquet", *rows), vocabulary, AS_OF).labels
    assert len(ahead) == 69
    users = read_user_features(world.dataset.before(AS_OF)).user_ids
    done = done_in(world.dataset.outcome(AS_OF), users, len(world.dataset.items))
    writer = LabelWriter(vocabulary, world.dataset.card, written=ahead, share=share)
    labels = writer.write(done, 40, np.random.default_rng(1))
    assert len(labels) == 40
    assert sum(label.sentence.startswith("kettle") for label in labels) == drawn
    assert came_true(labels, done).any(axis=0).all()


def test_a_model_says_which_labels_it_learned_from(world_workspace: Workspace, own_workspace: Workspace) -> None:
    path = written(own_workspace.path / "labels.parquet", row(), row(names=["yaks"]))
    settings_ = world_settings(own_workspace.path)
    recipe = replace(TINY_RECIPE, labels=str(path))
    model = train(own_workspace, settings_, AS_OF, recipe=recipe)
    report = (model / "report.json").read_text("utf-8")
    assert '"unknown names": 1' in report
    assert '"taken": 1' in report


def test_another_file_or_share_is_another_version_and_none_is_the_old_one(world: World, tmp_path: Path) -> None:
    past, chosen = world.dataset.before(AS_OF), world_settings(tmp_path)
    first, second = written(tmp_path / "1.parquet", row()), written(tmp_path / "2.parquet", row("other words"))
    copied = written(tmp_path / "3.parquet", row())
    recipes = [replace(TINY_RECIPE, labels=str(path)) for path in (first, second, copied)]
    versions = [version_of(chosen, past, recipe) for recipe in (*recipes, replace(recipes[0], labels_share=1.0))]
    assert versions[0] == versions[2]
    assert len({version_of(chosen, past, TINY_RECIPE), *versions}) == 4
    assert version_of(chosen, past, TINY_RECIPE) == version_of(chosen, past, replace(TINY_RECIPE, labels_share=0.9))


Weights = dict[str, list[Any]]
"""Tensors of a model as nested lists, by name."""
Learn = Callable[[int, list[dict[str, Any]]], Weights]


@pytest.fixture(scope="module")
def learned(world: World, world_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Trains on the world with other events and labels from the as-of date on; gives the weights."""

    def learn(shift: int, later: list[dict[str, Any]]) -> Weights:
        workspace = Workspace(tmp_path_factory.mktemp("learned"))
        events = pl.read_parquet(world.folder / "events.parquet")
        after = pl.col("time") >= pl.lit(AS_OF)
        items = ((pl.col("item_id") + shift) % len(world.dataset.items)).cast(pl.UInt32)
        changed = events.with_columns(item_id=pl.when(after).then(items).otherwise("item_id"))
        replace_events(world.folder, workspace.data, changed)
        (workspace.path / "cache").symlink_to(world_workspace.path / "cache")
        path = written(workspace.path / "l.parquet", row(), row("bean lovers", names=["coffee"]), *later)
        recipe = replace(TINY_RECIPE, labels=str(path))
        model = train(workspace, world_settings(workspace.path), AS_OF, recipe=recipe)
        return {name: tensor.tolist() for name, tensor in load_file(model / "model.safetensors").items()}

    return learn


@settings(max_examples=2)
@given(st.integers(1, 40), st.dates(START + timedelta(days=1), date(2025, 1, 1)), st.sampled_from(["tea", "beer"]))
def test_no_later_event_and_no_label_about_it_can_change_a_model(
    learned: Learn, truth: Weights, shift: int, start: date, name: str
) -> None:
    assert learned(shift, [row("what came later", as_of=start, names=[name])]) == truth


@pytest.fixture(scope="module")
def truth(learned: Learn) -> Weights:
    return learned(0, [])


def test_a_label_from_before_does(learned: Learn, truth: Weights) -> None:
    """The same comparison would notice a single label of a window that was over."""
    assert learned(0, [row("one more", names=["beer"])]) != truth

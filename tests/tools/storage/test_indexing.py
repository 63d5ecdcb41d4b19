import dataclasses
import json
import shutil
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tools.storage.indexing
import tools.storage.vectors_process
from encoders.checksums import write_checksums
from encoders.data.events import Dataset
from encoders.data.folders import About, Tables, write_folder
from encoders.errors import BrokenIndexError, WorkspaceError
from encoders.model.dual import DualEncoder
from encoders.model.users import FeatureSnapshot
from encoders.predictor import Forecaster
from encoders.workspace import Workspace
from tests.faulty import truncate
from tests.planted import AS_OF, world_settings
from tools.service import AudienceService
from tools.storage.indexing import build_index, index_name, open_forecaster
from tools.storage.vectors import VectorStore
from tools.types import AudienceSpec, Filter

ROUNDING = 1e-5
"""A product of matrices may differ in its last bits with the number of users that are encoded together."""


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The users that were encoded, in order."""
    ids: list[str] = []
    encode = DualEncoder.user_vectors

    def noted(model: DualEncoder, snapshot: FeatureSnapshot, rows: np.ndarray | None = None) -> Tensor:
        ids.extend(np.array(snapshot.histories.user_ids)[slice(None) if rows is None else rows])
        return encode(model, snapshot, rows)

    monkeypatch.setattr(DualEncoder, "user_vectors", noted)
    return ids


def assert_the_index_is_as_if_made_anew(workspace: Workspace, forecaster: Forecaster) -> None:
    """Vectors, attributes and neighbours; and there is no other index."""
    vectors = forecaster.user_vectors
    with torch.no_grad():
        made_anew = forecaster.model.encoder.user_vectors(forecaster.snapshot).numpy()
    np.testing.assert_allclose(vectors, made_anew, rtol=0, atol=ROUNDING)
    ids, name = forecaster.snapshot.histories.user_ids, index_name(forecaster)
    tools.storage.vectors_process.helper.end()  # Chroma reads what another process may still be writing, and crashes
    regions = dict(forecaster.dataset.users.select("user_id", "region").iter_rows())
    with VectorStore(workspace) as store:
        assert store.names() == [name]
        for region in ("north", "south", "west"):
            found = store.nearest(name, vectors[0], len(ids), [Filter(field="region", values=(region,))])[0]
            assert set(found) == {user for user in ids if regions[user] == region}
        near, similarity = store.nearest(name, vectors[7], 5)
        assert near[0] == ids[7]
        np.testing.assert_allclose(similarity, np.sort(vectors @ vectors[7])[::-1][:5], atol=ROUNDING)


KEEPS_VECTORS_IN_FILES = """
import sys, tools.storage.vectors
tools.storage.vectors._SPACE["hnsw"] |= {"sync_threshold": 100, "batch_size": 50}
from tools.storage.vectors_process import answer_all
answer_all(int(sys.argv[1]))
"""
"""A process of the index that has Chroma write its graph already for so few users."""


def rewrite_data(workspace: Workspace, events: pl.DataFrame, users: pl.DataFrame) -> None:
    """Prepare the workspace's data again, from other rows."""
    card = Dataset(workspace.data).card
    about = About(**{field.name: getattr(card, field.name) for field in dataclasses.fields(About)})
    write_folder(workspace.data, Tables(events.lazy(), users.lazy()), about)


def events_in_words(dataset: Dataset) -> pl.DataFrame:
    """Every event with the text and group of its item."""
    events = pl.concat([dataset.before(AS_OF).events().collect(), dataset.outcome(AS_OF)])
    return events.join(dataset.items.select("item_id", "text", "group"), on="item_id").drop("item_id")


def test_the_index_holds_every_user_as_the_model_sees_her(own_workspace: Workspace, encoded: list[str]) -> None:
    chosen = world_settings(own_workspace.path)
    done = build_index(own_workspace, chosen)
    forecaster = open_forecaster(own_workspace, chosen, None)
    users = forecaster.snapshot.histories.user_ids
    assert encoded == users
    assert (done.name, done.users, done.encoded) == (index_name(forecaster), len(users), len(users))
    assert_the_index_is_as_if_made_anew(own_workspace, forecaster)


def test_the_next_day_only_those_are_encoded_who_did_something(own_workspace: Workspace, encoded: list[str]) -> None:
    chosen, tomorrow = world_settings(own_workspace.path), AS_OF + timedelta(days=1)
    build_index(own_workspace, chosen)
    encoded.clear()
    done = build_index(own_workspace, chosen, tomorrow)
    forecaster = open_forecaster(own_workspace, chosen, tomorrow)
    assert encoded == sorted(set(forecaster.snapshot.histories.past.events(1).collect()["user_id"]))
    assert 0 < done.encoded == len(encoded) < done.users / 2
    assert_the_index_is_as_if_made_anew(own_workspace, forecaster)


def test_many_days_on_the_index_is_still_as_if_made_anew(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    for days in range(0, 21, 3):
        build_index(own_workspace, chosen, AS_OF + timedelta(days=days))
    assert_the_index_is_as_if_made_anew(
        own_workspace, open_forecaster(own_workspace, chosen, AS_OF + timedelta(days=18))
    )


def test_new_data_costs_only_the_users_it_is_about(own_workspace: Workspace, encoded: list[str]) -> None:
    chosen, dataset = world_settings(own_workspace.path), Dataset(own_workspace.data)
    build_index(own_workspace, chosen)
    encoded.clear()
    events, users = events_in_words(dataset), dataset.users
    bought = {"source": "purchases", "action": "buy", "text": "an apple", "group": "apples", "value": 1.0}
    late_rows = [{"user_id": user, "time": datetime(2024, 4, 1), **bought} for user in ("h100", "new")]
    events = pl.concat([events.filter(pl.col("user_id") != "h300"), pl.DataFrame(late_rows).select(events.columns)])
    moved = pl.when(pl.col("user_id") == "h200").then(pl.lit("north west")).otherwise("region")
    users = pl.concat([users.with_columns(region=moved), users.head(1).with_columns(user_id=pl.lit("new"))])
    rewrite_data(own_workspace, events, users)
    forecaster = open_forecaster(own_workspace, chosen, None)
    [apple] = forecaster.dataset.items.filter(text="an apple")["item_id"]
    assert apple < dataset.items["item_id"].max()
    assert forecaster.dataset.card.version != dataset.card.version == forecaster.model.config.data_version
    assert build_index(own_workspace, chosen).encoded == 3
    assert encoded == ["h100", "h200", "new"]
    assert "h300" not in forecaster.snapshot.histories.row_of
    assert_the_index_is_as_if_made_anew(own_workspace, forecaster)


def test_what_is_scored_carries_the_version_of_the_data_it_was_scored_on(own_workspace: Workspace) -> None:
    chosen, dataset = world_settings(own_workspace.path), Dataset(own_workspace.data)
    rewrite_data(own_workspace, events_in_words(dataset).filter(pl.col("user_id") != "h300"), dataset.users)
    version = Dataset(own_workspace.data).card.version
    assert version != dataset.card.version
    service = AudienceService.open(chosen)
    card = service.describe_data()
    saved = service.save(AudienceSpec(demand="households that will buy tea", cut=0.3), "Tea", "Ann")
    service.close()
    assert (card.data_version, saved.data_version) == (version, version)
    assert (
        saved.model_version == card.model_version == open_forecaster(own_workspace, chosen, None).model.config.version
    )


@pytest.mark.parametrize("change", ["version", "weights"])
def test_other_weights_encode_everybody(own_workspace: Workspace, encoded: list[str], change: str) -> None:
    chosen = world_settings(own_workspace.path)
    build_index(own_workspace, chosen)
    encoded.clear()
    [model] = own_workspace.models()
    if change == "version":
        shutil.copytree(model, model.with_name("other"), copy_function=shutil.copy)
        shutil.rmtree(model)
        config = json.loads((model.with_name("other") / "config.json").read_text()) | {"version": "other"}
        (model.with_name("other") / "config.json").write_text(json.dumps(config))
        write_checksums(model.with_name("other"))
    else:
        weights = load_file(model / "model.safetensors")
        weights["users.kind"] = -weights["users.kind"]
        save_file(weights, model / "model.safetensors")
        write_checksums(model)
    forecaster = open_forecaster(own_workspace, chosen, None)
    build_index(own_workspace, chosen)
    same_weights = change == "version"
    assert encoded == ([] if same_weights else forecaster.snapshot.histories.user_ids)
    assert_the_index_is_as_if_made_anew(own_workspace, forecaster)


def test_opening_brings_the_vectors_up_to_date(own_workspace: Workspace, encoded: list[str]) -> None:
    chosen = world_settings(own_workspace.path)
    later = AS_OF + timedelta(days=1)
    AudienceService.open(chosen).close()
    everybody = len(encoded)
    AudienceService.open(chosen, later).close()
    forecaster = open_forecaster(own_workspace, chosen, later)
    assert set(encoded[everybody:]) == set(forecaster.snapshot.histories.past.events(1).collect()["user_id"])
    encoded.clear()
    AudienceService.open(chosen, later).close()
    assert encoded == []
    build_index(own_workspace, chosen, later)
    assert_the_index_is_as_if_made_anew(own_workspace, forecaster)


def test_nobody_waits_for_an_index_that_another_process_has(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    with own_workspace.lock("chroma"):
        AudienceService.open(chosen).close()
        with pytest.raises(WorkspaceError, match="in use for 'chroma'"):
            build_index(own_workspace, chosen)


CRASHES = """
import os, signal
from tools.storage.vectors import VectorStore
from tools.storage.vectors_process import answer_all

def crash(*given):
    os.kill(os.getpid(), signal.SIGSEGV)

VectorStore.write = crash
answer_all(int(__import__("sys").argv[1]))
"""


def test_a_crash_of_the_index_is_said(own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.storage.vectors_process.helper.end()
    monkeypatch.setattr(tools.storage.vectors_process, "CODE", CRASHES)
    with pytest.raises(BrokenIndexError, match=r"crashed \(SIGSEGV\)"):
        build_index(own_workspace, world_settings(own_workspace.path))
    tools.storage.vectors_process.helper.end()


@pytest.mark.parametrize("pattern", ["chroma.sqlite3", "*/data_level0.bin", "*/header.bin"])
def test_a_damaged_index_is_set_aside_and_built_again(
    own_workspace: Workspace, pattern: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = world_settings(own_workspace.path)
    tools.storage.vectors_process.helper.end()
    monkeypatch.setattr(tools.storage.vectors_process, "CODE", KEEPS_VECTORS_IN_FILES)
    build_index(own_workspace, chosen)
    tools.storage.vectors_process.helper.end()
    monkeypatch.undo()
    for path in own_workspace.chroma.glob(pattern):
        truncate(path, 0.3)
    build_index(own_workspace, chosen)
    assert_the_index_is_as_if_made_anew(own_workspace, open_forecaster(own_workspace, chosen, None))
    assert "the index is built again from the model" in caplog.text
    assert len(list((own_workspace.path / "damaged").glob("chroma-*.txt"))) == 1

"""Vectors on disk are those the model gives; whoever was erased is in none of them."""

from datetime import timedelta

import numpy as np
import pytest
import torch

from encoders.user_vectors import FOLDER, KEPT, erase_vectors, stored_vectors
from encoders.workspace import Workspace
from tests.planted import AS_OF, world_settings
from tools.storage.indexing import open_forecaster

pytestmark = pytest.mark.slow


def test_only_the_states_asked_for_last_are_kept(own_workspace: Workspace) -> None:
    chosen, days = world_settings(own_workspace.path), [AS_OF + timedelta(days=day) for day in range(4)]
    for day in days:
        assert open_forecaster(own_workspace, chosen, day).user_vectors.any()
    kept = sorted(folder.name[-10:] for folder in (own_workspace.path / FOLDER).iterdir())
    assert kept == [day.isoformat() for day in days[-KEPT:]]


def test_damaged_vectors_are_computed_again(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    before = np.array(open_forecaster(own_workspace, chosen, None).user_vectors)
    [folder] = (own_workspace.path / FOLDER).iterdir()
    data = bytearray((folder / "vectors.f32").read_bytes())
    data[17] ^= 64
    (folder / "vectors.f32").write_bytes(data)
    assert np.allclose(open_forecaster(own_workspace, chosen, None).user_vectors, before, atol=1e-5)


def test_an_erased_user_is_in_no_state_and_the_others_are_not_encoded_again(own_workspace: Workspace) -> None:
    chosen, tomorrow = world_settings(own_workspace.path), AS_OF + timedelta(days=1)
    forecaster = open_forecaster(own_workspace, chosen, None)
    gone, mine = forecaster.snapshot.histories.user_ids[5], np.array(forecaster.user_vectors[5])
    assert open_forecaster(own_workspace, chosen, tomorrow).user_vectors.any()
    assert erase_vectors(own_workspace, [gone]) == 2
    for path in (own_workspace.path / FOLDER).rglob("*"):
        if path.is_file():
            assert gone.encode() not in path.read_bytes()
            assert mine.tobytes() not in path.read_bytes()
    assert erase_vectors(own_workspace, [gone]) == 0
    again = open_forecaster(own_workspace, chosen, AS_OF + timedelta(days=2))
    done = set(again.snapshot.histories.past.events(2).collect()["user_id"])
    assert again.stored_vectors().encoded <= len(done | {gone})


def test_where_nothing_may_be_written_vectors_are_computed(own_workspace: Workspace) -> None:
    (own_workspace.path / FOLDER).write_text("in the way")
    forecaster = open_forecaster(own_workspace, world_settings(own_workspace.path), None)
    stored = stored_vectors(own_workspace, forecaster.model, forecaster.snapshot)
    with torch.no_grad():
        computed = forecaster.model.encoder.user_vectors(forecaster.snapshot).numpy()
    assert np.array_equal(stored.vectors, computed)

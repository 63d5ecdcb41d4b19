"""Stage I on the planted world: windows of one user come together, without any label."""

import copy
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch

import encoders.training.fit
from encoders.model.users import FeatureSnapshot, UserTower, read_snapshot, read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.training.fit import align_windows
from encoders.workspace import Workspace, silent
from tests.planted import AS_OF, World

STEPS = 24


@pytest.fixture(scope="module")
def snapshots(world: World, world_workspace: Workspace) -> list[FeatureSnapshot]:
    """Two earlier dates, without attributes: they are the same in every window and would give a user away."""
    encoder = text_encoder("use")
    vocabulary = read_vocabulary(world.dataset, encoder, world_workspace)
    pasts = [world.dataset.before(AS_OF - timedelta(days=28 * k)) for k in (1, 2)]
    read = [read_snapshot(past, vocabulary, encoder) for past in pasts]
    return [
        replace(each, inputs=replace(each.inputs, attributes=np.full_like(each.inputs.attributes, -1))) for each in read
    ]


def new_tower(snapshots: list[FeatureSnapshot]) -> UserTower:
    torch.manual_seed(0)
    return UserTower(snapshots[0].vocabulary.text_vectors.shape[1], 32)


@torch.no_grad()
def rank_of_oneself(tower: UserTower, snapshot: FeatureSnapshot) -> float:
    """Mean share of users whose last month is nearer to the months before of a user than her own; 0.5 by chance."""
    inputs = snapshot.inputs.take(np.flatnonzero(snapshot.histories.in_population))
    texts = torch.from_numpy(snapshot.vocabulary.text_vectors)
    near = tower(texts, inputs, slice(0, 2)) @ tower(texts, inputs, slice(2, 4)).T
    return float((near > near.diagonal()[:, None]).double().mean())


def test_the_loss_falls_and_windows_of_one_user_come_together(snapshots: list[FeatureSnapshot]) -> None:
    tower, told = new_tower(snapshots), []
    before = rank_of_oneself(tower, snapshots[0])
    losses = align_windows(tower, snapshots, STEPS, 7, lambda _, share=None: told.append(share))
    assert len(losses) == STEPS
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])
    assert rank_of_oneself(tower, snapshots[0]) < 0.6 * before
    assert told == [(step + 1) / STEPS for step in range(STEPS)]


def test_equal_seeds_learn_the_same(snapshots: list[FeatureSnapshot], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders.training.fit, "USERS_ALIGNED", 100)
    untrained = new_tower(snapshots)
    towers = [copy.deepcopy(untrained) for _ in range(3)]
    losses = [align_windows(tower, snapshots, 2, seed, silent) for tower, seed in zip(towers, (7, 7, 8), strict=True)]
    assert losses[0] == losses[1] != losses[2]
    states = [torch.cat([tensor.ravel() for tensor in tower.state_dict().values()]) for tower in towers]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])

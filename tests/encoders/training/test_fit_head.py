"""The last stage of training: the head learns, and nothing else does."""

import copy
import json

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from encoders.model.dual import DualEncoder
from encoders.model.users import read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.training.fit_head import fit_head
from encoders.training.labels import LabelWriter, TrainingExample, read_examples
from encoders.workspace import Workspace, silent
from tests.planted import AS_OF, World


@pytest.fixture(scope="module")
def examples(world: World, world_workspace: Workspace) -> list[TrainingExample]:
    encoder = text_encoder("use")
    vocabulary = read_vocabulary(world.dataset, encoder, world_workspace)
    return read_examples(world.dataset.before(AS_OF), vocabulary, encoder, 2)


@pytest.fixture(scope="module")
def untrained(examples: list[TrainingExample]) -> DualEncoder:
    torch.manual_seed(0)
    return DualEncoder(examples[0].snapshot.vocabulary.text_vectors.shape[1])


def trained_head(world: World, examples: list[TrainingExample], model: DualEncoder, steps: int, seed: int = 7) -> float:
    writer = LabelWriter(examples[0].snapshot.vocabulary, world.dataset.card)
    return fit_head(model, examples, writer, text_encoder("use"), steps, seed, silent)


def test_the_loss_falls_and_only_the_head_changes(
    world: World, examples: list[TrainingExample], untrained: DualEncoder
) -> None:
    model, known = copy.deepcopy(untrained), untrained.state_dict()
    at_first = trained_head(world, examples, copy.deepcopy(untrained), 1)
    at_last = trained_head(world, examples, model, 60)
    assert at_last < 0.75 * at_first
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, known[name])}
    assert changed == {name for name in known if name.startswith("head.")}


def test_equal_seeds_learn_the_same(world: World, examples: list[TrainingExample], untrained: DualEncoder) -> None:
    models = [copy.deepcopy(untrained) for _ in range(3)]
    losses = [trained_head(world, examples, model, 3, seed) for model, seed in zip(models, (7, 7, 8), strict=True)]
    assert losses[0] == losses[1] != losses[2]
    assert torch.equal(models[0].head.line.weight, models[1].head.line.weight)
    assert not torch.equal(models[0].head.line.weight, models[2].head.line.weight)


def test_a_label_that_may_not_be_named_teaches_nothing(
    world: World, examples: list[TrainingExample], untrained: DualEncoder
) -> None:
    """With coffee withheld, it makes no difference who bought coffee."""
    vocabulary = examples[0].snapshot.vocabulary
    coffee = np.array([group == "coffee" for group in vocabulary.groups])
    writer = LabelWriter(vocabulary, world.dataset.card, ~coffee)
    nobody = [TrainingExample(each.snapshot, each.done.multiply(~coffee[None, :]).tocsr()) for each in examples]
    heads = []
    for given in (examples, nobody):
        model = copy.deepcopy(untrained)
        fit_head(model, given, writer, text_encoder("use"), 3, 7, silent)
        heads.append(model.head.line.weight)
    assert torch.equal(heads[0], heads[1])


@pytest.mark.parametrize("silent_window", [0, 1])
def test_a_window_in_which_nothing_happened_teaches_nothing(
    world: World, examples: list[TrainingExample], untrained: DualEncoder, silent_window: int
) -> None:
    nothing = examples[silent_window]
    given = list(examples)
    given[silent_window] = TrainingExample(nothing.snapshot, sp.csr_matrix(nothing.done.shape, dtype=np.float32))
    model = copy.deepcopy(untrained)
    assert trained_head(world, given, model, 3) > 0
    assert not torch.equal(model.head.line.weight, untrained.head.line.weight), "the other window does"


def test_the_report_has_the_loss(world_workspace: Workspace) -> None:
    report = json.loads((world_workspace.newest_model() / "report.json").read_text())
    assert 0 < report["head_loss"] < 10

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import encoders.train
import encoders.training.fit_head
from encoders.errors import ModelError
from encoders.model.dual import DualEncoder
from encoders.model.users import read_vocabulary
from encoders.model_folder import read_config, read_model
from encoders.predictor import Forecaster
from encoders.settings import Settings
from encoders.text.encoders import SentenceEncoder, text_encoder
from encoders.train import train, version_of
from encoders.training.fit import fit
from encoders.training.labels import LabelWriter, TrainingExample, encode_labels, read_examples
from encoders.training.lora import AdaptedEncoder, LiveParts, parts_to_learn
from encoders.workspace import Workspace, silent
from tests.faulty import as_of_an_earlier_version
from tests.planted import AS_OF, TINY_RECIPE, World, world_settings

pytestmark = pytest.mark.slow

RECIPE = replace(TINY_RECIPE, lora_rank=4)
SENTENCES = ["households that will buy dog food", "wine", "Haushalte, die Wein kaufen werden"]


def chosen(workspace: Workspace) -> Settings:
    return world_settings(workspace.path).model_copy(update={"text_encoder": "minilm"})


def adapted(rank: int = 4, seed: int = 7) -> AdaptedEncoder:
    torch.manual_seed(seed)
    return AdaptedEncoder(text_encoder("minilm"), rank)


@pytest.fixture(scope="module", autouse=True)
def _few_labels() -> Iterator[None]:
    """Nothing here asks how good a model is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoders.train, "RANDOM_LABELS", 20)
        patch.setattr(encoders.training.fit_head, "WRITTEN_LABELS", 10)
        yield


@pytest.fixture(scope="module")
def learned(world: World, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The planted world with a model whose text encoder was trained a little; only to be read."""
    workspace = Workspace(tmp_path_factory.mktemp("lora"))
    shutil.copytree(world.folder, workspace.data)
    train(workspace, chosen(workspace), recipe=RECIPE)
    return workspace


@pytest.fixture(scope="module")
def examples(learned: Workspace, world: World) -> list[TrainingExample]:
    encoder = text_encoder("minilm")
    vocabulary = read_vocabulary(world.dataset, encoder, learned)
    return read_examples(world.dataset.before(AS_OF), vocabulary, encoder, 2)


def test_a_fresh_adapter_changes_nothing() -> None:
    assert np.array_equal(adapted().encode(SENTENCES), text_encoder("minilm").encode(SENTENCES))


@pytest.mark.parametrize("prompt", [None, "query"])
def test_with_gradient_it_gives_what_it_gives_without(prompt: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = adapted()
    monkeypatch.setattr(encoder.model, "prompts", {"query": "that is wanted: "})
    monkeypatch.setattr(encoder.model, "default_prompt_name", prompt)
    texts = [*SENTENCES, "tea or " * 6 + "coffee", *(f"wine {number}" for number in range(34))]
    with_gradient = encoder.embed(texts)
    np.testing.assert_allclose(with_gradient.detach().numpy(), encoder.encode(texts), atol=1e-5)
    with_gradient.sum().backward()  # type: ignore[no-untyped-call]
    assert all(weights.grad is not None for weights in encoder.weights)


def test_only_the_adapter_and_the_model_learn(examples: list[TrainingExample], world: World, tmp_path: Path) -> None:
    encoder, frozen = adapted(), text_encoder("minilm")
    before = {name: weights.clone() for name, weights in encoder.model.state_dict().items()}
    vectors = frozen.encode(SENTENCES)
    vocabulary = examples[0].snapshot.vocabulary
    model = DualEncoder(vocabulary.text_vectors.shape[1])
    writer = LabelWriter(vocabulary, world.dataset.card)
    fit(model, examples[1:], writer, encoder, RECIPE, 7, tmp_path / "checkpoint", silent)
    moved = {name for name, weights in encoder.model.state_dict().items() if not torch.equal(weights, before[name])}
    assert moved == {name for name in before if "lora_" in name}
    assert np.array_equal(frozen.encode(SENTENCES), vectors), "items are still read by the encoder as it was"
    assert not np.allclose(encoder.encode(SENTENCES), vectors, atol=1e-4)


def test_every_step_embeds_its_labels_anew(examples: list[TrainingExample], world: World) -> None:
    snapshot = examples[1].snapshot
    labels = LabelWriter(snapshot.vocabulary, world.dataset.card).write(examples[1].done, 12, np.random.default_rng(1))
    encoder, places = adapted(), np.array([5, 0, 3])
    parts, kept = parts_to_learn(encoder, labels)
    frozen, also_kept = encode_labels(text_encoder("minilm"), labels)
    assert isinstance(parts, LiveParts)
    assert len(parts) == len(kept) == len(frozen)
    assert [label.sentence for label in kept] == [label.sentence for label in also_kept]
    first, known = parts.take(places), frozen.take(places)
    torch.testing.assert_close(first.phrases, known.phrases, atol=1e-5, rtol=0)
    torch.testing.assert_close(first.sentences, known.sentences, atol=1e-5, rtol=0)
    assert torch.equal(first.owner, known.owner)
    for weights in encoder.weights:
        torch.nn.init.normal_(weights, std=0.1)
    assert not torch.allclose(parts.take(places).sentences, known.sentences, atol=1e-2)


def test_an_interrupted_run_goes_on_with_the_same_adapter(learned: Workspace, world: World, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    shutil.copytree(world.folder, workspace.data)
    shutil.copytree(learned.path / "cache", workspace.path / "cache")

    def stop(description: str, fraction: float | None = None, /) -> None:
        if "epoch 2" in description:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(workspace, chosen(workspace), progress=stop, recipe=RECIPE)
    again = train(workspace, chosen(workspace), recipe=RECIPE)
    for file in ("lora.safetensors", "model.safetensors"):
        weights, known = load_file(again / file), load_file(learned.newest_model() / file)
        assert weights.keys() == known.keys()
        assert all(torch.equal(weights[name], known[name]) for name in known), file
    assert read_config(again) == read_config(learned.newest_model())


def test_another_seed_is_another_adapter() -> None:
    first, same, other = (adapted(seed=seed).state_dict() for seed in (7, 7, 8))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_model_folder_keeps_the_adapter(learned: Workspace) -> None:
    folder = learned.newest_model()
    forecaster = Forecaster.open(learned, chosen(learned), folder, AS_OF)
    again = Forecaster.open(learned, chosen(learned), folder, AS_OF)
    without = Forecaster(replace(forecaster.model, adapted=None), forecaster.snapshot, text_encoder("minilm"))
    wine = "households that will buy wine in the next 28 days"
    assert read_config(folder).lora_rank == RECIPE.lora_rank
    assert np.array_equal(forecaster.forecast(wine).scores, again.forecast(wine).scores)
    assert not np.allclose(forecaster.forecast(wine).scores, without.forecast(wine).scores, atol=1e-3)
    assert isinstance(forecaster.encoder, AdaptedEncoder)
    expected = load_file(folder / "lora.safetensors")
    assert forecaster.model.adapted is not None
    assert all(torch.equal(expected[name], kept) for name, kept in forecaster.model.adapted.state_dict().items())


@pytest.mark.parametrize("damage", ["missing", "truncated", "another rank", "another encoder"])
def test_a_damaged_adapter_is_one_sentence(learned: Workspace, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(learned.newest_model(), folder)
    as_of_an_earlier_version(folder)
    file = folder / "lora.safetensors"
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-9])
    elif damage == "another rank":
        save_file(adapted(rank=2).state_dict(), file)
    else:
        save_file({f"other.{name}": weights for name, weights in load_file(file).items()}, file)
    with pytest.raises(ModelError, match=r"do not fit this program .*; run 'audience train'"):
        read_model(folder)


def test_an_encoder_that_cannot_be_trained_says_which_can(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder, Workspace(tmp_path).data)
    with pytest.raises(ModelError, match=r"'use' cannot be trained; set AUDIENCE_TEXT_ENCODER to 'minilm' or"):
        train(Workspace(tmp_path), world_settings(tmp_path), recipe=RECIPE)


def test_word_vectors_without_a_transformer_cannot_be_trained() -> None:
    class NoTransformer:
        """A sentence-transformers model of another kind."""

        def parameters(self) -> Iterator[torch.nn.Parameter]:
            return iter(())

        def add_adapter(self, config: object) -> None:
            raise ValueError("PEFT methods are only supported for models that use the Transformer module.")

    with pytest.raises(ModelError, match="'words' cannot be trained"):
        AdaptedEncoder(SentenceEncoder("words", NoTransformer()), 4)


def test_the_rank_makes_another_version(world: World) -> None:
    settings, past = world_settings(Path("anywhere")), world.dataset.before(AS_OF)
    ranked = settings.model_copy(update={"lora_rank": 4})
    assert version_of(settings, past, TINY_RECIPE) != version_of(settings, past, RECIPE)
    assert version_of(ranked, past, TINY_RECIPE) == version_of(settings, past, RECIPE)
    assert version_of(settings, past, RECIPE) != version_of(settings, past, replace(RECIPE, lora_rank=8))

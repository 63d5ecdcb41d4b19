"""Training: windows of the calendar, labels about what came next, InfoNCE in both directions, calibration.

The towers and the match learn from all windows but the latest before the as-of date; the head, a small network, last
and from that one too, and the calibration is fitted there. A checkpoint after every epoch lets an interrupted run go
on where it stopped.
"""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.calibration.calibrate_model import calibrate_model
from encoders.data.events import HORIZON_DAYS, Dataset, Past
from encoders.model.dual import DualEncoder
from encoders.model.match import ItemVocabulary
from encoders.model.snapshot import read_vocabulary
from encoders.model_folder import FORMAT, ModelConfig, TrainedModel, write_model
from encoders.settings import Settings
from encoders.text.encoders import RememberingEncoder, TextEncoder, text_encoder
from encoders.training.fit import Recipe, fit
from encoders.training.fit_head import fit_head
from encoders.training.labels import LabelWriter
from encoders.training.lora import AdaptedEncoder
from encoders.training.windows import TrainingExample, read_examples
from encoders.training.written import WrittenLabels, file_digest, read_written
from encoders.workspace import Progress, Workspace, silent

THREADS = 2


def train(
    workspace: Workspace,
    settings: Settings,
    as_of: date | None = None,
    progress: Progress = silent,
    recipe: Recipe | None = None,
    dataset: Dataset | None = None,
) -> Path:
    """Train, calibrate and write one model folder; an interrupted run goes on where it stopped.

    Args:
        workspace: where the data is and the model goes.
        settings: names the text encoder and the seed.
        as_of: no event on or after it is read; None for the data set's own.
        progress: told what is being done.
        recipe: how long and how fast; None for the default.
        dataset: what to learn from; None for the current data of the workspace.

    Returns:
        The folder models/<version>.

    Raises:
        DataError: the date leaves too little past to learn from.
    """
    dataset = dataset or Dataset.current(workspace)
    past = dataset.before(as_of or dataset.card.default_as_of)
    recipe = recipe or Recipe()
    with workspace.lock("train"):
        version = version_of(settings, past, recipe)
        checkpoint = workspace.checkpoints / f"{version}.safetensors"
        encoder = text_encoder(settings.text_encoder)
        progress("Embedding item texts", None)
        vocabulary = read_vocabulary(dataset, encoder, workspace)
        examples = read_examples(past, vocabulary, encoder, recipe.windows, progress)
        model, report = fit_model(settings, examples, past, recipe, version, checkpoint, progress)
        folder = write_model(workspace.models_folder / version, model, report)
        checkpoint.unlink(missing_ok=True)
    progress("Model written", 1.0)
    return folder


def version_of(settings: Settings, past: Past, recipe: Recipe) -> str:
    """The name of the model that such a run gives: equal inputs, equal version."""
    made_from = [past.dataset.card.version, past.as_of.isoformat(), settings.text_encoder, settings.seed, FORMAT]
    chosen = asdict(_as_set(recipe, settings))
    labels, share = chosen.pop("labels"), chosen.pop("labels_share")
    written = [file_digest(Path(labels)), share] if labels else []
    digest = hashlib.sha256(json.dumps([*made_from, chosen, *written]).encode()).hexdigest()[:10]
    return f"{past.as_of.isoformat()}-{digest}"


def _as_set(recipe: Recipe, settings: Settings) -> Recipe:
    """A recipe that names no rank of an adapter takes the one of the settings."""
    return replace(recipe, lora_rank=recipe.lora_rank or settings.lora_rank)


def fit_model(
    settings: Settings,
    examples: list[TrainingExample],
    past: Past,
    recipe: Recipe,
    version: str,
    checkpoint: Path,
    progress: Progress = silent,
    held_out: frozenset[int] = frozenset(),
) -> tuple[TrainedModel, dict[str, Any]]:
    """Train and calibrate in memory; the second thing returned is the report.

    Args:
        settings: names the text encoder and the seed.
        examples: windows that had ended by the date of ``past``, latest first.
        past: everything that may be read.
        recipe: how long and how fast.
        version: the model's name.
        checkpoint: where to leave, and look for, a half-trained state.
        progress: told what is being done.
        held_out: item ids that no label may name; a benchmark withholds some.
    """
    torch.set_num_threads(THREADS)
    recipe = _as_set(recipe, settings)
    encoder = text_encoder(settings.text_encoder)
    vocabulary = examples[0].snapshot.vocabulary
    allowed = ~np.isin(np.arange(len(vocabulary.texts)), sorted(held_out))
    plain = LabelWriter(vocabulary, past.dataset.card, allowed)
    writer, written = _with_written(plain, past, recipe)
    torch.manual_seed(settings.seed)
    model = DualEncoder(vocabulary.text_vectors.shape[1], without=recipe.without)
    adapted = AdaptedEncoder(encoder, recipe.lora_rank) if recipe.lora_rank else None
    encoder = adapted or _remembering(encoder, vocabulary)
    epochs = fit(model, examples[1:], writer, encoder, recipe, settings.seed, checkpoint, progress)
    head_loss = None
    if recipe.head_steps and not model.alone:
        steps, blur = recipe.head_steps, recipe.blurred > 0
        head_loss = fit_head(model, examples, writer, encoder, steps, settings.seed, progress, blur)
    progress("Calibrating on the latest window", None)
    rng = np.random.default_rng([settings.seed, recipe.epochs])
    grounding, calibration, figures = calibrate_model(model.eval(), encoder, examples[0], plain, rng)
    config = ModelConfig(
        format=FORMAT,
        version=version,
        text_encoder=settings.text_encoder,
        dimension=model.dimension,
        width=model.width,
        without=recipe.without,
        lora_rank=recipe.lora_rank,
        as_of=past.as_of,
        data_name=past.dataset.card.name,
        data_version=past.dataset.card.version,
        seed=settings.seed,
        grounding=grounding,
        calibration=calibration,
    )
    learned = {"held_out_items": len(held_out), "epochs": epochs, "head_loss": head_loss, "calibration": figures}
    learned |= {"labels": written.summary()} if written else {}
    return TrainedModel(model, config, adapted), _report(config, recipe, examples) | learned


def _with_written(plain: LabelWriter, past: Past, recipe: Recipe) -> tuple[LabelWriter, WrittenLabels | None]:
    """A writer that also draws from the recipe's file of sentences, and what it took from there."""
    if not recipe.labels:
        return plain, None
    written = read_written(Path(recipe.labels), plain.vocabulary, past.as_of, plain.allowed)
    writer = LabelWriter(plain.vocabulary, plain.card, plain.allowed, written.labels, recipe.labels_share)
    return writer, written


def _remembering(encoder: TextEncoder, vocabulary: ItemVocabulary) -> RememberingEncoder:
    """An encoder that knows the names of all items and groups already."""
    texts = [*vocabulary.texts, *vocabulary.groups]
    group_vectors = vocabulary.group_vectors[vocabulary.group_of]
    return RememberingEncoder(encoder, texts, np.concatenate([vocabulary.text_vectors, group_vectors]))


def _report(config: ModelConfig, recipe: Recipe, examples: list[TrainingExample]) -> dict[str, Any]:
    """What a model was made from."""
    return {
        "model_version": config.version,
        **config.model_dump(mode="json", include={"data_name", "data_version", "seed", "as_of", "text_encoder"}),
        "horizon_days": HORIZON_DAYS,
        "recipe": asdict(recipe),
        "windows": [example.snapshot.histories.past.as_of.isoformat() for example in examples],
    }

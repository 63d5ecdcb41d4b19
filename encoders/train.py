"""Training: windows of the calendar, labels about what came next, InfoNCE in both directions, calibration.

The latest window before the as-of date is kept for calibration; the model learns from the ones before it. A
checkpoint after every epoch lets an interrupted run go on where it stopped.
"""

import hashlib
import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from encoders.calibrate_model import calibrate_model
from encoders.dual import DualEncoder
from encoders.errors import DataError
from encoders.events import HORIZON_DAYS, Dataset, Past
from encoders.fit import Example, Recipe, fit
from encoders.histories import done_in
from encoders.labels import LabelWriter
from encoders.match import Vocabulary
from encoders.model_folder import FORMAT, ModelConfig, TrainedModel, write_model
from encoders.scene import read_scene, read_vocabulary
from encoders.settings import Settings
from encoders.text import TextEncoder, text_encoder
from encoders.workspace import Progress, Workspace, silent

THREADS = 2


def train(
    workspace: Workspace,
    settings: Settings,
    as_of: date | None = None,
    progress: Progress = silent,
    recipe: Recipe | None = None,
) -> Path:
    """Train, calibrate and write one model folder; an interrupted run goes on where it stopped.

    Args:
        workspace: where the data is and the model goes.
        settings: names the text encoder and the seed.
        as_of: no event on or after it is read; None for the data set's own.
        progress: told what is being done.
        recipe: how long and how fast; None for the default.

    Returns:
        The folder models/<version>.

    Raises:
        DataError: the date leaves too little past to learn from.
    """
    dataset = Dataset(workspace.data)
    past = dataset.before(as_of or dataset.card.default_as_of)
    recipe = recipe or Recipe()
    with workspace.lock("train"):
        version = version_of(settings, past, recipe)
        checkpoint = workspace.checkpoints / f"{version}.safetensors"
        model, report = fit_model(workspace, settings, past, recipe, version, checkpoint, progress)
        folder = write_model(workspace.models_folder / version, model, report)
        checkpoint.unlink(missing_ok=True)
    progress("Model written", 1.0)
    return folder


def version_of(settings: Settings, past: Past, recipe: Recipe) -> str:
    """The name of the model that such a run gives: equal inputs, equal version."""
    made_from = [past.dataset.card.version, past.as_of.isoformat(), settings.text_encoder, settings.seed, FORMAT]
    digest = hashlib.sha256(json.dumps([*made_from, asdict(recipe)]).encode()).hexdigest()[:10]
    return f"{past.as_of.isoformat()}-{digest}"


def fit_model(
    workspace: Workspace,
    settings: Settings,
    past: Past,
    recipe: Recipe,
    version: str,
    checkpoint: Path,
    progress: Progress = silent,
    held_out: frozenset[int] = frozenset(),
) -> tuple[TrainedModel, dict[str, Any]]:
    """Train and calibrate in memory; the second thing returned is the report.

    Args:
        workspace: holds the cache of embedded texts.
        settings: names the text encoder and the seed.
        past: everything that may be read.
        recipe: how long and how fast.
        version: the model's name.
        checkpoint: where to leave, and look for, a half-trained state.
        progress: told what is being done.
        held_out: item ids that no label may name; a benchmark withholds some.
    """
    torch.set_num_threads(THREADS)
    encoder = text_encoder(settings.text_encoder)
    progress("Embedding item texts", None)
    vocabulary = read_vocabulary(past.dataset, encoder, workspace)
    examples = _read_examples(past, vocabulary, encoder, recipe.windows, progress)
    allowed = np.ones(len(vocabulary.texts), bool)
    allowed[sorted(held_out)] = False
    writer = LabelWriter(vocabulary, past.dataset.card, allowed)
    torch.manual_seed(settings.seed)
    model = DualEncoder(vocabulary.text_vectors.shape[1])
    epochs = fit(model, examples[1:], writer, encoder, recipe, settings.seed, checkpoint, progress)
    progress("Calibrating on the latest window", None)
    rng = np.random.default_rng([settings.seed, recipe.epochs])
    grounding, calibration, figures = calibrate_model(model.eval(), encoder, examples[0], writer, rng)
    config = ModelConfig(
        format=FORMAT,
        version=version,
        text_encoder=settings.text_encoder,
        dimension=model.dimension,
        width=model.width,
        as_of=past.as_of,
        data_version=past.dataset.card.version,
        seed=settings.seed,
        grounding=grounding,
        calibration=calibration,
    )
    report = {
        "model_version": version,
        **config.model_dump(mode="json", include={"data_version", "seed", "as_of", "text_encoder"}),
        "horizon_days": HORIZON_DAYS,
        "recipe": asdict(recipe),
        "held_out_items": len(held_out),
        "windows": [example.scene.histories.past.as_of.isoformat() for example in examples],
        "epochs": epochs,
        "calibration": figures,
    }
    return TrainedModel(model, config), report


def _read_examples(
    past: Past, vocabulary: Vocabulary, encoder: TextEncoder, count: int, progress: Progress
) -> list[Example]:
    """Read the windows before the as-of date, latest first."""
    windows = list(past.windows(count=count))
    if len(windows) < 2:
        raise DataError(
            f"There is too little history before {past.as_of} to learn from: at least 12 weeks are needed after "
            f"{past.dataset.card.first}. Choose a later as-of date."
        )
    examples = []
    for number, window in enumerate(windows):
        progress(f"Reading what was known on {window.past.as_of}", number / len(windows))
        scene = read_scene(window.past, vocabulary, encoder)
        examples.append(Example(scene, done_in(window.future, scene.histories.user_ids, len(vocabulary.texts))))
    return examples

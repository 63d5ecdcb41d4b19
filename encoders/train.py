"""Training: windows of the calendar, labels about what came next, InfoNCE in both directions, calibration."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from encoders.calibration import Calibration, ItemGrounding, Observed, fit_calibration, measure, standardise
from encoders.data.events import ACTIVE_DAYS, HORIZON_DAYS, Dataset, Past
from encoders.errors import DataError
from encoders.features.counts import did_any
from encoders.model.dual import DualEncoder, EncodedParts
from encoders.model.match import ItemVocabulary
from encoders.model.users import FeatureSnapshot, read_vocabulary
from encoders.model_folder import FORMAT, ModelConfig, TrainedModel, write_model
from encoders.settings import Settings
from encoders.text.encoders import RememberingEncoder, TextEncoder, text_encoder
from encoders.training.fit import Recipe, fit
from encoders.training.fit_head import fit_head
from encoders.training.labels import (
    Label,
    LabelWriter,
    TrainingExample,
    WrittenLabels,
    blurred,
    came_true,
    encode_labels,
    file_digest,
    joined,
    read_examples,
    read_written,
)
from encoders.training.lora import AdaptedEncoder
from encoders.workspace import Progress, Workspace, silent

# --- Calibrating a trained model on the latest window, which its towers and its match have not seen
#
# Half of the labels are blurred: people do not use the words of the data, and both the grounding and the interval must
# know how that feels (see ``encoders.training.labels``).


RANDOM_LABELS = 300
_BATCH = 64
_STRENGTH = 1.5
"""Blurred more than in training: what is misread there costs nothing, here it is what has to be known."""


@torch.no_grad()
def calibrate_model(
    model: DualEncoder, encoder: TextEncoder, example: TrainingExample, writer: LabelWriter, rng: np.random.Generator
) -> tuple[ItemGrounding, Calibration, dict[str, Any]]:
    """Fit the grounding and the calibration on one window: plain labels of every group, blurred ones, random ones."""
    histories = example.snapshot.histories
    if not example.done[histories.in_population].nnz:
        raise DataError(
            f"Nothing happened in the {HORIZON_DAYS} days from {histories.past.as_of} on, so a forecast cannot be "
            "checked against them; choose another as-of date."
        )
    grounding, observed = _observe(model, encoder, example, writer, rng, None)
    return grounding, *fit_calibration(observed, rng)


@torch.no_grad()
def measure_model(
    trained: TrainedModel, encoder: TextEncoder, example: TrainingExample, writer: LabelWriter, rng: np.random.Generator
) -> dict[str, float]:
    """What ``calibrate_model`` measures, of a model that is trained, on a window that it has not seen."""
    config = trained.config
    _, observed = _observe(trained.encoder, encoder, example, writer, rng, config.grounding)
    return measure(config.calibration, observed, rng)


def _observe(
    model: DualEncoder,
    encoder: TextEncoder,
    example: TrainingExample,
    writer: LabelWriter,
    rng: np.random.Generator,
    grounding: ItemGrounding | None,
) -> tuple[ItemGrounding, Observed]:
    """What a model says of labels of one window, and what came true; a grounding is fitted where none is given."""
    snapshot, histories = example.snapshot, example.snapshot.histories
    groups = [label for label in writer.groups() if histories.seen[label.items].any()]
    parts, labels, plain = _with_blurred(encoder, groups, writer.write(example.done, RANDOM_LABELS, rng), rng)
    belongs, owner = snapshot.of_source(parts.source), parts.owner.numpy()
    near = model.nearness(model.match.place(snapshot.vocabulary), parts.apart())
    text, group = near.text.numpy(), near.group.numpy()
    alone = np.flatnonzero(np.bincount(owner)[owner] == 1)
    of_one = [labels[number] for number in owner[alone]]
    grounding = grounding or ItemGrounding.fit(text[alone], group[alone], belongs[owner[alone]], of_one)

    of_phrases = list(map(grounding.meant, text, group, belongs[owner]))
    meant = [
        np.unique(np.concatenate([of_phrases[row] for row in np.flatnonzero(owner == k)])) for k in range(len(parts))
    ]
    recently, here = histories.done_within(HORIZON_DAYS), histories.in_population
    observed = Observed(
        standard=_standard_scores(model, snapshot, parts),
        doers=np.stack([did_any(recently[here], items) for items in meant], axis=1),
        known=np.array([len(items) > 0 for items in meant]),
        nearness=np.bincount(owner, near.best.numpy()) / np.bincount(owner),
        truth=came_true(labels, example.done)[here],
        main=parts.source == 0,
        plain=plain,
    )
    return grounding, observed


def _standard_scores(model: DualEncoder, snapshot: FeatureSnapshot, parts: EncodedParts) -> npt.NDArray[np.float64]:
    """Standardised scores of the population, [N, B]."""
    users, here, standard = model.user_vectors(snapshot), snapshot.histories.in_population, []
    for start in range(0, len(parts), _BATCH):
        few = parts.take(np.arange(start, min(start + _BATCH, len(parts))))
        scores = model.score(snapshot, few, model.nearness(model.match.place(snapshot.vocabulary), few), users).numpy()
        standard += [standardise(column, here)[here] for column in scores.T]
    return np.stack(standard, axis=1)


def _with_blurred(
    encoder: TextEncoder, groups: list[Label], others: list[Label], rng: np.random.Generator
) -> tuple[EncodedParts, list[Label], npt.NDArray[np.bool_]]:
    """Encode all labels, and the labels of groups a second time, blurred; says which are of groups and plain."""
    parts, labels = encode_labels(encoder, [*groups, *others])
    again, repeated = encode_labels(encoder, groups)
    everything = joined(parts, blurred(again, rng, strength=_STRENGTH))
    return everything, [*labels, *repeated], np.arange(len(everything)) < len(groups)


# --- Training: windows of the calendar, labels about what came next, InfoNCE in both directions,
#     calibration ---
#
# The towers and the match learn from all windows but the latest before the as-of date; the head, a small network, last
# and from that one too, and the calibration is fitted there. A checkpoint after every epoch lets an interrupted run go
# on where it stopped.


THREADS = 2
MOST_USERS = 20_000
"""Users that are learned from: of more, a sample that is drawn once (docs/scale.md has what more would add)."""


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
    past = past.sample(MOST_USERS, ACTIVE_DAYS + HORIZON_DAYS * recipe.windows)
    with workspace.lock("train"):
        version = version_of(settings, past, recipe)
        checkpoint = workspace.checkpoints / f"{version}.safetensors"
        encoder = text_encoder(settings.text_encoder)
        progress("Embedding item texts", None)
        vocabulary = read_vocabulary(past.dataset, encoder, workspace)
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
    sampled = [MOST_USERS] if past.is_sample else []
    digest = hashlib.sha256(json.dumps([*made_from, chosen, *written, *sampled]).encode()).hexdigest()[:10]
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
        checked=True,
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
        "users": len(examples[0].snapshot.histories.user_ids),
        "recipe": asdict(recipe),
        "windows": [example.snapshot.histories.past.as_of.isoformat() for example in examples],
    }

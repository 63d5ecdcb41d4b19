"""The training loop, its losses, and stage I of the user tower."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional

from encoders.errors import DataError
from encoders.model.dual import Addition, DualEncoder, EncodedParts
from encoders.model.users import FeatureSnapshot, UserTower
from encoders.tensors import load_tensors, save_tensors
from encoders.text.encoders import TextEncoder
from encoders.training.labels import LabelWriter, TrainingExample, blurred, came_true
from encoders.training.lora import LiveParts, parts_to_learn, trainable
from encoders.workspace import Progress, atomic_file


class MaskedInfoNCE(nn.Module):
    """InfoNCE in both directions with a learnable temperature, where every true pair is known.

    Two users with the same future are common, so an in-batch "negative" may in truth be a positive. Here all pairs are
    labelled: each positive competes with the true negatives of its row (or column) only, and never with another
    positive.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def forward(self, scores: Tensor, done: Tensor) -> dict[str, Tensor]:
        """Contrast the pairs that came true with those that did not.

        Args:
            scores: [N, B] logits of N users and B sentences.
            done: [N, B] booleans, whether the user did what the sentence says.

        Returns:
            ``text_to_user_loss`` and ``user_to_text_loss``, scalars.
        """
        logits = scores * self.log_temperature.exp()
        return {
            "text_to_user_loss": _contrast(logits.T, done.T),
            "user_to_text_loss": _contrast(logits, done),
        }


def _contrast(logits: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows of the mean over their positives of -log p(positive against the row's negatives)."""
    negatives = logits.masked_fill(positive, -torch.inf).logsumexp(1, keepdim=True)
    terms = functional.softplus(negatives - logits)
    count = positive.sum(1)
    usable = (count > 0) & (count < positive.shape[1])
    if not usable.any():
        return logits.sum() * 0.0
    per_row = torch.where(positive, terms, 0.0).sum(1)[usable] / count[usable]
    return per_row.mean()


class WindowContrast(nn.Module):
    """Stage I: time windows of one user are near each other, and look alike from everybody else's place.

    InfoNCE between each window and the next, and a cyclic KL term that keeps what the windows say about the other
    users of the batch the same all the way round (FOUND, arXiv 2412.12468).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def forward(self, windows: list[Tensor]) -> dict[str, Tensor]:
        """Compare the windows of N users, each [N, width] of unit vectors, in the order of time.

        Returns:
            ``window_loss`` and ``cyclic_loss``, scalars.
        """
        same = torch.arange(len(windows[0]))
        nexts = [*windows[1:], windows[0]]
        views = [self.log_scale.exp() * one @ other.T for one, other in zip(windows, nexts, strict=True)]
        contrast = [functional.cross_entropy(view, same) for view in views]
        beliefs = [view.log_softmax(1) for view in views]
        turns = zip(beliefs, [*beliefs[1:], beliefs[0]], strict=True)
        cyclic = [functional.kl_div(one, other, log_target=True, reduction="batchmean") for one, other in turns]
        return {"window_loss": torch.stack(contrast).mean(), "cyclic_loss": torch.stack(cyclic).mean()}


_WINDOWS = (slice(0, 2), slice(2, 4), slice(4, None))
"""Disjoint parts of a history: the last month, the two before, and what is older."""
USERS_ALIGNED = 512
_LEARNING_RATE = 1e-3
_CYCLIC = 0.1
"""Weight of the cyclic term."""


def align_windows(
    tower: UserTower, snapshots: list[FeatureSnapshot], steps: int, seed: int, progress: Progress
) -> list[float]:
    """Train ``tower`` in place on windows of the same users.

    Args:
        tower: the user side.
        snapshots: as of earlier dates; one is taken per step, in turns.
        steps: how many.
        seed: draws the users of each step.
        progress: told what is being done.

    Returns:
        The loss of every step.
    """
    rng = np.random.default_rng([seed, 1])
    loss = WindowContrast()
    parameters = [*tower.parameters(), *loss.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=0.01)
    history = []
    for step in range(steps):
        snapshot = snapshots[step % len(snapshots)]
        here = np.flatnonzero(snapshot.histories.in_population)
        inputs = snapshot.inputs.take(np.sort(rng.choice(here, min(USERS_ALIGNED, len(here)), replace=False)))
        texts = torch.from_numpy(snapshot.vocabulary.text_vectors)
        terms = loss([tower(texts, inputs, window) for window in _WINDOWS])
        total = terms["window_loss"] + _CYCLIC * terms["cyclic_loss"]
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        history.append(float(total.detach()))
        progress("Stage I: aligning time windows", (step + 1) / steps)
    return history


@dataclass(frozen=True)
class Recipe:
    """What decides a training run, besides the data and the seed."""

    windows: int = 6
    """How many windows of the calendar, the latest included."""
    epochs: int = 3
    steps: int = 60
    sentences: int = 48
    """Sentences per step."""
    users: int = 1024
    """Users per step."""
    learning_rate: float = 3e-3
    text_rate: float = 0.3
    """Learning rate of the match and of the adapter, as a share of ``learning_rate``: it starts from a good place."""
    weight_decay: float = 0.01
    head_steps: int = 800
    """Steps of the head alone, afterwards."""
    stage_one_steps: int = 0
    """Steps of self-supervised Stage I before the alignment with sentences."""
    without: tuple[Addition, ...] = ()
    """Parts of the score that are left out, for finding out what they are worth."""
    mask: bool = True
    """Whether all true pairs are known to the loss; else in-batch pairs count as negatives, as in plain InfoNCE."""
    blurred: float = 0.5
    """Share of the sentences that are not in the words of the data, see ``encoders.training.labels``."""
    lora_rank: int = 0
    """Rank of the adapter that the text encoder learns with; 0 leaves it frozen."""
    labels: str = ""
    """A file of sentences that were written ahead, see ``encoders.training.labels``; empty for templates alone."""
    labels_share: float = 0.5
    """Share of the labels that come from that file, as far as it has so many; at 1 there are no templates."""


class _Run(nn.Module):
    """The model with its loss and its text encoder's adapter, so that one state dict holds all."""

    def __init__(self, model: DualEncoder, encoder: TextEncoder) -> None:
        super().__init__()
        self.model = model
        self.lora = nn.ParameterList(trainable(encoder))
        self.loss = MaskedInfoNCE()
        self.align = MaskedInfoNCE()


def fit(
    model: DualEncoder,
    examples: list[TrainingExample],
    writer: LabelWriter,
    encoder: TextEncoder,
    recipe: Recipe,
    seed: int,
    checkpoint: Path,
    progress: Progress,
) -> list[dict[str, float]]:
    """Train ``model`` in place, going on from ``checkpoint`` where one is there.

    Every epoch draws from its own seed, so that a resumed run gives the model an uninterrupted one gives.

    Returns:
        One dict of mean loss terms per epoch.
    """
    run = _Run(model, encoder)
    match = [*model.match.parameters(), *run.lora]
    known = {id(parameter) for parameter in match}
    rest = [parameter for parameter in run.parameters() if id(parameter) not in known]
    optimiser = torch.optim.AdamW(
        [{"params": match, "scale": recipe.text_rate}, {"params": rest, "scale": 1.0}],
        weight_decay=recipe.weight_decay,
    )
    history = _resume(run, optimiser, checkpoint)
    if recipe.stage_one_steps and not history:
        snapshots = [example.snapshot for example in examples]
        align_windows(model.users, snapshots, recipe.stage_one_steps, seed, progress)
    for epoch in range(len(history), recipe.epochs):
        rng = np.random.default_rng([seed, epoch])
        pools = _write_pools(examples, writer, encoder, recipe, rng)
        sums: dict[str, float] = {}
        for step in range(recipe.steps):
            done = (epoch + (step + 1) / recipe.steps) / recipe.epochs
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * group["scale"] * _warm_then_cosine(done)
            for name, term in _step(run, optimiser, pools[step % len(pools)], recipe, rng).items():
                sums[name] = sums.get(name, 0.0) + term / recipe.steps
            progress(f"Training, epoch {epoch + 1} of {recipe.epochs}", done)
        history.append(sums)
        save_checkpoint(run, optimiser, history, checkpoint)
    return history


@dataclass(frozen=True)
class _Pool:
    """The labels of one epoch for one window."""

    snapshot: FeatureSnapshot
    parts: EncodedParts | LiveParts
    truth: npt.NDArray[np.bool_]


def _write_pools(
    examples: list[TrainingExample], writer: LabelWriter, encoder: TextEncoder, recipe: Recipe, rng: np.random.Generator
) -> list[_Pool]:
    per_window = max(recipe.sentences, recipe.steps * recipe.sentences // (2 * len(examples)))
    pools = []
    for example in examples:
        written = writer.write(example.done, per_window, rng)
        if written:
            parts, labels = parts_to_learn(encoder, written)
            pools.append(_Pool(example.snapshot, parts, came_true(labels, example.done)))
    if not pools:
        raise DataError("Nothing happened in any training window, so there is nothing to learn from.")
    return pools


def _step(
    run: _Run, optimiser: torch.optim.Optimizer, pool: _Pool, recipe: Recipe, rng: np.random.Generator
) -> dict[str, float]:
    here = np.flatnonzero(pool.snapshot.histories.in_population)
    rows = np.sort(rng.choice(here, min(recipe.users, len(here)), replace=False))
    chosen = rng.choice(len(pool.parts), min(recipe.sentences, len(pool.parts)), replace=False)
    batch = blurred(pool.parts.take(chosen), rng, share=recipe.blurred)
    users = run.model.user_vectors(pool.snapshot, rows)
    near = run.model.nearness(run.model.match.place(pool.snapshot.vocabulary), batch)
    scores = run.model.score(pool.snapshot, batch, near, users, rows)
    known = pool.truth[np.ix_(rows, chosen)]
    truth = torch.from_numpy(known if recipe.mask else _one_true_pair(known, rng))
    terms: dict[str, Tensor] = run.loss(scores, truth)
    if not run.model.alone and "dense" not in run.model.without:
        terms |= {f"dense_{name}": term for name, term in run.align(run.model.aligned(batch, users), truth).items()}
    optimiser.zero_grad()
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.parameters(), 1.0)
    optimiser.step()
    return {name: float(term.detach()) for name, term in terms.items()}


def _one_true_pair(truth: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """One of the true pairs of each sentence, all others forgotten: what plain InfoNCE knows of a batch."""
    chosen = (truth * rng.random(truth.shape)).argmax(0)
    return np.asarray(truth & (np.arange(len(truth))[:, None] == chosen))


def _warm_then_cosine(done: float, warm: float = 0.2) -> float:
    """Share of the learning rate after the share ``done`` of all steps."""
    return done / warm if done < warm else 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm)))


def save_checkpoint(run: _Run, optimiser: torch.optim.Optimizer, history: list[dict[str, float]], path: Path) -> None:
    """Write what a later run goes on from, completely or not at all."""
    tensors = {f"run.{name}": tensor.clone() for name, tensor in run.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": tensor.clone() for name, tensor in state.items()}
    with atomic_file(path) as part:
        save_tensors(tensors, part, history=json.dumps(history))


def _resume(run: _Run, optimiser: torch.optim.Optimizer, path: Path) -> list[dict[str, float]]:
    """Load a checkpoint; one that is missing, broken or of another architecture means a fresh start."""
    try:
        tensors, metadata = load_tensors(path)
        history: list[dict[str, float]] = json.loads(metadata["history"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return []
    weights = {name.removeprefix("run."): tensor for name, tensor in tensors.items() if name.startswith("run.")}
    if {name: tensor.shape for name, tensor in weights.items()} != {n: t.shape for n, t in run.state_dict().items()}:
        return []
    run.load_state_dict(weights)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".")
            state.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    return history

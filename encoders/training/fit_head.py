"""The head learns once more, last, on a match and towers that no longer change.

Its inputs are then constants that are computed once, so that many steps cost little: as many as a small network
needs, on plain names of everything in the data beside freshly written labels, and on the latest window too.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from encoders.model.dual import DualEncoder, ScoreHead
from encoders.model.users import FeatureSnapshot
from encoders.text.encoders import TextEncoder
from encoders.training.fit import MaskedInfoNCE
from encoders.training.labels import Label, LabelWriter, TrainingExample, blurred, came_true, encode_labels, joined
from encoders.workspace import Progress

WRITTEN_LABELS = 240
"""Freshly written labels per window."""
_FEWEST = 10
"""Plain names count in windows where so many users did what they say."""
_USERS = 1024
_LABELS = 32
_BATCH = 48
_RATE = 1e-2
_MOST_USERS = 4096
"""Users of a window whose inputs are kept."""


@dataclass(frozen=True)
class _Inputs:
    """What the head reads of one window."""

    found: Tensor
    """[N, L, channels], half precision."""
    nearest: Tensor
    """[L, 2]"""
    aligned: Tensor
    """[N, L]"""
    activity: Tensor
    """[N, features]"""
    truth: Tensor
    """[N, L]"""


def fit_head(
    model: DualEncoder,
    examples: list[TrainingExample],
    writer: LabelWriter,
    encoder: TextEncoder,
    steps: int,
    seed: int,
    progress: Progress,
    blur: bool = True,
) -> float:
    """Train the head of ``model`` in place; nothing else of it changes.

    Args:
        model: trained already.
        examples: windows to learn from.
        writer: writes labels.
        encoder: the frozen text encoder.
        steps: how many.
        seed: draws labels and users.
        progress: told what is being done.
        blur: whether every label is read a second time, not in the words of the data.

    Returns:
        The mean loss of the last tenth of the steps.
    """
    rng = np.random.default_rng([seed, 2])
    inputs = []
    for number, example in enumerate(examples):
        progress("Computing what the head reads", number / len(examples))
        read = _read(model, example, writer, encoder, rng, blur)
        if read is not None:
            inputs.append(read)
    loss = MaskedInfoNCE()
    parameters = [*model.head.parameters(), *loss.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.2)
    recent = []
    for step in range(steps):
        terms = _terms(model.head, loss, inputs[step % len(inputs)], rng)
        optimiser.zero_grad()
        terms.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        recent.append(float(terms.detach()))
        progress("Training the head", (step + 1) / steps)
    return float(np.mean(recent[-max(1, steps // 10) :]))


def _terms(head: ScoreHead, loss: MaskedInfoNCE, inputs: _Inputs, rng: np.random.Generator) -> Tensor:
    users, labels = inputs.truth.shape
    rows = torch.from_numpy(np.sort(rng.choice(users, min(_USERS, users), replace=False)))
    chosen = torch.from_numpy(rng.choice(labels, min(_LABELS, labels), replace=False))
    everyone = np.ones(len(rows), bool)
    pairs = rows[:, None], chosen[None]  # both at once: all labels of the users are many times as much
    found, aligned, activity = inputs.found[pairs].float(), inputs.aligned[pairs], inputs.activity[rows]
    scores = head(found, inputs.nearest[chosen], aligned, activity, everyone)
    return torch.stack(list(loss(scores, inputs.truth[pairs]).values())).sum()


@torch.no_grad()
def _read(
    model: DualEncoder,
    example: TrainingExample,
    writer: LabelWriter,
    encoder: TextEncoder,
    rng: np.random.Generator,
    blur: bool,
) -> _Inputs | None:
    """What the head reads of one window; None where nothing happened in it."""
    snapshot = example.snapshot
    here = np.flatnonzero(snapshot.histories.in_population)
    rows = np.sort(rng.choice(here, min(_MOST_USERS, len(here)), replace=False))
    written = [*_plain(snapshot, example, writer), *writer.write(example.done, WRITTEN_LABELS, rng)]
    if not written:
        return None
    parts, labels = encode_labels(encoder, written)
    if blur:
        parts, labels = joined(parts, blurred(parts, rng)), [*labels, *labels]
    users = model.user_vectors(snapshot, rows)
    found, nearest, aligned = [], [], []
    for start in range(0, len(parts), _BATCH):
        few = parts.take(np.arange(start, min(start + _BATCH, len(parts))))
        near = model.nearness(model.match.place(snapshot.vocabulary), few)
        match, best = model.channels(snapshot, few, near, rows)
        found.append(match.half())
        nearest.append(best)
        aligned.append(model.aligned(few, users))
    truth = torch.from_numpy(came_true(labels, example.done)[rows])
    return _Inputs(
        torch.cat(found, dim=1), torch.cat(nearest), torch.cat(aligned, dim=1), snapshot.activity(rows), truth
    )


def _plain(snapshot: FeatureSnapshot, example: TrainingExample, writer: LabelWriter) -> list[Label]:
    """The names of all groups that enough users turned to."""
    labels = [label for label in writer.groups() if snapshot.histories.seen[label.items].any()]
    if not labels:
        return []
    doers: npt.NDArray[np.int64] = came_true(labels, example.done).sum(0)
    return [label for label, count in zip(labels, doers, strict=True) if count >= _FEWEST]

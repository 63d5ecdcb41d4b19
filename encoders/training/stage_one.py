"""Stage I: the user tower learns, without any label, what stays the same about a user from window to window."""

import numpy as np
import torch
from torch import nn

from encoders.model.scene import Scene
from encoders.model.user import UserTower
from encoders.training.losses import WindowContrast
from encoders.workspace import Progress

_WINDOWS = (slice(0, 2), slice(2, 4), slice(4, None))
"""Disjoint parts of a history: the last month, the two before, and what is older."""
_USERS = 512
_LEARNING_RATE = 1e-3
_CYCLIC = 0.1
"""Weight of the cyclic term."""


def align_windows(tower: UserTower, scenes: list[Scene], steps: int, seed: int, progress: Progress) -> list[float]:
    """Train ``tower`` in place on windows of the same users.

    Args:
        tower: the user side.
        scenes: as of earlier dates; one is taken per step, in turns.
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
        scene = scenes[step % len(scenes)]
        here = np.flatnonzero(scene.histories.in_population)
        inputs = scene.inputs.take(np.sort(rng.choice(here, min(_USERS, len(here)), replace=False)))
        texts = torch.from_numpy(scene.vocabulary.text_vectors)
        terms = loss([tower(texts, inputs, window) for window in _WINDOWS])
        total = terms["window_loss"] + _CYCLIC * terms["cyclic_loss"]
        optimiser.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        history.append(float(total.detach()))
        progress("Stage I: aligning time windows", (step + 1) / steps)
    return history

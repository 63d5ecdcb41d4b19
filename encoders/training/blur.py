"""Blurred sentences: people do not use the words of the data, and training must know how that feels.

A blurred sentence is mixed with another one and with a random direction, in the space of the text encoder: it still
says what it says, but less plainly.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from encoders.model.dual import EncodedParts

_OTHER = (0.2, 1.0)
"""Bounds of the weight of the other sentence; at 1 both count alike."""
_NOISE = (0.0, 1.5)
"""Bounds of the length of the random direction."""


def blurred(parts: EncodedParts, rng: np.random.Generator, share: float = 1.0, strength: float = 1.0) -> EncodedParts:
    """The same parts, a ``share`` of them blurred, at ``strength`` times the usual weights."""
    count = len(parts)
    chosen = rng.random((count, 1)) < share
    weight, length = (strength * chosen * rng.uniform(*bounds, (count, 1)) for bounds in (_OTHER, _NOISE))
    direction = rng.standard_normal(parts.sentences.shape)
    direction *= length / np.linalg.norm(direction, axis=1, keepdims=True)
    other = parts.sentences[torch.from_numpy(rng.integers(0, count, count))]
    added = torch.from_numpy(weight.astype(np.float32)) * other + torch.from_numpy(direction.astype(np.float32))

    def mixed(vectors: Tensor, more: Tensor) -> Tensor:
        return functional.normalize(vectors + more, dim=-1)

    return replace(parts, phrases=mixed(parts.phrases, added[parts.owner]), sentences=mixed(parts.sentences, added))


def joined(first: EncodedParts, second: EncodedParts) -> EncodedParts:
    """The parts of both, one after the other."""
    return EncodedParts(
        torch.cat([first.phrases, second.phrases]),
        torch.cat([first.owner, second.owner + len(first)]),
        torch.cat([first.sentences, second.sentences]),
        np.concatenate([first.source, second.source]),
    )

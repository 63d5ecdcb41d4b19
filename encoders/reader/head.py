"""The head: from the vector of a whole request to the things it means, learned from synthetic texts in seconds.

    log p(thing | request) = softmax(bend(vector) + scale * cosine(vector, thing))     with one more place for "nothing"

The cosine knows every name from the start; the bend learns which words of a request carry the wish, and what occasions
stand for. Several seeds are averaged.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.reader.texts import ReaderExample
from encoders.text.encoders import Matrix

Told = Callable[[float], None]

SEEDS = 3
_HIDDEN = 384
_DROPOUT = 0.3
_EPOCHS = 20
_BATCH = 128
_RATE = 2e-3
_DECAY = 1e-4
_NOISE = 0.1
"""Length of the noise that is added to the unit vectors while learning."""
_SCALE = 10.0
"""Where the scale of the cosines begins."""


class _Member(nn.Module):
    """One seed of the head."""

    def __init__(self, dimension: int, targets: int) -> None:
        super().__init__()
        self.bend = nn.Sequential(
            nn.Linear(dimension, _HIDDEN), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, targets + 1)
        )
        self.log_scale = nn.Parameter(torch.tensor(_SCALE).log())

    def forward(self, vectors: Tensor, things: Tensor) -> Tensor:
        """Logits [B, T + 1] of vectors [B, D] and things [T, D]; the last is "nothing"."""
        near = functional.pad(self.log_scale.exp() * (vectors @ things.T), (0, 1))
        logits: Tensor = self.bend(vectors) + near
        return logits


class ReaderHead:
    """Several seeds of the same network."""

    def __init__(self, members: Sequence[_Member], things: Tensor) -> None:
        """Read through ``members`` which of ``things`` [T, D] a request means."""
        self._members, self._things = members, things

    @torch.no_grad()
    def read(self, vectors: Matrix) -> Matrix:
        """The probability of each thing, and of nothing, for each request: [B, T + 1] from [B, D]."""
        given = torch.from_numpy(np.ascontiguousarray(vectors))
        shares = [member(given, self._things).softmax(-1) for member in self._members]
        return np.asarray(torch.stack(shares).mean(0).numpy())

    def state(self) -> dict[str, Tensor]:
        """All weights, by name."""
        return {f"{n}.{name}": value for n, member in enumerate(self._members) for name, value in _of(member).items()}

    @classmethod
    def load(cls, state: Mapping[str, Tensor], things: Matrix) -> "ReaderHead":
        """The head with weights from ``state``."""
        members = []
        for number in range(1 + max(int(name.partition(".")[0]) for name in state)):
            own = {name.partition(".")[2]: value for name, value in state.items() if name.startswith(f"{number}.")}
            member = _Member(things.shape[1], len(things))
            member.load_state_dict(own)
            members.append(member.eval())
        return cls(members, torch.from_numpy(things))

    @classmethod
    def fit(
        cls,
        vectors: Matrix,
        examples: Sequence[ReaderExample],
        things: Matrix,
        seed: int,
        told: Told = lambda share: None,
    ) -> "ReaderHead":
        """Learn from examples.

        Args:
            vectors: [B, D] of their texts.
            examples: B texts with what they mean.
            things: [T, D].
            seed: of the first member; the others count on from it.
            told: called all along with the share that is done; where it raises, nothing is learned.
        """
        given, known = torch.from_numpy(vectors), torch.from_numpy(things)
        members = [_fit(given, examples, known, seed + number, partial(_part, told, number)) for number in range(SEEDS)]
        return cls(members, known)


def _part(told: Told, number: int, share: float) -> None:
    """Tell of so much of one member."""
    told((number + share) / SEEDS)


def _of(member: nn.Module) -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in member.state_dict().items()}


def _fit(vectors: Tensor, examples: Sequence[ReaderExample], things: Tensor, seed: int, told: Told) -> _Member:
    """One member, trained with a seed that decides everything random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        member = _Member(vectors.shape[1], len(things))
        steps = _EPOCHS * max(1, len(examples) // _BATCH)
        optimiser = torch.optim.AdamW(member.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for step in range(steps):
            told(step / steps)
            rows = torch.randint(len(examples), (_BATCH,))
            noise = _NOISE * functional.normalize(torch.randn(_BATCH, vectors.shape[1]), dim=-1)
            logits = member(functional.normalize(vectors[rows] + noise, dim=-1), things)
            truth = torch.from_numpy(_truth([examples[row] for row in rows.tolist()], len(things)))
            loss = -(truth * logits.log_softmax(-1)).sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return member.eval()


def _truth(examples: Sequence[ReaderExample], targets: int) -> npt.NDArray[np.float32]:
    truth = np.zeros((len(examples), targets + 1), np.float32)
    for row, example in enumerate(examples):
        truth[row, -1] = not example.meant
        for number, share in example.meant.items():
            truth[row, number] = share
    return truth

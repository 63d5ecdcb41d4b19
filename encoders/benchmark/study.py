"""What every scorer is given, and what it gives back. Nothing in a study lies on or after its as-of date."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from encoders.benchmark.demands import BenchmarkDemand
from encoders.language.text import TextEncoder
from encoders.model.scene import Scene
from encoders.training.windows import Example

Scores = npt.NDArray[np.float64]
"""[N, B]: the higher, the likelier, for all N users of a scene and B demands."""

Told = Literal["sentence", "categories", "labels"]
"""What a scorer reads: the sentence only; which items count; or also what came of that very demand before."""


@dataclass(frozen=True)
class Study:
    """The users of one as-of date, and the windows before it that may be learned from."""

    scene: Scene
    """Users as of the date that is scored."""
    examples: list[Example]
    """Earlier windows, latest first; each had ended by the as-of date."""
    allowed: npt.NDArray[np.bool_]
    """[V]: items that a training label may name; those of held-out demands are False."""
    encoder: TextEncoder
    """The text encoder our model uses."""
    minilm: TextEncoder
    seed: int


@dataclass(frozen=True)
class Scorer:
    """A way to pick users."""

    name: str
    told: Told
    score: Callable[[Study, Sequence[BenchmarkDemand]], Scores]


@dataclass(frozen=True)
class Scored:
    """What one scorer says about B demands and all N users of a scene."""

    name: str
    told: Told
    scores: Scores
    probabilities: Scores | None = None
    """[N, B], of scorers that have probabilities."""
    spreads: npt.NDArray[np.float64] | None = None
    """[B], likewise: how far the number of responders may be off beyond chance."""

    def take(self, chosen: npt.NDArray[np.int64]) -> "Scored":
        """The same for some of the demands."""
        few = None if self.probabilities is None else self.probabilities[:, chosen]
        spreads = None if self.spreads is None else self.spreads[chosen]
        return replace(self, scores=self.scores[:, chosen], probabilities=few, spreads=spreads)


class Ours(Protocol):
    """A version of our model: it gives probabilities beside its scores."""

    @property
    def name(self) -> str:
        """What it is called in the tables."""

    @property
    def version(self) -> str:
        """Version of the model."""

    def score(self, study: Study, demands: Sequence[BenchmarkDemand]) -> Scored:
        """Read the sentences, and nothing else of the demands."""


def withheld_items(demands: Sequence[BenchmarkDemand]) -> frozenset[int]:
    """Items of the held-out demands, which no training label may name."""
    return frozenset(int(item) for demand in demands if demand.held_out for item in demand.items)

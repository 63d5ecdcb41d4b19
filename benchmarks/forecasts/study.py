"""What every scorer is given and gives back, ours among them, and what became of the demands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from benchmarks.forecasts.demands import BenchmarkDemand, Items
from encoders.data.events import HORIZON_DAYS, Dataset, Past
from encoders.features.counts import done_in
from encoders.model.dual import Addition
from encoders.model.users import FeatureSnapshot
from encoders.model_folder import TrainedModel
from encoders.predictor import Forecaster
from encoders.reader import Reader
from encoders.settings import Settings
from encoders.text.encoders import TextEncoder
from encoders.train import fit_model, version_of
from encoders.training.fit import Recipe
from encoders.training.labels import TrainingExample
from encoders.workspace import Progress, Workspace, silent

Scores = npt.NDArray[np.float64]
"""[N, B]: the higher, the likelier, for all N users of a snapshot and B demands."""

Told = Literal["sentence", "categories", "labels"]
"""What a scorer reads: the sentence only; which items count; or also what came of that very demand before."""


@dataclass(frozen=True)
class Study:
    """The users of one as-of date, and the windows before it that may be learned from."""

    snapshot: FeatureSnapshot
    """Users as of the date that is scored."""
    examples: list[TrainingExample]
    """Earlier windows, latest first; each had ended by the as-of date."""
    allowed: npt.NDArray[np.bool_]
    """[V]: items that a training label may name; those of held-out demands are False."""
    encoder: TextEncoder
    """The text encoder our model uses."""
    minilm: TextEncoder
    seed: int
    reader: Reader | None = None
    """What reads words that are no names of the data, for our model; None: its text encoders alone."""


@dataclass(frozen=True)
class Scorer:
    """A way to pick users."""

    name: str
    told: Told
    score: Callable[[Study, Sequence[BenchmarkDemand]], Scores]


@dataclass(frozen=True)
class Scored:
    """What one scorer says about B demands and all N users of a snapshot."""

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


EDGE = 25
"""A demand counts when at least so many users of the population respond, and so many do not."""


@dataclass(frozen=True)
class DemandOutcome:
    """What happened to B countable demands among P users."""

    demands: list[BenchmarkDemand]
    rows: npt.NDArray[np.int64]
    """[P]: rows of the snapshot."""
    responded: npt.NDArray[np.bool_]
    """[P, B]"""
    newcomer: npt.NDArray[np.bool_]
    """[P, B]: the user's history has nothing of what is asked for."""

    def take(self, chosen: npt.NDArray[np.int64]) -> "DemandOutcome":
        """The same for some of the demands."""
        demands = [self.demands[number] for number in chosen]
        return DemandOutcome(demands, self.rows, self.responded[:, chosen], self.newcomer[:, chosen])


def observe(dataset: Dataset, snapshot: FeatureSnapshot, demands: Sequence[BenchmarkDemand]) -> DemandOutcome:
    """See who of the population responded in the horizon after the date of ``snapshot``.

    Demands with fewer than ``EDGE`` responders, or fewer others, are left out.

    Raises:
        DataError: the horizon is not over in the data.
    """
    histories = snapshot.histories
    rows = np.flatnonzero(histories.in_population)
    then = dataset.outcome(histories.past.as_of, HORIZON_DAYS)
    future = done_in(then, histories.user_ids, len(snapshot.vocabulary.texts))[rows]
    past = histories.counts[-1][rows]
    responded = np.zeros((len(rows), len(demands)), bool)
    newcomer = np.zeros_like(responded)
    for number, demand in enumerate(demands):
        wanted = [_did(future, items) for items in demand.all_of]
        responded[:, number] = np.all(wanted, axis=0) & ~_did(future, demand.none_of)
        newcomer[:, number] = ~_did(past, demand.items)
    responders = responded.sum(0)
    countable = np.flatnonzero((responders >= EDGE) & (responders <= len(rows) - EDGE))
    return DemandOutcome(list(demands), rows, responded, newcomer).take(countable)


def _did(done: sp.csr_matrix, items: Items) -> npt.NDArray[np.bool_]:
    return np.asarray(done[:, items].sum(axis=1)).ravel() > 0


OURS = "ours, zero-shot"
ALONE: tuple[Addition, ...] = ("match", "structure", "activity")
"""What FOUND (arXiv 2412.12468) does not have: without it, a score is the cosine of two dense vectors."""
_STAGE_ONE = 60
STANDARD: tuple[tuple[str, Recipe], ...] = (
    (OURS, Recipe()),
    ("FOUND as published", Recipe(without=ALONE, stage_one_steps=_STAGE_ONE, mask=False)),
)
ABLATIONS: tuple[tuple[str, Recipe], ...] = (
    (OURS, Recipe()),
    ("without own events", Recipe(without=("match",))),
    ("without what goes together", Recipe(without=("structure",))),
    ("without activity", Recipe(without=("activity",))),
    ("without dense vectors", Recipe(without=("dense",))),
    ("without the last steps of the head", Recipe(head_steps=0)),
    ("without blurred sentences", Recipe(blurred=0.0)),
    ("with Stage I", Recipe(stage_one_steps=_STAGE_ONE)),
    ("dense vectors alone", Recipe(without=ALONE)),
    ("dense vectors alone, with Stage I", Recipe(without=ALONE, stage_one_steps=_STAGE_ONE)),
    ("the same, plain InfoNCE (FOUND as published)", Recipe(without=ALONE, stage_one_steps=_STAGE_ONE, mask=False)),
)


@dataclass(frozen=True)
class Variant:
    """A trained model under the name it has in the tables."""

    name: str
    model: TrainedModel

    @property
    def version(self) -> str:
        """Version of the model."""
        return self.model.config.version

    def forecaster(self, study: Study) -> Forecaster:
        """The model in front of the users of ``study``; FOUND as published reads by its text encoder alone."""
        forecaster = Forecaster(self.model, study.snapshot, study.encoder)
        if study.reader is not None and not self.model.encoder.alone:
            forecaster.read_with(study.reader)
        return forecaster

    def score(self, study: Study, demands: Sequence[BenchmarkDemand]) -> Scored:
        """Forecast every demand for the users of ``study``; the sentence is all that is read of a demand."""
        forecaster = self.forecaster(study)
        forecasts = [forecaster.forecast(demand.sentence) for demand in demands]
        return Scored(
            self.name,
            "sentence",
            np.stack([forecast.scores for forecast in forecasts], axis=1),
            np.stack([forecast.probabilities for forecast in forecasts], axis=1),
            np.array([forecast.spread for forecast in forecasts]),
        )


def train_variant(
    workspace: Workspace,
    settings: Settings,
    examples: list[TrainingExample],
    past: Past,
    name: str,
    recipe: Recipe,
    withheld: frozenset[int],
    progress: Progress = silent,
) -> Variant:
    """Train on what lies before the date of ``past``; no label names a ``withheld`` item, and no folder is left."""
    version = f"benchmark-{version_of(settings, past, recipe)}"
    checkpoint = workspace.checkpoints / f"{version}.safetensors"
    model, _ = fit_model(settings, examples, past, recipe, version, checkpoint, progress, withheld)
    checkpoint.unlink(missing_ok=True)
    return Variant(name, model)


@dataclass(frozen=True)
class Bench:
    """Everything that the tasks share."""

    dataset: Dataset
    settings: Settings
    study: Study
    """As of the date of the report."""
    references: Sequence[Scorer]
    variants: Sequence[Ours]
    """Ours first, then others that it is compared with."""
    progress: Progress

    @property
    def ours(self) -> str:
        """Name of the scorer that all others are compared with."""
        return self.variants[0].name

    def score(self, study: Study, demands: Sequence[BenchmarkDemand], more: Sequence[Scorer] = ()) -> list[Scored]:
        """Ask every reference, then ``more``, then every variant of ours."""
        scorers = [*self.references, *more]
        scored = []
        for number, scorer in enumerate(scorers):
            self.progress(f"Scoring: {scorer.name}", number / len(scorers))
            scored.append(Scored(scorer.name, scorer.told, _reference(scorer, study, demands)))
        for variant in self.variants:
            self.progress(f"Scoring: {variant.name}", None)
            scored.append(variant.score(study, demands))
        return scored


def _reference(scorer: Scorer, study: Study, demands: Sequence[BenchmarkDemand]) -> Scores:
    """Scores of all demands; one that does not read sentences is asked once for demands that mean the same."""
    if scorer.told == "sentence":
        return scorer.score(study, demands)
    meant = [(*(items.tobytes() for items in demand.all_of), b"not", demand.none_of.tobytes()) for demand in demands]
    first = {key: number for number, key in reversed(list(enumerate(meant)))}
    asked = sorted(first.values())
    scores = scorer.score(study, [demands[number] for number in asked])
    column = {number: place for place, number in enumerate(asked)}
    return scores[:, [column[first[key]] for key in meant]]

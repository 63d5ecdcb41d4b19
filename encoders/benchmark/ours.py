"""Our model in the benchmark: trained without the held-out items, and asked like everybody else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoders.benchmark.demands import BenchmarkDemand
from encoders.benchmark.study import Scored, Study
from encoders.forecast import Forecaster
from encoders.history.events import Past
from encoders.model.head import Addition
from encoders.model_folder import TrainedModel
from encoders.settings import Settings
from encoders.train import fit_model, version_of
from encoders.training.fit import Recipe
from encoders.training.windows import Example
from encoders.workspace import Progress, Workspace, silent

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
        """The model in front of the users of ``study``."""
        return Forecaster(self.model, study.scene, study.encoder)

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
    examples: list[Example],
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

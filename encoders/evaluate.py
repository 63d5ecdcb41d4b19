"""``audience evaluate``: our model beside every baseline, one run, one table.

Our model is trained for the benchmark without the held-out categories, on no event on or after the as-of date.
"""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from encoders.baselines import baselines
from encoders.benchmark import EDGE, Outcome, category_demands, first_time_counts, observe
from encoders.calibrate import CLOSE
from encoders.errors import DataError
from encoders.events import HORIZON_DAYS, Dataset
from encoders.fit import Recipe
from encoders.forecast import Forecaster
from encoders.metrics import auc, bootstrap_interval, calibration_error, lift
from encoders.scene import Scene, read_scene, read_vocabulary
from encoders.settings import Settings
from encoders.text import text_encoder
from encoders.train import fit_model, version_of
from encoders.workspace import Progress, Workspace, silent

OURS = "ours, zero-shot"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Model):
    """A macro average over demands with its 95 % bootstrap interval over demands."""

    value: float
    low: float
    high: float


class EvaluationRow(_Model):
    """One scorer."""

    scorer: str
    knows_categories: bool
    auc: Figure
    lift: Figure
    first_time_auc: Figure
    held_out_auc: float
    seen_auc: float


class EvaluationTable(_Model):
    """The benchmark at one as-of date."""

    title: str
    note: str
    as_of: date
    horizon_days: int
    population: int
    demands: int
    held_out_demands: int
    seed: int
    model_version: str
    data_version: str
    rows: tuple[EvaluationRow, ...]
    calibration_error: float
    """Of our probabilities, over all users and demands."""
    responders_close: float
    """Share of demands whose predicted number of responders is off by at most a quarter."""
    interval_coverage: float
    """Share of demands whose number of responders lies in the 80 % interval."""

    def table(self) -> list[tuple[str, ...]]:
        """The rows as text, a heading first."""
        heading = ("scorer", "told", "AUC", "95 %", "lift@10 %", "first-time AUC", "held-out AUC", "seen AUC")
        lines: list[tuple[str, ...]] = [heading]
        for row in self.rows:
            told = "categories" if row.knows_categories else "sentence"
            interval = f"{row.auc.low:.3f}-{row.auc.high:.3f}"
            rest = (row.first_time_auc.value, row.held_out_auc, row.seen_auc)
            figures = (f"{row.auc.value:.3f}", interval, f"{row.lift.value:.2f}", *(f"{each:.3f}" for each in rest))
            lines.append((row.scorer, told, *figures))
        return lines


def evaluate(
    workspace: Workspace,
    settings: Settings,
    as_of: date | None = None,
    progress: Progress = silent,
    recipe: Recipe | None = None,
) -> EvaluationTable:
    """Train without the held-out categories, then score every demand with every scorer.

    Without a date, the data set's own is taken, or the last one whose horizon is over.

    Raises:
        DataError: the horizon after the as-of date is not over in the data.
    """
    dataset = Dataset(workspace.data)
    latest = dataset.card.last + timedelta(days=1 - HORIZON_DAYS)
    as_of = as_of or min(dataset.card.default_as_of, latest)
    past = dataset.before(as_of)
    dataset.outcome(as_of, HORIZON_DAYS)
    demands = category_demands(dataset, settings.seed)
    held_out = frozenset(int(item) for demand in demands if demand.held_out for item in demand.items)
    recipe = recipe or Recipe()
    version = f"benchmark-{version_of(settings, past, recipe)}"
    checkpoint = workspace.checkpoints / f"{version}.safetensors"
    model, _ = fit_model(workspace, settings, past, recipe, version, checkpoint, progress, held_out)
    checkpoint.unlink(missing_ok=True)

    progress("Scoring", None)
    encoder = text_encoder(settings.text_encoder)
    scene = read_scene(past, read_vocabulary(dataset, encoder, workspace), encoder)
    outcome = observe(dataset, scene, demands, as_of)
    if not outcome.demands:
        raise DataError(
            f"No category has {EDGE} responders and {EDGE} others after {as_of}; there is nothing to measure."
        )
    rows = _baseline_rows(scene, outcome, settings.seed, progress)
    return _table(dataset, Forecaster(model, scene, encoder), outcome, rows, settings.seed)


def _baseline_rows(scene: Scene, outcome: Outcome, seed: int, progress: Progress) -> list[EvaluationRow]:
    rows = []
    references = baselines(text_encoder("minilm"))
    for number, baseline in enumerate(references):
        progress(f"Scoring: {baseline.name}", number / len(references))
        found = baseline.score(scene, outcome.demands)[outcome.rows]
        rows.append(_row(baseline.name, baseline.knows_items, found, outcome, seed))
    return rows


def _table(
    dataset: Dataset, forecaster: Forecaster, outcome: Outcome, rows: list[EvaluationRow], seed: int
) -> EvaluationTable:
    """Add our row and the figures about our probabilities."""
    forecasts = [forecaster.forecast(demand.sentence) for demand in outcome.demands]
    scores = np.stack([forecast.scores[outcome.rows] for forecast in forecasts], axis=1)
    chances = np.stack([forecast.probabilities[outcome.rows] for forecast in forecasts], axis=1)
    config = forecaster.model.config
    intervals = np.array([config.calibration.responders(column) for column in chances.T])
    actual = outcome.responded.sum(0)
    return EvaluationTable(
        title=dataset.card.title,
        note=dataset.card.note,
        as_of=config.as_of,
        horizon_days=HORIZON_DAYS,
        population=len(outcome.rows),
        demands=len(outcome.demands),
        held_out_demands=sum(demand.held_out for demand in outcome.demands),
        seed=seed,
        model_version=config.version,
        data_version=dataset.card.version,
        rows=(*rows, _row(OURS, False, scores, outcome, seed)),
        calibration_error=calibration_error(chances.ravel(), outcome.responded.ravel()),
        responders_close=float((np.abs(intervals[:, 1] - actual) <= CLOSE * actual).mean()),
        interval_coverage=float(((intervals[:, 0] <= actual) & (actual <= intervals[:, 2])).mean()),
    )


def _row(name: str, knows: bool, scores: npt.NDArray[np.float64], outcome: Outcome, seed: int) -> EvaluationRow:
    count = len(outcome.demands)
    areas = np.array([auc(scores[:, k], outcome.responded[:, k]) for k in range(count)])
    lifts = np.array([lift(scores[:, k], outcome.responded[:, k], seed=seed) for k in range(count)])
    first = np.array(
        [
            auc(scores[new, k], outcome.responded[new, k])
            for k in range(count)
            if first_time_counts(outcome, k)
            for new in [outcome.newcomer[:, k]]
        ]
    )
    held = np.array([demand.held_out for demand in outcome.demands])
    return EvaluationRow(
        scorer=name,
        knows_categories=knows,
        auc=_figure(areas),
        lift=_figure(lifts),
        first_time_auc=_figure(first),
        held_out_auc=float(areas[held].mean()) if held.any() else float("nan"),
        seen_auc=float(areas[~held].mean()),
    )


def _figure(values: npt.NDArray[np.float64]) -> Figure:
    low, high = bootstrap_interval(values)
    known = values[~np.isnan(values)]
    return Figure(value=float(known.mean()) if len(known) else float("nan"), low=low, high=high)

"""From scores and what then happened to figures: one value per demand and column, then macro averages."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.forecasts.figures import Figure, Vector, calibration_figure, difference, figure
from benchmarks.forecasts.report import DemandResult, Row, Section
from benchmarks.forecasts.study import DemandOutcome, Scored, Told
from encoders.calibration import CLOSE
from encoders.metrics import auc, best_size, calibration_bins, ks, lift, precision_and_recall
from encoders.overdispersion import responders
from encoders.settings import Settings

AUC, KS, PRECISION, RECALL, AHEAD = "AUC", "KS", "precision", "recall", "ours ahead by"
LIFT_TENTH = "lift@10 %"
LIFTS = {"lift@1 %": 0.01, "lift@5 %": 0.05, LIFT_TENTH: 0.1}
ECE, COUNT_ERROR, COUNT_CLOSE, COVERAGE = "ECE", "error of the count", "count within 25 %", "80 % interval holds"


@dataclass(frozen=True)
class JudgedDemand:
    """One scorer on the B demands of an outcome."""

    name: str
    told: Told
    values: dict[str, Vector]
    """By column: [B], NaN where a demand has no such value."""
    calibration: dict[str, Figure] = field(default_factory=dict)
    """Figures about probabilities, of scorers that have them."""
    results: tuple[DemandResult, ...] = ()
    """Demand by demand, likewise."""


def recommended_sizes(scored: Sequence[Scored], outcome: DemandOutcome, smallest: int) -> list[int]:
    """Users in the audience that the product would recommend for each demand, by our probabilities.

    Scorers without probabilities recommend nothing, so every scorer is judged at the size that ours recommends.
    """
    ours = next(each.probabilities for each in scored if each.probabilities is not None)
    return [best_size(chances, smallest) for chances in ours[outcome.rows].T]


def judge(scored: Sequence[Scored], outcome: DemandOutcome, settings: Settings) -> list[JudgedDemand]:
    """Every scorer's values for every demand of ``outcome``.

    Args:
        scored: scores of the same demands, for all users of the snapshot.
        outcome: what then happened.
        settings: the smallest audience that is recommended, and the seed that breaks ties.
    """
    sizes = recommended_sizes(scored, outcome, settings.minimum_size)
    return [_judge(each, outcome, sizes, settings.seed) for each in scored]


def _judge(scored: Scored, outcome: DemandOutcome, sizes: Sequence[int], seed: int) -> JudgedDemand:
    truths = outcome.responded.T
    columns = scored.scores[outcome.rows].T
    pairs = list(zip(columns, truths, strict=True))
    cuts = [precision_and_recall(*pair, size, seed) for pair, size in zip(pairs, sizes, strict=True)]
    values = {
        AUC: np.array([auc(*pair) for pair in pairs]),
        KS: np.array([ks(*pair) for pair in pairs]),
        **{name: np.array([lift(*pair, share, seed) for pair in pairs]) for name, share in LIFTS.items()},
        PRECISION: np.array([precision for precision, _ in cuts]),
        RECALL: np.array([recall for _, recall in cuts]),
    }
    judged = JudgedDemand(scored.name, scored.told, values)
    if scored.probabilities is None or scored.spreads is None:
        return judged
    chances = scored.probabilities[outcome.rows].T
    intervals = np.array(list(map(responders, chances, scored.spreads)))
    calibration = _calibration(chances, intervals, outcome)
    return replace(judged, calibration=calibration, results=_results(values, intervals[:, 1], outcome))


def _calibration(chances: Vector, intervals: Vector, outcome: DemandOutcome) -> dict[str, Figure]:
    """Figures about probabilities [B, P] and the intervals [B, 3] that they give for the number of responders."""
    gaps, users = zip(*map(calibration_bins, chances, outcome.responded.T), strict=True)
    low, middle, high = intervals.T
    actual = outcome.responded.sum(0)
    error = np.abs(middle - actual) / actual
    found = {
        ECE: calibration_figure(np.array(gaps), np.array(users)),
        COUNT_ERROR: figure(error, statistic=np.median),
        COUNT_CLOSE: figure((error <= CLOSE).astype(np.float64)),
        COVERAGE: figure(((low <= actual) & (actual <= high)).astype(np.float64)),
    }
    return {name: value for name, value in found.items() if value is not None}


def _results(values: dict[str, Vector], expected: Vector, outcome: DemandOutcome) -> tuple[DemandResult, ...]:
    """One line per demand, with four digits at most: the report is kept as text."""
    return tuple(
        DemandResult(
            sentence=demand.sentence,
            responders=int(outcome.responded[:, number].sum()),
            expected=round(float(expected[number]), 1),
            auc=round(float(values[AUC][number]), 4),
            lift=round(float(values[LIFT_TENTH][number]), 2),
        )
        for number, demand in enumerate(outcome.demands)
    )


def section(name: str, title: str, judged: Sequence[JudgedDemand], ours: str) -> Section:
    """Macro figures of all values, each scorer's distance from ``ours``, and calibration where there is any."""
    first = next(each for each in judged if each.name == ours)
    own = first.values[AUC]
    rows = []
    for each in judged:
        figures = {column: figure(values) for column, values in each.values.items()}
        if each.name != ours:
            figures[AHEAD] = difference(own, each.values[AUC])
        kept = {column: value for column, value in figures.items() if value is not None}
        rows.append(Row(scorer=each.name, told=each.told, figures={**kept, **each.calibration}))
    counted = int((~np.isnan(own)).sum())
    return Section(name=name, title=title, demands=counted, rows=tuple(rows), results=first.results)

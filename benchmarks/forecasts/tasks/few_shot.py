"""Few-shot: beside the sentence, or instead of it, a few users are given who are known to have done it.

Seeds are drawn from those who responded in the last horizon before the as-of date. Every scorer ranks all the others;
it is right where those of them respond in the horizon after it. The demands are the same for every number of seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.forecasts.demands import BenchmarkDemand, Items
from benchmarks.forecasts.judging import AUC, LIFTS, JudgedDemand, section
from benchmarks.forecasts.references.seeds import SeedReferences
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import DemandOutcome, Study, Told
from encoders.data.events import HORIZON_DAYS
from encoders.features.counts import done_in
from encoders.metrics import auc, lift
from encoders.predictor import Forecaster
from encoders.tuning import forecast_tuned, tune
from encoders.workspace import Progress, silent

Vector = npt.NDArray[np.float64]

NAME = "few-shot: {size} seeds"
SEEDS = (5, 20, 100)
UNTUNED, TUNED, ALIKE = "ours, sentence alone", "ours, sentence and seeds", "ours, seeds alone"

_DEMANDS = 18
"""Drawn once for all numbers of seeds; each takes two tunings for every number, so that few have to do."""
_ENOUGH = 1.5
"""A demand counts with so many times the largest number of seeds who responded before."""
_LIFT = "lift@10 %"


@dataclass(frozen=True)
class Case:
    """One demand with its seeds."""

    demand: BenchmarkDemand
    seeds: Items
    """Rows of the snapshot."""
    others: Items
    """Rows of the rest of the population."""
    responded: npt.NDArray[np.bool_]
    """Which of the others responded."""


def few_shot(
    study: Study,
    forecaster: Forecaster,
    outcome: DemandOutcome,
    sizes: Sequence[int] = SEEDS,
    progress: Progress = silent,
) -> list[Section]:
    """A section per number of seeds; none where no demand has enough responders before the as-of date.

    Args:
        study: the users and what may be read.
        forecaster: our model in front of the same users.
        outcome: what became of the demands.
        sizes: numbers of seeds.
        progress: told what is being done.
    """
    before = _responded_before(study, outcome)
    enough = np.flatnonzero(before.sum(0) >= _ENOUGH * max(sizes))
    rng = np.random.default_rng(study.seed)
    chosen = np.sort(rng.choice(enough, min(_DEMANDS, len(enough)), replace=False))
    references, sections = SeedReferences(study), []
    for size in sizes if len(chosen) else ():
        values: dict[str, list[tuple[float, float]]] = {}
        for done, number in enumerate(chosen):
            progress(f"Tuning with {size} seeds", done / len(chosen))
            case = _case(outcome, before, int(number), size, study.seed)
            for name, scores in case_scores(study, forecaster, references, case).items():
                mine = scores[case.others]
                figures = auc(mine, case.responded), lift(mine, case.responded, LIFTS[_LIFT], study.seed)
                values.setdefault(name, []).append(figures)
        judged = [
            JudgedDemand(name, _told(name), dict(zip((AUC, _LIFT), np.array(each).T, strict=True)))
            for name, each in values.items()
        ]
        title = f"{size} users are given who did it in the {HORIZON_DAYS} days before; the others are ranked"
        sections.append(section(NAME.format(size=size), title, judged, TUNED))
    return sections


def case_scores(study: Study, forecaster: Forecaster, references: SeedReferences, case: Case) -> dict[str, Vector]:
    """By name, [N] scores of all users."""
    seeds = [study.snapshot.histories.user_ids[row] for row in case.seeds]
    sentence = case.demand.sentence
    return {
        **references.scores(case.seeds, case.others),
        UNTUNED: forecaster.forecast(sentence).scores,
        ALIKE: forecast_tuned(forecaster, tune(forecaster, None, seeds)).scores,
        TUNED: forecast_tuned(forecaster, tune(forecaster, sentence, seeds)).scores,
    }


def _told(name: str) -> Told:
    return "sentence" if name == UNTUNED else "labels"


def _responded_before(study: Study, outcome: DemandOutcome) -> npt.NDArray[np.bool_]:
    """Who of the P users of ``outcome`` responded to each demand in the horizon before the as-of date: [P, B]."""
    histories = study.snapshot.histories
    recent = histories.past.events(HORIZON_DAYS).collect()
    done = done_in(recent, histories.user_ids, len(study.snapshot.vocabulary.texts))[outcome.rows]

    def did(items: Items) -> npt.NDArray[np.bool_]:
        return np.asarray(done[:, items].sum(axis=1)).ravel() > 0

    columns = [
        np.all([did(each) for each in demand.all_of], axis=0) & ~did(demand.none_of) for demand in outcome.demands
    ]
    return np.stack(columns, axis=1)


def _case(outcome: DemandOutcome, before: npt.NDArray[np.bool_], number: int, size: int, seed: int) -> Case:
    rng = np.random.default_rng([seed, size, number])
    given = np.sort(rng.choice(np.flatnonzero(before[:, number]), size, replace=False))
    rest = np.setdiff1d(np.arange(len(outcome.rows)), given)
    return Case(
        demand=outcome.demands[number],
        seeds=outcome.rows[given],
        others=outcome.rows[rest],
        responded=outcome.responded[rest, number],
    )

"""First-time: the same demands among users who have never done it, where a count of own events knows nothing."""

from collections.abc import Sequence

import numpy as np

from benchmarks.forecasts.figures import Vector
from benchmarks.forecasts.judging import AUC, LIFTS, JudgedDemand, section
from benchmarks.forecasts.report import Section
from benchmarks.forecasts.study import DemandOutcome, Scored
from encoders.metrics import auc, lift

NAME = "first-time"
FEWEST = 5
"""A demand counts with so many responders who had never done it."""


def first_time(scored: Sequence[Scored], outcome: DemandOutcome, seed: int, ours: str) -> Section:
    """AUC and lift among newcomers."""
    judged = [JudgedDemand(each.name, each.told, _values(each, outcome, seed)) for each in scored]
    return section(NAME, "The same demands, among users who have never done it", judged, ours)


def _values(scored: Scored, outcome: DemandOutcome, seed: int) -> dict[str, Vector]:
    count = len(outcome.demands)
    values = {name: np.full(count, np.nan) for name in (AUC, *LIFTS)}
    for number in range(count):
        new = outcome.newcomer[:, number]
        responded = outcome.responded[new, number]
        if responded.sum() < FEWEST:
            continue
        scores = scored.scores[outcome.rows[new], number]
        values[AUC][number] = auc(scores, responded)
        for name, share in LIFTS.items():
            values[name][number] = lift(scores, responded, share, seed)
    return values

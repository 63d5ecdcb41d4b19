"""First-time: the same demands among users who have never done it, where a count of own events knows nothing."""

from collections.abc import Sequence

import numpy as np

from encoders.benchmark.figures import Vector
from encoders.benchmark.judging import AUC, LIFTS, Judged, section
from encoders.benchmark.outcome import Outcome
from encoders.benchmark.report import Section
from encoders.benchmark.study import Scored
from encoders.metrics import auc, lift

NAME = "first-time"
FEWEST = 5
"""A demand counts with so many responders who had never done it."""


def first_time(scored: Sequence[Scored], outcome: Outcome, seed: int, ours: str) -> Section:
    """AUC and lift among newcomers."""
    judged = [Judged(each.name, each.told, _values(each, outcome, seed)) for each in scored]
    return section(NAME, "The same demands, among users who have never done it", judged, ours)


def _values(scored: Scored, outcome: Outcome, seed: int) -> dict[str, Vector]:
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

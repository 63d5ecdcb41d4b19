"""Held out against seen: demands that no training label has ever named, and those that labels could name.

They are different topics, and some topics are easier; the references, which learn from no label, show by how much.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.forecasts.figures import figure
from benchmarks.forecasts.judging import AUC, JudgedDemand
from benchmarks.forecasts.report import Row, Section
from benchmarks.forecasts.study import DemandOutcome

NAME = "held-out"
HELD_OUT, SEEN, GAP = "held-out AUC", "seen AUC", "held-out minus seen"


def held_out(judged: Sequence[JudgedDemand], outcome: DemandOutcome) -> Section:
    """AUC of both kinds, and their difference."""
    held = np.array([demand.held_out for demand in outcome.demands])

    def gap(first: Any, second: Any, axis: int) -> Any:
        return np.mean(first, axis=axis) - np.mean(second, axis=axis)

    rows = []
    for each in judged:
        areas = each.values[AUC]
        figures = {
            HELD_OUT: figure(areas[held]),
            SEEN: figure(areas[~held]),
            GAP: figure(areas[held], areas[~held], statistic=gap),
        }
        known = {column: value for column, value in figures.items() if value is not None}
        rows.append(Row(scorer=each.name, told=each.told, figures=known))
    title = "Topics that no training label has ever named, against the others"
    return Section(name=NAME, title=title, demands=int(held.sum()), rows=tuple(rows))

"""All demands: one sentence per topic of the data, counted where enough users respond and enough do not."""

from collections.abc import Sequence

from benchmarks.forecasts.judging import JudgedDemand, section
from benchmarks.forecasts.report import Section

NAME = "demands"


def all_demands(judged: Sequence[JudgedDemand], ours: str) -> Section:
    """Every figure on every demand."""
    return section(NAME, "Every topic of the data, in one sentence", judged, ours)

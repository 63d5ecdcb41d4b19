"""Demands with several parts, for scorers that are told which items count.

"Both coffee and pastries", "coffee but not tea": such a scorer scores every part by itself. A part's score becomes a
chance, and the chances are multiplied: those of what is asked for, and one minus the chance of what is left out. The
chance is logistic in the standardised score and, at the average user, the share of users who did it in the last weeks.
A demand of one part keeps its scores.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit, logit

from benchmarks.forecasts.demands import BenchmarkDemand, Items
from benchmarks.forecasts.study import Scores
from encoders.data.events import HORIZON_DAYS
from encoders.features.counts import did_any, done_in, level
from encoders.model.users import FeatureSnapshot


def by_parts(
    snapshot: FeatureSnapshot, demands: Sequence[BenchmarkDemand], score: Callable[[list[Items]], Scores]
) -> Scores:
    """Scores of whole demands, [N, B].

    Args:
        snapshot: N users.
        demands: B demands.
        score: gives [N, P] scores for P sets of items.
    """
    simple = [len(demand.all_of) == 1 and not len(demand.none_of) for demand in demands]
    parts = [items for demand in demands for items in (*demand.all_of, *_unwanted(demand))]
    scored = score(parts)
    if all(simple):
        return scored
    chances = _chances(snapshot, parts, scored)
    columns, start = [], 0
    for demand, alone in zip(demands, simple, strict=True):
        wanted, end = start + len(demand.all_of), start + len(demand.all_of) + len(_unwanted(demand))
        together = chances[:, start:wanted].prod(1) * (1.0 - chances[:, wanted:end]).prod(1)
        columns.append(scored[:, start] if alone else together)
        start = end
    return np.stack(columns, axis=1)


def _unwanted(demand: BenchmarkDemand) -> list[Items]:
    return [demand.none_of] if len(demand.none_of) else []


def _chances(snapshot: FeatureSnapshot, parts: list[Items], scores: Scores) -> Scores:
    histories = snapshot.histories
    past = histories.past.events(HORIZON_DAYS).collect()
    recent = done_in(past, histories.user_ids, len(snapshot.vocabulary.texts))[histories.in_population]
    levels = np.array([level(did_any(recent, items)) for items in parts])
    return np.asarray(expit(standardised(scores) + logit(levels)))


def standardised(scores: Scores) -> Scores:
    """Every column in its standard deviations."""
    return np.asarray((scores - scores.mean(0)) / (scores.std(0) + 1e-9))

"""Whom to write about, for a given number of user-windows.

Stratified: topics take turns, the thirds of activity take turns within them, and rare topics come up as often as common
ones. Active: users first whose horizon the model foresaw worst (see ``agent.labelling.surprise``).
"""

from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from agent.labelling.horizon import Horizon, Line, Unit
from agent.labelling.job import CONTRAST, NEGATIVE, PRODUCT, Job

_NOT_DONE = 3
"""Lines about what a user did not do, where a style needs some."""


@dataclass(frozen=True)
class Task:
    """One sentence to be written."""

    unit: Unit
    style: str
    language: str


def stratified(horizons: Sequence[Horizon], units: int, seed: int) -> list[tuple[int, str]]:
    """Number of the horizon and id of the user, ``units`` of them or as many as there are."""
    rng = np.random.default_rng([seed, 3])
    queues: dict[_Stratum, deque[str]] = {}
    topics: dict[tuple[str, str], list[_Stratum]] = defaultdict(list)
    for number, horizon in enumerate(horizons):
        groups = horizon.deeds.filter(pl.col("level") == "group")
        strata = groups.group_by("source", "name", "activity").agg("user_id").sort("source", "name", "activity")
        for source, name, activity, users in strata.iter_rows():
            key = (source, name, activity, number)
            queues[key] = deque(rng.permutation(sorted(users)).tolist())
            topics[source, name].append(key)
    order = sorted(topics)
    turns = deque(order[place] for place in rng.permutation(len(order)))
    for keys in topics.values():
        rng.shuffle(keys)
    chosen: dict[tuple[int, str], None] = {}
    while turns and len(chosen) < units:
        topic = turns.popleft()
        found = _next(topics[topic], queues, chosen)
        if found is not None:
            chosen[found] = None
            turns.append(topic)
    return list(chosen)


_Stratum = tuple[str, str, int, int]
"""Source, group, third of activity, number of the horizon."""


def _next(
    strata: list[_Stratum], queues: dict[_Stratum, deque[str]], chosen: Collection[tuple[int, str]]
) -> tuple[int, str] | None:
    """The next user of a topic who is not chosen yet; her stratum goes to the end, one without any is taken off."""
    while strata:
        stratum = strata.pop(0)
        queue, horizon = queues[stratum], stratum[3]
        while queue:
            user = queue.popleft()
            if (horizon, user) not in chosen:
                strata.append(stratum)
                return horizon, user
    return None


def tasks(horizons: Sequence[Horizon], chosen: Sequence[tuple[int, str]], job: Job) -> list[Task]:
    """What to write about the chosen users: styles and languages take turns.

    A style without anything to say of a user - nothing is new, say - is passed over.
    """
    rows = [
        {user: table for (user,), table in horizon.deeds.partition_by("user_id", as_dict=True).items()}
        for horizon in horizons
    ]
    made = []
    for place, (number, user) in enumerate(chosen):
        for turn in range(job.per_unit):
            style = job.styles[(place * job.per_unit + turn) % len(job.styles)]
            language = job.languages[(place + turn) % len(job.languages)]
            lines = _lines(horizons[number], rows[number][user], user, style, job.lines)
            if lines:
                unit = Unit(user, horizons[number].as_of, lines, horizons[number].did[user])
                made.append(Task(unit, style, language))
    return made


def _lines(horizon: Horizon, deeds: pl.DataFrame, user: str, style: str, count: int) -> tuple[Line, ...]:
    of_item = (pl.col("level") == "item") & (pl.col("source") == horizon.main_source)
    mine = deeds.filter(of_item if style == PRODUCT else pl.col("level") == "group")
    mine = mine.select("source", "level", "name", "days", "items")
    lines = [Line(source, level, name, days, tuple(items)) for source, level, name, days, items in mine.iter_rows()]
    if style == CONTRAST:
        known = horizon.known.get(user, frozenset())
        lines = [line for line in lines if (line.source, line.name) not in known]
    missing = horizon.usual(user, _NOT_DONE) if style == NEGATIVE else []
    return (*lines[:count], *missing) if lines else ()

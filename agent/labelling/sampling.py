"""Whom to write about, and what they did in the horizon: stratified, or where the model is most wrong."""

from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl

from agent.labelling.job import CONTRAST, NEGATIVE, PRODUCT, LabelJob
from encoders.data.events import ACTIVE_DAYS, HORIZON_DAYS, DatasetCard, Past, Window
from encoders.errors import ModelError
from encoders.model_folder import read_config
from encoders.predictor import Forecaster
from encoders.settings import Settings
from encoders.training.labels import Level
from encoders.workspace import Progress, Workspace, silent

_EVIDENCE = 4
"""Item texts that are kept with a line, the most usual of the user first."""


@dataclass(frozen=True)
class Line:
    """One thing a user did in the horizon, or did not."""

    source: str
    level: Level
    name: str
    days: int = 0
    items: tuple[str, ...] = ()
    """What they did it with, in the words of the data; empty for what they did not do."""


@dataclass(frozen=True)
class Unit:
    """One user at one as-of date, with what there is to write about."""

    user_id: str
    as_of: date
    lines: tuple[Line, ...]
    did: frozenset[tuple[str, str]]
    """Source and name of every group and item of the whole horizon, listed or not."""
    horizon_days: int = HORIZON_DAYS


class Horizon:
    """The horizon of one window, counted."""

    def __init__(self, window: Window, card: DatasetCard) -> None:
        """Count what everybody did; sources that no sentence speaks of are left out."""
        self.as_of = window.past.as_of
        self._past = window.past
        self.main_source = card.main_source
        self._spoken_of = sorted({card.main_source, *card.wordings})
        items = window.past.dataset.items.select("item_id", "text", group=pl.coalesce("group", "text"))
        self._events = window.future.filter(pl.col("source").is_in(self._spoken_of)).join(items, on="item_id")

    @cached_property
    def deeds(self) -> pl.DataFrame:
        """A row per user, source and level: name, days, items, users who did it, weight, activity; heaviest first.

        The weight is high for what a user did on many days and few others did at all. Activity is 0, 1 or 2: the third
        of the users they are in, by days with anything.
        """
        active = self._events.group_by("user_id").agg(pl.col("time").dt.date().n_unique().alias("active"))
        third = (3 * (pl.col("active").rank("ordinal") - 1) // pl.len()).cast(pl.Int8)
        active = active.sort("user_id").select("user_id", activity=third)
        both = pl.concat([self._counted("group"), self._counted("text").with_columns(level=pl.lit("item"))])
        users = pl.len().over("source", "level", "name").alias("users")
        weighed = both.with_columns(users).with_columns(weight=pl.col("days") / pl.col("users").sqrt())
        order = ["user_id", "weight", "source", "level", "name"]
        return weighed.join(active, on="user_id").sort(order, descending=[False, True, False, False, False])

    def _counted(self, name: str) -> pl.DataFrame:
        texts = pl.col("text").value_counts(sort=True).struct.field("text").head(_EVIDENCE)
        found = self._events.sort("user_id", "time", "item_id").group_by("user_id", "source", name, maintain_order=True)
        counted = found.agg(pl.col("time").dt.date().n_unique().alias("days"), texts.alias("items"))
        return counted.rename({name: "name"}).with_columns(level=pl.lit("group"))

    @cached_property
    def did(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Source and name of every group and item, by user."""
        pairs = self.deeds.group_by("user_id").agg(pl.struct("source", "name"))
        return {user: frozenset((pair["source"], pair["name"]) for pair in each) for user, each in pairs.iter_rows()}

    @cached_property
    def known(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Source and group of what each user did in the weeks before: it only decides what may be called new."""
        items = self._past.dataset.items.select("item_id", group=pl.coalesce("group", "text"))
        before = self._past.events(ACTIVE_DAYS).join(items.lazy(), on="item_id").select("user_id", "source", "group")
        pairs = before.unique().group_by("user_id").agg(pl.struct("source", "group")).collect()
        return {user: frozenset((pair["source"], pair["group"]) for pair in each) for user, each in pairs.iter_rows()}

    def usual(self, user_id: str, count: int) -> list[Line]:
        """Groups of the main source that most people turn to, and this user did not."""
        main = self.main_source
        groups = self.deeds.filter((pl.col("level") == "group") & (pl.col("source") == main))
        common = groups.group_by("name").agg(pl.col("users").first()).sort(["users", "name"], descending=[True, False])
        missing = [name for name in common["name"] if (main, name) not in self.did.get(user_id, frozenset())]
        return [Line(main, "group", name) for name in missing[:count]]


_NOT_DONE = 3
"""Lines about what a user did not do, where a style needs some."""


@dataclass(frozen=True)
class LabelTask:
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
    """The next user of a topic who is not chosen yet; their stratum goes to the end, one without any is taken off."""
    while strata:
        stratum = strata.pop(0)
        queue, horizon = queues[stratum], stratum[3]
        while queue:
            user = queue.popleft()
            if (horizon, user) not in chosen:
                strata.append(stratum)
                return horizon, user
    return None


def tasks(horizons: Sequence[Horizon], chosen: Sequence[tuple[int, str]], job: LabelJob) -> list[LabelTask]:
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
                made.append(LabelTask(unit, style, language))
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


_GROUPS = 120
"""Groups that are forecast per window: the commonest of the horizon."""
_LEAST = 1e-4
_WORST = 3
"""Things per user whose surprise counts, the most surprising ones."""


def surprising(
    workspace: Workspace,
    settings: Settings,
    horizons: Sequence[Horizon],
    past: Past,
    units: int,
    progress: Progress = silent,
) -> list[tuple[int, str]]:
    """Number of the horizon and id of the user, the most surprising first; the windows take turns.

    Raises:
        ModelError: every model knows what came in one of the windows.
    """
    first = min(horizon.as_of for horizon in horizons)
    folder = next((each for each in workspace.models() if read_config(each).as_of <= first), None)
    if folder is None:
        raise ModelError(
            f"No model is as old as the first window, so all know what came in it; train one with 'audience train "
            f"--as-of {first}', take fewer windows, or sample 'stratified'."
        )
    ranked = []
    for number, horizon in enumerate(horizons):
        progress("Looking where the model was wrong", number / len(horizons))
        forecaster = Forecaster.open(workspace, settings, folder, horizon.as_of, past.dataset)
        ranked.append([(number, user) for user in _ranked(forecaster, horizon, past.dataset.card)])
    turns = [each for together in _in_turns(ranked) for each in together]
    return turns[:units]


def _ranked(forecaster: Forecaster, horizon: Horizon, card: DatasetCard) -> list[str]:
    """Users of the population who did anything, the most surprising first."""
    histories = forecaster.snapshot.histories
    groups = horizon.deeds.filter((pl.col("level") == "group") & (pl.col("source") == horizon.main_source))
    common = groups.group_by("name").len().sort(["len", "name"], descending=[True, False])["name"][:_GROUPS]
    wording = card.wordings.get(horizon.main_source, "do {items}")
    surprise = np.zeros((len(histories.user_ids), len(common)))
    for column, name in enumerate(common):
        chances = forecaster.forecast(f"{card.unit_plural} that will {wording.format(items=name)}").probabilities
        doers = groups.filter(pl.col("name") == name)["user_id"].to_list()
        rows = [histories.row_of[user] for user in doers if user in histories.row_of]
        surprise[rows, column] = -np.log(np.maximum(chances[rows], _LEAST))
    worst = np.sort(surprise, axis=1)[:, -_WORST:].mean(axis=1)
    order = np.argsort(-worst, kind="stable")
    return [histories.user_ids[row] for row in order if histories.in_population[row] and worst[row] > 0]


def _in_turns(ranked: list[list[tuple[int, str]]]) -> list[list[tuple[int, str]]]:
    longest = max(map(len, ranked), default=0)
    return [[each[place] for each in ranked if place < len(each)] for place in range(longest)]

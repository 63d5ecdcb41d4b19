"""The demands of the benchmark, and what became of them.

A demand per category of the main source, in words; counted when enough users respond and enough do not. Every fifth
countable category is held out: none of its items is ever named by a training label.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.events import HORIZON_DAYS, Dataset
from encoders.histories import done_in
from encoders.scene import Scene

EDGE = 25
"""A demand counts when at least so many users of the population respond, and so many do not."""
_HELD_OUT_EVERY = 5
_FIRST_TIME_EDGE = 5
"""First-time figures need so many responders without an earlier event."""


@dataclass(frozen=True)
class BenchmarkDemand:
    """One category as a sentence."""

    sentence: str
    items: npt.NDArray[np.int64]
    held_out: bool = False


@dataclass(frozen=True)
class Outcome:
    """What happened to B countable demands among P users of the population."""

    demands: list[BenchmarkDemand]
    rows: npt.NDArray[np.int64]
    """[P]: rows of the scene."""
    responded: npt.NDArray[np.bool_]
    """[P, B]"""
    newcomer: npt.NDArray[np.bool_]
    """[P, B]: no such event in the user's history."""


def category_demands(dataset: Dataset, seed: int) -> list[BenchmarkDemand]:
    """A demand per category; which of them are held out is drawn with ``seed`` among all of them.

    Categories are the item groups, or, where the data folder keeps the categories of the original tables
    (``raw_items.parquet``), those.
    """
    groups = dataset.items["group"].fill_null(dataset.items["text"]).to_list()
    raw = dataset.folder / "raw_items.parquet"
    if raw.exists():
        table = pl.read_parquet(raw).select("item_id", category="product_category").unique().drop_nulls()
    else:
        main = dataset.items.filter(pl.col("source") == dataset.card.main_source)
        table = main.select("item_id", category=pl.col("group").fill_null(pl.col("text")))
    members = table.group_by("category").agg("item_id").sort("category")
    place = np.random.default_rng(seed).permutation(len(members))
    wording = dataset.card.wordings.get(dataset.card.main_source, "do {items}")
    demands = []
    for number, (_, items) in enumerate(members.iter_rows()):
        name = Counter(groups[item] for item in items).most_common(1)[0][0]
        sentence = f"{dataset.card.unit_plural} that will {wording.format(items=name)}"
        demands.append(
            BenchmarkDemand(sentence, np.array(sorted(items), np.int64), place[number] % _HELD_OUT_EVERY == 0)
        )
    return demands


def observe(dataset: Dataset, scene: Scene, demands: list[BenchmarkDemand], as_of: date) -> Outcome:
    """Look at what happened from ``as_of`` on; only measuring may do that."""
    histories = scene.histories
    rows = np.flatnonzero(histories.in_population)
    future = done_in(dataset.outcome(as_of, HORIZON_DAYS), histories.user_ids, len(scene.vocabulary.texts))[rows]
    past = histories.counts[-1][rows]
    responded = np.stack([np.asarray(future[:, demand.items].sum(1)).ravel() > 0 for demand in demands], axis=1)
    before = np.stack([np.asarray(past[:, demand.items].sum(1)).ravel() > 0 for demand in demands], axis=1)
    countable = (responded.sum(0) >= EDGE) & (responded.sum(0) <= len(rows) - EDGE)
    return Outcome(
        demands=[demand for demand, counts in zip(demands, countable, strict=True) if counts],
        rows=rows,
        responded=responded[:, countable],
        newcomer=~before[:, countable],
    )


def first_time_counts(outcome: Outcome, number: int) -> bool:
    """Whether a demand has enough first-time responders for a figure."""
    return int((outcome.responded[:, number] & outcome.newcomer[:, number]).sum()) >= _FIRST_TIME_EDGE

"""The demands of the benchmark: sentences whose responders can be counted."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from encoders.benchmark.topics import Items, read_topics
from encoders.history.events import Dataset

_HELD_OUT_EVERY = 5


def no_items() -> Items:
    """The empty set of items."""
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class BenchmarkDemand:
    """A sentence, and what a user has to do to be a responder."""

    sentence: str
    all_of: tuple[Items, ...]
    """A responder does something with any item of every one of these."""
    none_of: Items = field(default_factory=no_items)
    """And with none of these."""
    held_out: bool = False
    """No item of it may be named by a training label."""
    kind: str = "category"
    """Which slice of the benchmark it belongs to."""

    @cached_property
    def items(self) -> Items:
        """Every item that is asked for."""
        return np.unique(np.concatenate(self.all_of))


def category_demands(dataset: Dataset, seed: int) -> list[BenchmarkDemand]:
    """A demand per topic of the benchmark's levels; every fifth is held out.

    Held-out topics are drawn with ``seed`` in the finest level, the one with most topics: a topic of a coarse level
    would take half of the others' items with it.
    """
    topics = read_topics(dataset)
    if dataset.card.benchmark_levels:
        topics = topics.filter(pl.col("level").is_in(dataset.card.benchmark_levels))
    finest = topics["level"].mode().sort()[0]
    place = iter(np.random.default_rng(seed).permutation(topics.filter(pl.col("level") == finest).height))
    wording = dataset.card.wordings.get(dataset.card.main_source, "do {items}")
    return [
        BenchmarkDemand(
            sentence=f"{dataset.card.unit_plural} that will {wording.format(items=words)}",
            all_of=(np.array(items, np.int64),),
            held_out=level == finest and next(place) % _HELD_OUT_EVERY == 0,
        )
        for level, words, items in topics.select("level", "words", "items").iter_rows()
    ]

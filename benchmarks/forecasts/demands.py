"""The topics of a data set, and the demands made of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.data.events import Dataset
from encoders.errors import DataError

Items = npt.NDArray[np.int64]

TOPICS = "topics.parquet"
GROUP_LEVEL = "group"


def read_topics(dataset: Dataset) -> pl.DataFrame:
    """Every topic with its words and its items: level, topic, words, items; sorted by level and topic."""
    path = dataset.folder / TOPICS
    named = dataset.items.select("item_id", "source", name=pl.coalesce("group", "text"))
    if path.exists():
        members = pl.read_parquet(path).with_columns(pl.col("item_id").cast(pl.UInt32))
    else:
        main = named.filter(pl.col("source") == dataset.card.main_source)
        words = pl.lit(None, pl.String).alias("words")
        members = main.select("item_id", pl.lit(GROUP_LEVEL).alias("level"), pl.col("name").alias("topic"), words)
    commonest = pl.col("name").mode(maintain_order=True).first()
    topics = members.sort("level", "topic", "item_id").join(named, on="item_id", maintain_order="left")
    return (
        topics.group_by("level", "topic", maintain_order=True)
        .agg(pl.col("words").drop_nulls().first().fill_null(commonest), pl.col("item_id").alias("items"))
        .sort("level", "topic")
    )


def items_of(topics: pl.DataFrame, level: str, names: Sequence[str]) -> Items:
    """The items of some topics of one level, sorted.

    Raises:
        DataError: the data has no such topic.
    """
    found = topics.filter((pl.col("level") == level) & pl.col("topic").is_in(list(names)))
    missing = sorted(set(names) - set(found["topic"]))
    if missing or not names:
        raise DataError(f"The data has no topic {missing} of the level '{level}'.")
    return np.unique(found.explode("items")["items"].to_numpy()).astype(np.int64)


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

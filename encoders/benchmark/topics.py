"""What the items of a data set are about: the topics that demands are made of.

A data folder may hold ``topics.parquet``: item_id, level, topic, words. A level is a way to divide the items
("department", "product_category"), a topic one part of it, and its words how a person would call it; where they are
null, the commonest group name of its items is taken. Without that file the item groups are the only level, "group".
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.errors import DataError
from encoders.history.events import Dataset

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

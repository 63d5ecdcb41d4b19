import math

import numpy as np
import polars as pl
import pytest

from benchmarks.forecasts.demands import category_demands, items_of, read_topics
from benchmarks.forecasts.study import withheld_items
from encoders.checksums import write_checksums
from encoders.data.events import Dataset
from encoders.errors import DataError


def add_topics(dataset: Dataset, levels: list[str]) -> Dataset:
    """Two levels: the first letter of an item's group, and the group with words of its own where it is wine."""
    purchases = dataset.items.filter(source="purchases")
    letter = purchases.select(
        "item_id", level=pl.lit("letter"), topic=pl.col("group").str.head(1), words=pl.lit(None, pl.String)
    )
    wine = pl.when(pl.col("group") == "wine").then(pl.lit("a good bottle"))
    kind = purchases.select("item_id", level=pl.lit("kind"), topic="group", words=wine.otherwise(None))
    pl.concat([kind, letter]).write_parquet(dataset.folder / "topics.parquet")
    card = dataset.card.model_copy(update={"benchmark_levels": levels})
    (dataset.folder / "dataset.json").write_text(card.model_dump_json())
    write_checksums(dataset.folder)
    return Dataset(dataset.folder)


def test_without_a_table_the_groups_of_the_main_source_are_the_topics(data: Dataset) -> None:
    topics = read_topics(data)
    assert topics["level"].unique().to_list() == ["group"]
    purchases = data.items.filter(source="purchases")
    assert set(topics["words"]) == set(purchases["group"])
    assert sorted(topics.explode("items")["items"]) == sorted(purchases["item_id"])


def test_a_topic_is_called_by_its_words_or_else_by_its_commonest_group(own_data: Dataset) -> None:
    topics = read_topics(add_topics(own_data, []))
    words = {(level, topic): said for level, topic, said in topics.select("level", "topic", "words").iter_rows()}
    assert words["kind", "wine"] == "a good bottle"
    assert words["kind", "beer"] == "beer"
    sizes = own_data.items.filter(source="purchases").group_by("group").len()
    begun_by_d = {group: size for group, size in sizes.iter_rows() if group.startswith("d")}
    assert begun_by_d[words["letter", "d"]] == max(begun_by_d.values())


def test_items_of_several_topics_are_joined_and_an_unknown_one_is_told(own_data: Dataset) -> None:
    topics = read_topics(add_topics(own_data, []))
    expected = own_data.items.filter(pl.col("group").is_in(["tea", "wine"]), source="purchases")["item_id"].to_list()
    assert items_of(topics, "kind", ["wine", "tea"]).tolist() == sorted(expected)
    with pytest.raises(DataError, match=r"'spaceships'.*'kind'"):
        items_of(topics, "kind", ["wine", "spaceships"])


def test_a_demand_is_worded_as_the_data_words_it(own_data: Dataset) -> None:
    sentences = [demand.sentence for demand in category_demands(add_topics(own_data, ["kind"]), 7)]
    assert "households that will buy a good bottle" in sentences
    assert len(sentences) == own_data.items.filter(source="purchases")["group"].n_unique()


def test_every_fifth_topic_of_the_finest_level_is_held_out_and_the_draw_is_seeded(own_data: Dataset) -> None:
    dataset = add_topics(own_data, [])
    demands = category_demands(dataset, 3)
    finest = {tuple(items) for items in read_topics(dataset).filter(level="kind")["items"]}
    held = [demand.held_out for demand in demands]
    assert held == [demand.held_out for demand in category_demands(dataset, 3)]
    assert held != [demand.held_out for demand in category_demands(dataset, 4)]
    assert sum(held) == math.ceil(len(finest) / 5)
    assert all(tuple(demand.items) in finest for demand in demands if demand.held_out)
    expected = np.concatenate([demand.items for demand in demands if demand.held_out])
    assert withheld_items(demands) == set(expected.tolist())

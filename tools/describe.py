"""The data card: what the data really has, as of the as-of date."""

import polars as pl

from encoders.forecast import Forecaster
from encoders.history.events import HORIZON_DAYS
from tools.conditions import Conditions
from tools.search import Search
from tools.types import DataCard, FieldCard, SourceCard, ValueCount

_TOP_GROUPS = 40


def describe(forecaster: Forecaster, conditions: Conditions, search: Search) -> DataCard:
    """Count sources and attributes; attribute counts are over the population."""
    past, card = forecaster.scene.histories.past, forecaster.dataset.card
    population = forecaster.scene.histories.in_population
    return DataCard(
        title=card.title,
        note=card.note,
        unit=card.unit,
        unit_plural=card.unit_plural,
        population=int(population.sum()),
        as_of=past.as_of,
        horizon_days=HORIZON_DAYS,
        sources=_sources(forecaster),
        fields=_fields(conditions.attributes.filter(pl.Series(population))),
        top_groups=search.common_groups(card.main_source, _TOP_GROUPS),
        model_version=forecaster.model.config.version,
        data_version=card.version,
    )


def _sources(forecaster: Forecaster) -> tuple[SourceCard, ...]:
    counted = (
        forecaster.scene.histories.past.events()
        .group_by("source")
        .agg(
            pl.col("action").unique().sort().alias("actions"),
            pl.len().alias("events"),
            pl.col("user_id").n_unique().alias("users"),
            pl.col("item_id").n_unique().alias("items"),
            pl.col("time").min().dt.date().alias("first"),
            pl.col("time").max().dt.date().alias("last"),
        )
        .sort("events", descending=True)
        .collect()
    )
    return tuple(SourceCard.model_validate(row | {"actions": tuple(row["actions"])}) for row in counted.to_dicts())


def _fields(attributes: pl.DataFrame) -> tuple[FieldCard, ...]:
    cards = []
    for name in (column for column in attributes.columns if column != "user_id"):
        counts = attributes.group_by(pl.col(name).alias("value")).len("users").drop_nulls("value").sort("value")
        values = tuple(ValueCount(value=value, users=users) for value, users in counts.iter_rows())
        cards.append(FieldCard(field=name, values=values, unknown=attributes[name].null_count()))
    return tuple(cards)

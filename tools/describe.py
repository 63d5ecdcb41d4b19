"""The data card: what the data really has, as of the as-of date."""

import polars as pl

from encoders.forecast import Forecaster
from encoders.history.events import HORIZON_DAYS
from tools.conditions import Conditions, unknown_key, value_key
from tools.disclosure import Disclosure
from tools.search import Search
from tools.types import DataCard, FieldCard, SourceCard, ValueCount

_TOP_GROUPS = 40


def describe(forecaster: Forecaster, conditions: Conditions, search: Search, disclosure: Disclosure) -> DataCard:
    """Count sources and attributes, as the counts are shown; attribute counts are over the population."""
    past, card = forecaster.scene.histories.past, forecaster.dataset.card
    population = forecaster.scene.histories.in_population
    return DataCard(
        title=card.title,
        note=card.note,
        unit=card.unit,
        unit_plural=card.unit_plural,
        population=disclosure.count(population) or 0,
        minimum_size=disclosure.minimum,
        as_of=past.as_of,
        horizon_days=HORIZON_DAYS,
        main_source=card.main_source,
        sources=_sources(forecaster, disclosure),
        fields=_fields(conditions.attributes.filter(pl.Series(population)), disclosure),
        top_groups=search.common_groups(card.main_source, _TOP_GROUPS),
        model_version=forecaster.model.config.version,
        data_version=card.version,
    )


def _sources(forecaster: Forecaster, disclosure: Disclosure) -> tuple[SourceCard, ...]:
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
            (pl.col("value").fill_null(0.0) != 0.0).any().alias("valued"),
        )
        .sort("events", descending=True)
        .collect()
    )
    cards = []
    for row in counted.to_dicts():
        users = disclosure.count(row["users"], "source", row["source"])
        shown = {"actions": tuple(row["actions"]), "users": users, "events": disclosure.events(row["events"], users)}
        row["wording"] = forecaster.dataset.card.wordings.get(row["source"], "")
        cards.append(SourceCard.model_validate(row | shown))
    return tuple(cards)


def _fields(attributes: pl.DataFrame, disclosure: Disclosure) -> tuple[FieldCard, ...]:
    cards = []
    for name in (column for column in attributes.columns if column != "user_id"):
        counted = attributes.group_by(pl.col(name).alias("value")).len("users").drop_nulls("value").sort("value")
        counts: dict[str, int] = dict(counted.iter_rows())
        keys = [(value_key(name, value),) for value in counts] + [(unknown_key(name),)]
        *shown, unknown = disclosure.cells([*counts.values(), attributes[name].null_count()], keys)
        values = tuple(ValueCount(value=value, users=users) for value, users in zip(counts, shown, strict=True))
        cards.append(FieldCard(field=name, values=values, unknown=unknown))
    return tuple(cards)

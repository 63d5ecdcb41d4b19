"""The catalogue of the planted world, level by level."""

import numpy as np
import polars as pl
import pytest

from encoders.errors import RequestError
from tests.planted import AS_OF, World
from tools.audiences.disclosure import Disclosure
from tools.service import AudienceService


def test_every_level_lists_what_is_below_it(service: AudienceService, world: World) -> None:
    items = pl.read_parquet(world.folder / "items.parquet")
    sources = service.browse()
    assert sources.total == len(sources.names) == items["source"].n_unique()
    source = sources.names[0]
    groups = service.browse(source, size=50)
    assert set(groups.names) <= set(items.filter(pl.col("source") == source)["group"].drop_nulls().to_list())
    below = service.browse(groups.names[0].upper())
    assert set(below.names) <= set(items.filter(pl.col("group") == groups.names[0])["text"].to_list())
    assert below.names


def test_pages_do_not_overlap_and_hold_all(service: AudienceService) -> None:
    source = service.browse().names[0]
    whole = service.browse(source, size=50)
    paged = [name for page in range(len(whole.names)) for name in service.browse(source, page, 3).names]
    assert paged[: len(whole.names)] == list(whole.names)
    assert service.browse(source, 99, 50).names == ()


def test_a_group_is_described_by_what_users_did(service: AudienceService, world: World) -> None:
    source = service.browse().names[0]
    group = service.browse(source).names[0]
    card = service.describe_group(f" {group.upper()} ")
    assert (card.group, card.source) == (group, source)
    items = pl.read_parquet(world.folder / "items.parquet").filter(
        (pl.col("source") == source) & (pl.col("group") == group)
    )
    events = pl.read_parquet(world.folder / "events.parquet").filter(
        pl.col("item_id").is_in(items["item_id"].to_list()) & (pl.col("time").dt.date() < AS_OF)
    )
    days = events.select("user_id", day=pl.col("time").dt.date()).unique().sort("user_id", "day")
    gaps = days.with_columns(gap=pl.col("day").diff().over("user_id").dt.total_days()).drop_nulls("gap")
    assert card.item_count <= len(items)
    assert card.interval_days == pytest.approx(float(np.median(gaps["gap"])))


def test_an_interval_that_few_users_show_is_withheld(service: AudienceService) -> None:
    group = service.browse(service.browse().names[0]).names[0]
    catalogue = service.population.catalogue
    assert catalogue.describe(group, Disclosure(1)).interval_days is not None
    wary = catalogue.describe(group, Disclosure(10**6))
    assert wary.interval_days is None
    assert wary.users is None


def test_what_is_not_there_is_one_sentence(service: AudienceService) -> None:
    with pytest.raises(RequestError, match="no source or group 'unicorns'"):
        service.browse("unicorns")
    with pytest.raises(RequestError, match="no group 'unicorns'"):
        service.describe_group("unicorns")


def test_a_group_of_two_sources_is_described_for_the_one_that_is_named(service: AudienceService) -> None:
    main, other = service.browse().names[:2]
    both = set(service.browse(main, size=50).names) & set(service.browse(other, size=50).names)
    group = min(both)
    first, second = service.describe_group(group), service.describe_group(group, other.upper())
    assert (first.source, second.source) == (main, other)
    assert first.action != second.action
    assert service.browse(group, size=50, source=other).total == second.item_count
    with pytest.raises(RequestError, match="no group"):
        service.describe_group(group, "unicorns")

from collections import defaultdict
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from planted import AS_OF, World

from encoders.errors import DataError
from encoders.events import ACTIVE_DAYS, Dataset
from encoders.histories import ACTIVITY_WINDOWS, HALF_LIVES, Histories, done_in, level, read_histories


@pytest.fixture(scope="module")
def histories(world: World) -> Histories:
    return read_histories(world.dataset.before(AS_OF))


@pytest.fixture(scope="module")
def days(world: World) -> dict[tuple[str, int], set[int]]:
    """Ages in days at which a household did something with an item, counted by hand from the file."""
    found = defaultdict(set)
    for user, time, item in (
        pl.read_parquet(world.folder / "events.parquet").select("user_id", "time", "item_id").rows()
    ):
        if time.date() < AS_OF:
            found[user, item].add((AS_OF - time.date()).days)
    return dict(found)


def test_decayed_counts_equal_a_count_by_hand(histories: Histories, days: dict[tuple[str, int], set[int]]) -> None:
    for half_life, counts in zip(HALF_LIVES, histories.counts, strict=True):
        assert counts.nnz == len(days)
        for (user, item), ages in days.items():
            by_hand = sum(1.0 if half_life is None else 2 ** (-age / half_life) for age in ages)
            assert counts[histories.row_of[user], item] == pytest.approx(by_hand, rel=1e-4)


def test_activity_counts_days_of_the_main_source(world: World, histories: Histories) -> None:
    main = set(world.dataset.items.filter(pl.col("source") == "purchases")["item_id"])
    events = world.dataset.before(AS_OF).events().collect()
    ages: dict[str, set[int]] = defaultdict(set)
    for user, time, item in events.select("user_id", "time", "item_id").rows():
        if item in main:
            ages[user].add((AS_OF - time.date()).days)
    for row, user in enumerate(histories.user_ids):
        expected = [np.log1p(sum(age <= window for age in ages[user])) for window in ACTIVITY_WINDOWS]
        expected.append(min(ages[user]) / 30 if ages[user] else 12.0)
        assert histories.activity[row] == pytest.approx(expected, abs=1e-5)


def test_the_population_came_in_the_last_weeks(world: World, histories: Histories) -> None:
    population = {user for user, here in zip(histories.user_ids, histories.in_population, strict=True) if here}
    assert population == set(world.dataset.before(AS_OF).population)
    assert not population & (world.gone | world.late)
    assert world.gone < set(histories.user_ids)
    assert not world.late & set(histories.user_ids)


def test_reach_counts_users_of_the_population(world: World, histories: Histories) -> None:
    reached: dict[int, set[str]] = defaultdict(set)
    population = set(world.dataset.before(AS_OF).population)
    for user, item in world.dataset.before(AS_OF).events().select("user_id", "item_id").collect().rows():
        if user in population:
            reached[item].add(user)
    assert histories.reach().tolist() == [len(reached[item]) for item in range(len(world.dataset.items))]


def test_an_item_is_seen_once_anybody_did_it(world: World, histories: Histories) -> None:
    telescope = world.dataset.items["group"].to_list().index("telescope")
    assert histories.seen[telescope]
    early = read_histories(world.dataset.before(AS_OF - timedelta(days=140)))
    assert not early.seen[telescope]


def test_done_in_is_ones_for_what_was_done(world: World, histories: Histories) -> None:
    future = world.dataset.outcome(AS_OF)
    done = done_in(future, histories.user_ids, len(world.dataset.items))
    by_hand = {(user, item) for user, item in future.select("user_id", "item_id").rows() if user in histories.row_of}
    rows, columns = done.nonzero()
    assert {(histories.user_ids[row], int(column)) for row, column in zip(rows, columns, strict=True)} == by_hand
    assert set(done.data) == {1.0}
    assert level(done, np.array([0, 1])) == pytest.approx(
        (len({user for user, item in by_hand if item in (0, 1)}) + 0.5) / (len(histories.user_ids) + 1)
    )
    assert level(done, np.zeros(0, np.int64)) < 0.01


def test_nothing_done_at_all() -> None:
    empty = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.UInt32})
    assert done_in(empty, ["a", "b"], 3).nnz == 0


def test_a_date_when_nobody_was_active(world: World) -> None:
    dataset = Dataset(world.folder)
    dataset.card = dataset.card.model_copy(update={"main_source": "post", "last": AS_OF + timedelta(days=ACTIVE_DAYS)})
    with pytest.raises(DataError, match="Nobody has an event of 'post' in the weeks before"):
        read_histories(dataset.before(AS_OF))

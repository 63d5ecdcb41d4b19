from bisect import bisect_right
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from encoders.data.events import ACTIVE_DAYS, Dataset
from encoders.errors import DataError
from encoders.features.counts import (
    GROUP_HALF_LIVES,
    HALF_LIVES,
    SLOTS,
    UserFeatures,
    did_any,
    done_in,
    level,
    read_user_features,
)
from tests.planted import AS_OF, World, replace_events


@pytest.fixture(scope="module")
def histories(world: World) -> UserFeatures:
    return read_user_features(world.dataset.before(AS_OF))


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


@pytest.mark.slow
def test_decayed_counts_equal_a_count_by_hand(histories: UserFeatures, days: dict[tuple[str, int], set[int]]) -> None:
    for half_life, counts in zip(HALF_LIVES, histories.counts, strict=True):
        assert counts.nnz == len(days)
        for (user, item), ages in days.items():
            by_hand = sum(1.0 if half_life is None else 2 ** (-age / half_life) for age in ages)
            assert counts[histories.row_of[user], item] == pytest.approx(by_hand, rel=1e-4)


@pytest.fixture(scope="module")
def group_days(world: World, days: dict[tuple[str, int], set[int]]) -> dict[tuple[str, int], set[int]]:
    """Ages in days at which a household did anything of a group."""
    place = {key: number for number, key in enumerate(world.dataset.groups.rows())}
    group = [place[key] for key in world.dataset.items.select("source", "group").rows()]
    found: dict[tuple[str, int], set[int]] = defaultdict(set)
    for (user, item), ages in days.items():
        found[user, group[item]] |= ages
    return dict(found)


@pytest.mark.slow
def test_days_with_a_group_equal_a_count_by_hand(
    histories: UserFeatures, group_days: dict[tuple[str, int], set[int]]
) -> None:
    """Two things of one group on one day are one day."""
    assert sum(map(len, group_days.values())) < histories.counts[-1].sum()
    for half_life, counts in zip(GROUP_HALF_LIVES, histories.group_days, strict=True):
        assert counts.nnz == len(group_days)
        for (user, group), ages in group_days.items():
            by_hand = sum(1.0 if half_life is None else 2 ** (-age / half_life) for age in ages)
            assert counts[histories.row_of[user], group] == pytest.approx(by_hand, rel=1e-4)


def test_the_last_day_with_a_group(histories: UserFeatures, group_days: dict[tuple[str, int], set[int]]) -> None:
    assert histories.group_last.nnz == len(group_days)
    for (user, group), ages in group_days.items():
        by_hand = 2 ** (-min(ages) / 30)
        assert histories.group_last[histories.row_of[user], group] == pytest.approx(by_hand, rel=1e-4)
    assert histories.seen_groups.tolist() == [
        any(group == number for _, group in group_days) for number in range(histories.group_last.shape[1])
    ]


def test_value_is_a_log_of_the_sum_and_never_below_zero(world: World, tmp_path: Path) -> None:
    """Two payments, one of them taken back; and one that is worth less than nothing."""
    events = pl.read_parquet(world.folder / "events.parquet")
    day = datetime.combine(AS_OF, datetime.min.time()) - timedelta(days=5)
    bought = [("h100", 0, 30.0), ("h100", 0, -10.0), ("h100", 1, -5.0), ("h101", 0, 3.0)]
    rows = [(user, day + timedelta(hours=hour), item, value) for hour, (user, item, value) in enumerate(bought)]
    table = pl.DataFrame(rows, schema=["user_id", "time", "item_id", "value"], orient="row")
    source = world.dataset.items["source"]
    table = table.with_columns(source=pl.col("item_id").replace_strict({k: source[k] for k in (0, 1)}))
    shopped = events.head(50).with_columns(time=pl.lit(day), user_id=pl.lit("h102"))
    new = pl.concat([shopped, table.with_columns(action=pl.lit("buy"))], how="diagonal_relaxed")
    histories = read_user_features(replace_events(world.folder, tmp_path, new).before(AS_OF))
    assert histories.value[histories.row_of["h100"], [0, 1]].toarray().tolist() == [[pytest.approx(np.log(21)), 0.0]]
    assert histories.value[histories.row_of["h101"], 0] == pytest.approx(np.log(4))
    for counts in histories.counts:
        assert np.array_equal(histories.value.indptr, counts.indptr), "the same sparsity, zeros included"
        assert np.array_equal(histories.value.indices, counts.indices)


@pytest.mark.slow
def test_slots_count_from_the_last_event_of_the_user(
    histories: UserFeatures, days: dict[tuple[str, int], set[int]]
) -> None:
    last: dict[str, int] = {}
    for (user, _), ages in days.items():
        last[user] = min(last.get(user, 10_000), *ages)
    by_hand: dict[tuple[int, int], int] = defaultdict(int)
    for (user, item), ages in days.items():
        for age in ages:
            slot = bisect_right(SLOTS, age - last[user])
            by_hand[histories.row_of[user] * (len(SLOTS) + 1) + slot, item] += 1
    together = sum(histories.slots[1:], histories.slots[0])
    assert together.shape == (len(histories.user_ids) * (len(SLOTS) + 1), histories.counts[-1].shape[1])
    assert together.nnz == sum(slots.nnz for slots in histories.slots) == len(by_hand)
    found = together.todok()
    assert {place: found[place] for place in by_hand} == pytest.approx(
        {place: np.log1p(count) for place, count in by_hand.items()}, rel=1e-5
    )


def test_slots_stay_while_their_user_does_nothing(world: World, histories: UserFeatures) -> None:
    """Only the as-of date moves on for those who are away."""
    later = read_user_features(world.dataset.before(AS_OF + timedelta(days=12)))
    between = set(world.dataset.outcome(AS_OF, 12)["user_id"])
    away = [user for user in histories.user_ids if user not in between]
    assert len(away) > 15
    for user in away:
        for before, after in zip(histories.slots, later.slots, strict=True):
            mine = before[histories.row_of[user] * (len(SLOTS) + 1) :][: len(SLOTS) + 1]
            same = after[later.row_of[user] * (len(SLOTS) + 1) :][: len(SLOTS) + 1]
            assert np.array_equal(mine.toarray(), same.toarray())
    main, main_later = histories.slots[0], later.slots[0]
    assert (main != main_later[: main.shape[0]]).nnz, "others did something"


def test_slots_of_a_source_hold_its_items_alone(world: World, histories: UserFeatures) -> None:
    assert len(histories.slots) == len(set(world.dataset.items["source"]))
    for source, slots in zip(world.dataset.sources, histories.slots, strict=True):
        touched = world.dataset.items["source"].to_numpy()[np.unique(slots.indices)]
        assert set(touched) == {source}


@pytest.mark.parametrize("days", [1, 7, 28, None])
def test_who_did_what_lately_is_what_the_events_say(world: World, histories: UserFeatures, days: int | None) -> None:
    events = world.dataset.before(AS_OF).events(days).collect()
    by_hand = done_in(events, histories.user_ids, histories.age.shape[1])
    found = histories.done_within(days)
    assert found.nnz == by_hand.nnz
    assert not (found != by_hand).nnz


def test_the_population_came_in_the_last_weeks(world: World, histories: UserFeatures) -> None:
    population = {user for user, here in zip(histories.user_ids, histories.in_population, strict=True) if here}
    assert population == set(world.dataset.before(AS_OF).population)
    assert not population & (world.gone | world.late)
    assert world.gone < set(histories.user_ids)
    assert not world.late & set(histories.user_ids)


def test_reach_counts_users_of_the_population(world: World, histories: UserFeatures) -> None:
    reached: dict[int, set[str]] = defaultdict(set)
    population = set(world.dataset.before(AS_OF).population)
    for user, item in world.dataset.before(AS_OF).events().select("user_id", "item_id").collect().rows():
        if user in population:
            reached[item].add(user)
    assert histories.reach().tolist() == [len(reached[item]) for item in range(len(world.dataset.items))]


def test_an_item_is_seen_once_anybody_did_it(world: World, histories: UserFeatures) -> None:
    telescope = world.dataset.items["group"].to_list().index("telescope")
    assert histories.seen[telescope]
    early = read_user_features(world.dataset.before(AS_OF - timedelta(days=140)))
    assert not early.seen[telescope]


def test_done_in_is_ones_for_what_was_done(world: World, histories: UserFeatures) -> None:
    future = world.dataset.outcome(AS_OF)
    done = done_in(future, histories.user_ids, len(world.dataset.items))
    by_hand = {(user, item) for user, item in future.select("user_id", "item_id").rows() if user in histories.row_of}
    rows, columns = done.nonzero()
    assert {(histories.user_ids[row], int(column)) for row, column in zip(rows, columns, strict=True)} == by_hand
    assert set(done.data) == {1.0}
    assert level(did_any(done, np.array([0, 1]))) == pytest.approx(
        (len({user for user, item in by_hand if item in (0, 1)}) + 0.5) / (len(histories.user_ids) + 1)
    )
    assert level(did_any(done, np.zeros(0, np.int64))) < 0.01


def test_nothing_done_at_all() -> None:
    empty = pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.UInt32})
    assert done_in(empty, ["a", "b"], 3).nnz == 0


def test_a_date_when_nobody_was_active(world: World) -> None:
    dataset = Dataset(world.folder)
    dataset.card = dataset.card.model_copy(update={"main_source": "post", "last": AS_OF + timedelta(days=ACTIVE_DAYS)})
    with pytest.raises(DataError, match="Nobody has an event of 'post' in the weeks before"):
        read_user_features(dataset.before(AS_OF))

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.data.events import HORIZON_DAYS, Dataset
from encoders.errors import DataError
from tests.planted import AS_OF, DAYS, FIRST, World, replace_events

LAST = FIRST + timedelta(days=DAYS - 1)


@given(st.integers(1, DAYS), st.one_of(st.none(), st.integers(1, DAYS)))
def test_the_past_ends_where_the_as_of_date_begins(world: World, day: int, days: int | None) -> None:
    as_of = FIRST + timedelta(days=day)
    times = world.dataset.before(as_of).events(days).select("time").collect()["time"]
    everything = pl.read_parquet(world.folder / "events.parquet", columns=["time"])["time"]
    start = as_of - timedelta(days=days or DAYS + 1)
    assert len(times) == sum(start <= day < as_of for day in everything.dt.date().to_list())


def test_midnight_of_the_as_of_date_is_the_future(world: World, tmp_path: Path) -> None:
    midnight = datetime.combine(AS_OF, datetime.min.time())
    events = pl.read_parquet(world.folder / "events.parquet").head(2)
    edge = events.with_columns(time=pl.Series([midnight - timedelta(microseconds=1), midnight]))
    dataset = replace_events(world.folder, tmp_path, edge)
    assert dataset.before(AS_OF).events().collect()["time"].to_list() == [midnight - timedelta(microseconds=1)]
    assert dataset.outcome(AS_OF, 1)["time"].to_list() == [midnight]


@pytest.mark.parametrize("as_of", [FIRST, date(1999, 1, 1), LAST + timedelta(days=2), date(2999, 1, 1)])
def test_an_as_of_date_outside_the_data_names_the_dates_there_are(world: World, as_of: date) -> None:
    with pytest.raises(DataError, match=f"{as_of} is outside the data, which runs from {FIRST} to {LAST}"):
        world.dataset.before(as_of)


def test_the_day_after_the_last_event_may_be_now(world: World) -> None:
    assert len(world.dataset.before(LAST + timedelta(days=1)).population) > 300


def test_an_outcome_that_is_not_over_is_refused(world: World) -> None:
    with pytest.raises(DataError, match="are not over in this data"):
        world.dataset.outcome(LAST)


def test_windows_had_ended_by_the_as_of_date(world: World) -> None:
    windows = list(world.dataset.before(AS_OF).windows(count=9))
    assert [window.past.as_of for window in windows] == [AS_OF - timedelta(days=28 * k) for k in range(1, 6)]
    for window in windows:
        days = window.future["time"].dt.date().sort().to_list()
        assert window.past.as_of <= days[0]
        assert days[-1] < window.past.as_of + timedelta(days=HORIZON_DAYS) <= AS_OF


def test_a_folder_without_data_says_how_to_get_some(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run 'audience demo' or 'audience prepare'"):
        Dataset(tmp_path)


@pytest.mark.parametrize("card", ["", "{", '{"name": "x"}', "\x00\xff"])
def test_a_broken_card_is_one_sentence(world: World, tmp_path: Path, card: str) -> None:
    (tmp_path / "dataset.json").write_bytes(card.encode("latin-1"))
    with pytest.raises(DataError, match=r"cannot be read .*; prepare the data again"):
        Dataset(tmp_path)


@pytest.mark.parametrize("name", ["events.parquet", "items.parquet", "users.parquet"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_a_broken_table_is_one_sentence(world: World, tmp_path: Path, name: str, damage: str) -> None:
    dataset = replace_events(world.folder, tmp_path, pl.read_parquet(world.folder / "events.parquet"))
    if damage == "missing":
        (tmp_path / name).unlink()
    elif damage == "truncated":
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-100])
    else:
        (tmp_path / name).write_text("user_id,time\n")
    read: dict[str, Callable[[], object]] = {
        "events.parquet": lambda: dataset.before(AS_OF).events(),
        "items.parquet": lambda: dataset.items,
        "users.parquet": lambda: dataset.users,
    }
    with pytest.raises(DataError, match=f"{name} cannot be read .*; prepare the data again") as caught:
        read[name]()
    assert "\n" not in str(caught.value)


def test_a_sample_has_all_events_of_some_active_users_and_none_of_others(world: World) -> None:
    past = world.dataset.before(AS_OF)
    few, again = past.sample(50, 200), past.sample(50, 200)
    events = few.events().collect()
    chosen = set(events["user_id"])
    assert (len(chosen), past.is_sample, few.is_sample) == (50, False, True)
    assert chosen == set(again.events().collect()["user_id"])
    assert events.sort(pl.all()).equals(past.events().filter(pl.col("user_id").is_in(chosen)).collect().sort(pl.all()))
    main = past.events(200).filter(pl.col("source") == world.dataset.card.main_source)
    assert chosen <= set(main.collect()["user_id"])
    for window in few.windows():
        assert set(window.past.population) | set(window.future["user_id"]) <= chosen
    assert past.sample(10_000, 200) is past, "everybody, where there are no more"

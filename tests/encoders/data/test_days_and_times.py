"""Days and times of own tables: those that are far from the rest, in another unit or order, or cannot be read."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from encoders.data.dates import usual_days
from encoders.errors import DataError
from tests.encoders.data.small_shop import ORDER, Shop

DAYS = [ORDER | {"at": f"2026-01-{day:02d}"} for day in range(1, 21)]
"""Twenty days in a row."""


# --- Days --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("day", ["2099-12-31", "2027-01-15", "1970-01-01", "0001-01-01", "9999-12-31", "20991231"])
def test_a_day_far_from_the_rest_is_a_counted_rejection(shop: Shop, day: str) -> None:
    shop.table("orders.csv", [*DAYS, ORDER | {"at": day}])
    done = shop.prepare()
    assert done.card.rejected["orders: date far from the rest"] == 1
    assert [(one.line, one.value) for one in done.examples if "far" in one.reason] == [(22, day)]
    assert (done.card.first, done.summary.as_of) == (date(2026, 1, 1), date(2026, 1, 21))
    assert (done.summary.days, done.summary.population) == (20, 1)


@pytest.mark.parametrize(("hours", "left_out"), [([0], 12), ([9, 10], 0)], ids=["one time", "times"])
def test_one_date_for_the_unknown_is_left_out_however_often(shop: Shop, hours: list[int], left_out: int) -> None:
    unknown = [ORDER | {"at": f"2099-12-31 {hours[n % len(hours)]:02d}:00", "product": f"tea {n}"} for n in range(12)]
    shop.table("orders.csv", [*DAYS, *unknown])
    assert shop.prepare().card.rejected.get("orders: date far from the rest", 0) == left_out


def test_days_that_the_spec_names_are_the_ones_that_count(shop: Shop) -> None:
    shop.table("orders.csv", [*DAYS, ORDER | {"at": "2026-12-31"}])
    shop.change('value = "paid"', 'value = "paid"\nlast_day = 2026-12-31\nfirst_day = 2026-01-03')
    done = shop.prepare()
    assert done.card.rejected["orders: outside first_day to last_day"] == 2
    assert done.card.last == date(2026, 12, 31)
    shop.change("first_day = 2026-01-03", "first_day = 2027-01-03")
    with pytest.raises(DataError, match="first_day of source 'orders' is after its last_day"):
        shop.prepare()


@pytest.mark.parametrize(
    ("groups", "kept"),
    [
        ([(0, 30, 1)], (0, 29)),
        ([(0, 300, 1), (500, 1, 1)], (0, 299)),
        ([(0, 300, 1), (340, 1, 1)], (0, 340)),
        ([(0, 300, 1), (500, 100, 1)], (0, 599)),
        ([(0, 20, 10), (300, 20, 10), (600, 20, 10), (900, 1, 3)], (0, 900)),
        ([(0, 5, 1), (400, 300, 1)], (0, 699)),
        ([(0, 5, 1), (900, 300, 1)], (900, 1199)),
        ([(0, 1, 1), (9000, 1, 1)], (0, 9000)),
        ([(0, 300, 1), (27000, 1, 400)], (0, 299)),
        ([(0, 1, 900), (20000, 300, 1), (50000, 1, 400)], (20000, 20299)),
        ([(0, 300, 1), (500, 1, 100)], (0, 500)),
    ],
    ids=["all", "typo", "near", "many", "seasons", "old", "very old", "two", "unknown", "unknown twice", "campaign"],
)
def test_what_is_far_depends_on_the_rhythm_of_the_rest(
    groups: list[tuple[int, int, int]], kept: tuple[int, int]
) -> None:
    start = date(2020, 1, 1)
    rows = [(start + timedelta(first + each), many) for first, days, many in groups for each in range(days)]
    counted = pl.DataFrame(rows, {"day": pl.Date, "rows": pl.UInt32}, orient="row")
    found = usual_days(counted.with_columns(one_time=True))
    assert found == (start + timedelta(kept[0]), start + timedelta(kept[1]))


SECONDS = 1_767_225_600


@pytest.mark.parametrize(
    ("said", "ticks", "right"),
    [
        ("unix", 1_000, "unix_ms"),
        ("unix_ms", 1, "unix"),
        ("unix", 1_000_000, "unix_us"),
        ("unix_us", 1_000_000_000, "unix_ns"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_another_unit_of_time_is_told_with_both_readings(
    shop: Shop, said: str, ticks: int, right: str, kind: str
) -> None:
    shop.change('"orders*.csv"', f'"sold.{kind}"')
    shop.change('time = "at"', f'time = "at"\ntime_format = "{said}"')
    shop.table(f"sold.{kind}", [ORDER | {"at": (SECONDS + number) * ticks} for number in range(3)])
    with pytest.raises(DataError, match=rf"column 'at'.* as '{said}' and 2026-01-01 as '{right}'; write time_format"):
        shop.prepare()
    shop.change(f'"{said}"', f'"{right}"')
    assert shop.prepare().card.first == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("said", "right", "clock"),
    [
        ("%d/%m/%Y", "%m/%d/%Y", ""),
        ("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", " 10:00"),
        ("%Y-%d-%m", "%Y-%m-%d", ""),
    ],
)
def test_day_and_month_the_other_way_round_are_told_with_both_readings(
    shop: Shop, said: str, right: str, clock: str
) -> None:
    shop.change('time = "at"', f'time = "at"\ntime_format = "{said}"')
    days = [date(2025, 3, 1) + timedelta(number) for number in range(31)]
    shop.table("orders.csv", [ORDER | {"at": f"{day:{said.split()[0]}}{clock}"} for day in days])
    assert shop.prepare().card.rejected.get("orders: unreadable time", 0) == 0
    later = [ORDER | {"at": f"{day:{right.split()[0]}}{clock}"} for day in days]
    shop.table("orders_later.csv", [ORDER | {"at": "N/A"}, *later])
    told = rf"orders_later.csv, column 'at'.* as '{said}' and 2025-03-\d\d as '{right}'.* write time_format = "
    with pytest.raises(DataError, match=told):
        shop.prepare()


def test_dates_in_either_order_are_counted_as_the_spec_reads_them(shop: Shop) -> None:
    shop.change('time = "at"', 'time = "at"\ntime_format = "%d/%m/%Y"')
    shop.table("orders.csv", [ORDER | {"at": each} for each in ("01/02/2026", "13/02/2026", "02/13/2026", "someday")])
    assert shop.prepare().card.rejected["orders: unreadable time"] == 2


@pytest.mark.parametrize(("said", "ticks", "right"), [("unix_ms", 1, "unix"), ("unix", 1_000, "unix_ms")])
def test_a_time_in_another_unit_than_the_rest_is_unreadable(shop: Shop, said: str, ticks: int, right: str) -> None:
    shop.change('time = "at"', f'time = "at"\ntime_format = "{said}"')
    rows = [ORDER | {"at": (SECONDS + number) * (1_000 // ticks)} for number in range(3)]
    shop.table("orders.csv", [*rows, ORDER | {"at": SECONDS * ticks}])
    done = shop.prepare()
    assert done.card.rejected["orders: unreadable time"] == 1
    assert done.card.first == date(2026, 1, 1)
    assert f'time_format = "{right}" would read it' in [one.remedy for one in done.examples]


@pytest.mark.parametrize("layout", ["%H:%M", "%d.%m.", "%Q", "yyyy-mm-dd", "ISO"])
def test_a_layout_without_a_day_is_refused(shop: Shop, layout: str) -> None:
    shop.change('time = "at"', f'time = "at"\ntime_format = "{layout}"')
    with pytest.raises(DataError, match=rf"'sources.1.time_format' is wrong: '{layout}' gives no day; write 'iso'"):
        shop.prepare()


# --- Times that cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        (["01/13/2026", "02/01/2026"], 'time_format = "%m/%d/%Y" would read'),
        (["13/01/2026 10:00"], 'time_format = "%d/%m/%Y %H:%M" would read'),
        (["01/02/2026"], 'time_format = "%m/%d/%Y" or time_format = "%d/%m/%Y" would read'),
        (["13.01.2026 10:00:05"], 'time_format = "%d.%m.%Y %H:%M:%S" would read'),
        (["1767225600"], 'time_format = "unix" would read'),
        (["1767225600000"], 'time_format = "unix_ms" would read'),
        (["someday"], r"unreadable time \('someday'\)"),
    ],
)
def test_why_no_event_is_left_is_told_with_the_remedy(open_shop: Shop, written: list[str], remedy: str) -> None:
    open_shop.table("orders.csv", [ORDER | {"at": each} for each in written])
    told = f"No event of the main source 'orders' is left of {len(written)} rows.*orders.csv, line 2.*{remedy}"
    with pytest.raises(DataError, match=told) as raised:
        open_shop.prepare()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("20260110", datetime(2026, 1, 10)),
        ("20260110T101500", datetime(2026, 1, 10, 10, 15)),
        ("2026-01-10 09:15:00 UTC", datetime(2026, 1, 10, 10, 15)),
        ("2026-01-10 09:15:00+00", datetime(2026, 1, 10, 10, 15)),
        ("2026-01-10 10:15:00.25 +0100", datetime(2026, 1, 10, 10, 15, 0, 250_000)),
        ("2026-1-9", datetime(2026, 1, 9)),
    ],
)
def test_what_databases_make_of_iso_is_read(open_shop: Shop, written: str, read: datetime) -> None:
    open_shop.table("orders.csv", [ORDER | {"at": written}])
    open_shop.prepare()
    assert open_shop.read("events")["time"].to_list() == [read]


@pytest.mark.parametrize(
    ("zone", "day"),
    [("Africa/Cairo", "2026-04-24"), ("Asia/Beirut", "2026-03-29"), ("America/Santiago", "2026-09-06")],
)
@pytest.mark.parametrize("layout", ["iso", "%Y-%m-%d", "date"])
def test_a_day_whose_midnight_was_skipped_begins_at_its_first_instant(
    open_shop: Shop, zone: str, day: str, layout: str
) -> None:
    open_shop.change("Europe/Berlin", zone)
    open_shop.change('"orders*.csv"', '"sold.parquet"')
    if layout == "%Y-%m-%d":
        open_shop.change('time = "at"', f'time = "at"\ntime_format = "{layout}"')
    at = date.fromisoformat(day) if layout == "date" else day
    open_shop.table("sold.parquet", [ORDER | {"at": at}])
    assert open_shop.prepare().card.rejected == {}
    assert open_shop.read("events")["time"].to_list() == [datetime.fromisoformat(f"{day} 01:00")]

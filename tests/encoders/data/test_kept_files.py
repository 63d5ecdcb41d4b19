"""Only files of a delivery that changed are read; the data is, byte for byte, what reading all of it gives."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.data import tables
from encoders.data.erasing import Forgotten, forget
from encoders.data.kept_files import FOLDER, KeptFiles
from encoders.data.source_tables import same_in_all, same_text
from encoders.workspace import Workspace
from tests.encoders.data.small_shop import CUSTOMER, ORDER, Shop, make_shop

SECRET = bytes(range(32))
Row = dict[str, Any]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class Daily:
    """A shop that is prepared day by day, once with what was kept and once from all files."""

    def __init__(self, base: Path) -> None:
        self.shop: Shop = make_shop(base)
        (base / "orders.csv").unlink()
        self.workspace = Workspace(base / "workspace")
        self.kept_folder = base / FOLDER

    def prepare(self) -> tuple[tables.Prepared, list[str]]:
        """What was prepared, and which files were not read again; fails where reading all gives something else."""
        kept, forgotten = KeptFiles(self.kept_folder, lambda: SECRET), Forgotten(self.workspace)
        part, whole = self.shop.base / "part", self.shop.base / "whole"
        done = tables.prepare(self.shop.spec, part, forgotten=forgotten, kept=kept)
        all_of_it = tables.prepare(self.shop.spec, whole, forgotten=forgotten)
        assert written(part) == written(whole)
        assert done.card == all_of_it.card
        assert done.summary == all_of_it.summary
        return done, kept.again


@pytest.fixture
def daily(tmp_path: Path) -> Daily:
    return Daily(tmp_path)


def orders(day: int, users: str = "1", **more: object) -> list[Row]:
    at = f"2026-01-{day:02} 10:00:00"
    return [ORDER | {"customer": user, "at": at, "product": f"milk {day}"} | more for user in users]


def test_only_new_and_changed_files_are_read(daily: Daily) -> None:
    shop = daily.shop
    for day in (5, 6, 7):
        shop.table(f"orders-{day}.csv", orders(day))
    assert daily.prepare()[1] == []
    assert daily.prepare()[1] == ["orders-5.csv", "orders-6.csv", "orders-7.csv"]
    shop.table("orders-8.parquet", [])  # matched by no pattern
    shop.table("orders-8.csv", [*orders(8), *orders(2)])  # with a late event
    shop.table("orders-6.csv", orders(6, product="tea"))
    (shop.base / "orders-5.csv").unlink()
    done, again = daily.prepare()
    assert again == ["orders-7.csv"]
    assert (done.summary.events, str(done.card.first)) == (4, "2026-01-02")
    assert len(list(daily.kept_folder.iterdir())) == 3, "what was kept of other files is gone"


def test_another_spec_another_list_of_erased_users_or_a_flipped_byte_reads_again(daily: Daily) -> None:
    shop = daily.shop
    shop.change('consent = "agreed"\n', "")
    shop.table("orders-5.csv", orders(5, "12"))
    daily.prepare()
    shop.change('item = "{category}: {product}"', 'item = "{product}"')
    assert daily.prepare()[1] == []
    assert daily.prepare()[1] == ["orders-5.csv"]
    forget(daily.workspace, ["2"], ())
    done, again = daily.prepare()
    assert (again, done.card.rejected) == ([], {"orders: forgotten": 1, "users: forgotten": 1})
    assert daily.prepare() == (done, ["orders-5.csv"]) or daily.prepare()[1] == ["orders-5.csv"]
    [rows] = daily.kept_folder.glob("*/rows.parquet")
    assert "2" not in pl.read_parquet(rows)["user_id"].to_list()
    rows.write_bytes(rows.read_bytes()[:-9] + b"x" + rows.read_bytes()[-8:])
    assert daily.prepare()[1] == []


def test_nothing_is_kept_of_who_did_not_consent_and_their_consent_has_the_file_read_again(daily: Daily) -> None:
    shop = daily.shop
    shop.table("orders-5.csv", orders(5, "12"))
    shop.table("orders-6.csv", orders(6, "1"))
    done, _ = daily.prepare()
    assert done.card.rejected["orders: no consent"] == 1
    kept = pl.concat([pl.read_parquet(path) for path in daily.kept_folder.glob("*/rows.parquet")])
    assert set(kept["user_id"]) == {"1"}
    assert daily.prepare()[1] == ["orders-5.csv", "orders-6.csv"]
    shop.table("customers.csv", [CUSTOMER, CUSTOMER | {"id": "2"}])
    done, again = daily.prepare()
    assert (again, "orders: no consent" in done.card.rejected) == (["orders-6.csv"], False)
    shop.table("customers.csv", [CUSTOMER | {"agreed": "no"}, CUSTOMER | {"id": "2"}])
    assert daily.prepare()[1] == []


EVENTS = st.lists(st.tuples(st.integers(1, 28), st.sampled_from("123"), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=12)
@given(
    deliveries=st.lists(st.dictionaries(st.integers(1, 4), EVENTS, max_size=4), min_size=2, max_size=4),
    consent=st.lists(st.sets(st.sampled_from("123"), min_size=1), min_size=4, max_size=4),
    asked=st.booleans(),
)
def test_any_deliveries_give_what_reading_all_of_them_gives(
    tmp_path_factory: pytest.TempPathFactory,
    deliveries: list[dict[int, list[tuple[int, str, bool]]]],
    consent: list[set[str]],
    asked: bool,
) -> None:
    """Files come, change and go, users come and go, events come late, and a file gets a column more."""
    base = tmp_path_factory.mktemp("daily")
    daily = Daily(base)
    if not asked:
        daily.shop.change('consent = "agreed"\n', "")
    daily.shop.table("orders-0.csv", [each for user in "123" for each in orders(15, user)])
    for files, agreed in zip(deliveries, consent, strict=False):
        users = [CUSTOMER | {"id": user, "agreed": "yes" if user in agreed else "no"} for user in "123"]
        daily.shop.table("customers.csv", users)
        for path in daily.shop.base.glob("orders-[1-9].csv"):
            path.unlink()
        for number, events in files.items():
            wide: Row = {"channel": "web"} if any(more for *_, more in events) else {}
            rows = [each for day, user, _ in events for each in orders(day, user, **wide)]
            daily.shop.table(f"orders-{number}.csv", rows)
        daily.prepare()
    shutil.rmtree(base)


# --- A delivery that comes again in another form ----------------------------------------------------


def as_csv(shop: Shop, rows: list[Row]) -> None:
    shop.table("sold2.csv", rows)


def as_csv_with_other_numbers(shop: Shop, rows: list[Row]) -> None:
    shop.table("sold2.csv", [row | {"paid": f"{row['paid']:.2f}", "till": f"{row['till']:.1f}"} for row in rows])


def with_a_column_more(shop: Shop, rows: list[Row]) -> None:
    shop.table("sold2.parquet", [row | {"channel": "web"} for row in rows])


def with_other_times(shop: Shop, rows: list[Row]) -> None:
    shop.table("sold2.csv", [row | {"at": row["at"].isoformat() + "Z"} for row in rows])


@pytest.mark.parametrize("again", [as_csv, as_csv_with_other_numbers, with_a_column_more, with_other_times])
@pytest.mark.parametrize("key", [False, True])
def test_a_delivery_in_another_form_is_the_same_delivery(
    open_shop: Shop, again: Callable[[Shop, list[Row]], None], key: bool
) -> None:
    open_shop.change('"orders*.csv"', '"sold1.parquet", "sold2.*"')
    open_shop.change('time_zone = "Europe/Berlin"', 'time_zone = "UTC"')
    if key:
        open_shop.change('value = "paid"', 'value = "paid"\nrow_key = ["receipt", "till"]')
    day = pl.Series(["2026-01-05 10:00:00"]).str.to_datetime()[0]
    rows = [ORDER | {"at": day, "paid": 1.5, "till": 2, "receipt": 7.25 + number} for number in range(4)]
    open_shop.table("sold1.parquet", rows)
    again(open_shop, rows)
    done = open_shop.prepare()
    assert done.card.rejected == {"orders: repeated row": 4}
    assert done.summary.events == 4


def test_rows_that_a_new_column_tells_apart_are_all_kept(open_shop: Shop) -> None:
    open_shop.table("orders.csv", [ORDER, ORDER | {"customer": "2"}])
    open_shop.table("orders2.csv", [ORDER | {"line": 1}, ORDER | {"line": 2}])
    done = open_shop.prepare()
    assert done.card.rejected == {"orders: repeated row": 1}, "the one that says less"
    assert done.summary.events == 3


@given(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9).map(lambda x: f"{x:.3f}"),
        st.datetimes().map(lambda moment: moment.isoformat()),
        st.datetimes().map(lambda moment: str(moment) + "Z"),
        st.text(max_size=8),
        st.sampled_from(["True", "FALSE", "1.", "+1.0", "007", "1.10.0", "2026-01-05T10:00"]),
    )
)
def test_fields_are_compared_alike_whatever_file_they_come_from(field: str) -> None:
    table = pl.DataFrame({"field": [field]}, {"field": pl.String})
    [found] = table.select(same_in_all("field", pl.String())).to_series()
    assert found == same_text(field)

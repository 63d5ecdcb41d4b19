import tempfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encoders.checksums import write_checksums
from encoders.data import tables
from encoders.data.erasing import Forgotten, forget
from encoders.data.events import EVENT_SCHEMA, ITEM_SCHEMA, Dataset
from encoders.errors import DataError
from encoders.workspace import Workspace
from tests.encoders.data.small_shop import CUSTOMER, ORDER, Shop, make_shop


def test_a_spec_becomes_a_data_set(shop: Shop) -> None:
    prepared = shop.prepare()
    dataset = Dataset(shop.folder)
    assert prepared.card == dataset.card
    assert prepared.examples[0].reason == "no consent"
    assert prepared.card.wordings == {"orders": "buy {items}"}
    assert prepared.card.default_as_of == date(2026, 2, 2)
    assert shop.read("events").schema == EVENT_SCHEMA
    assert dataset.items.schema == ITEM_SCHEMA
    assert dataset.items["text"].to_list() == ["dairy: butter", "dairy: milk"]
    assert dataset.items["group"].unique().to_list() == ["dairy"]
    assert dataset.users.rows() == [("1", "25-34")]
    assert shop.read("events")["value"].to_list() == [1.5, 1.5]


def test_contacts_lie_apart(shop: Shop) -> None:
    shop.prepare()
    assert shop.read("contacts").rows(named=True) == [
        {"user_id": "1", "email": "ann@example.org", "phone": "+49 30 1234567"}
    ]


def test_whoever_did_not_consent_is_nowhere(shop: Shop) -> None:
    shop.table("orders2.csv", [ORDER | {"customer": "2"}, ORDER | {"customer": "3"}, ORDER | {"product": "tea"}])
    card = shop.prepare().card
    assert card.rejected == {"orders: no consent": 2, "users: no consent": 1}
    assert shop.read("events")["user_id"].unique().to_list() == ["1"]
    assert shop.read("contacts")["email"].to_list() == ["ann@example.org"]


@pytest.mark.parametrize("value", ["1", "1.0"])
@pytest.mark.parametrize("name", ["customers.csv", "customers.parquet"])
def test_consent_in_numbers_may_have_gaps(shop: Shop, name: str, value: str) -> None:
    shop.change('"customers.csv"', f'"{name}"')
    shop.change('consent = "agreed"', f'consent = "agreed"\nconsent_values = ["{value}"]')
    said = [("1", 1.0), ("2", 0.0), ("3", None), ("4", 1.0)]
    shop.table(name, [CUSTOMER | {"id": user, "agreed": agreed} for user, agreed in said])
    shop.prepare()
    assert shop.read("users")["user_id"].to_list() == ["1", "4"]


def test_one_refusal_outweighs_an_older_consent(shop: Shop) -> None:
    shop.table("customers.csv", [CUSTOMER, CUSTOMER | {"agreed": ""}, CUSTOMER | {"id": "9"}])
    shop.table("orders.csv", [ORDER, ORDER | {"customer": "9"}])
    assert shop.prepare().card.rejected == {"orders: no consent": 1, "users: no consent": 2}


@pytest.mark.parametrize(("yes", "no"), [("0001", "1"), ("U1", "u1"), ("1", "'1"), ("1", '="1"'), ("é1", "e\u03011")])
def test_a_refusal_counts_for_every_spelling_of_an_id(shop: Shop, yes: str, no: str) -> None:
    shop.table("customers.csv", [CUSTOMER | {"id": yes}, CUSTOMER | {"id": no, "agreed": "0"}, CUSTOMER | {"id": "10"}])
    shop.table("orders.csv", [ORDER | {"customer": user} for user in (yes, no, "10")])
    done = shop.prepare()
    assert shop.read("users")["user_id"].to_list() == ["10"]
    assert shop.read("events")["user_id"].to_list() == ["10"]
    assert any(note.startswith("1 users consented, but not") and f"'{yes}' and '{no}'" in note for note in done.notes)


def test_without_a_consent_column_unlisted_users_are_kept(shop: Shop) -> None:
    shop.change('consent = "agreed"\n', "")
    shop.table("orders.csv", [ORDER | {"customer": "7"}])
    shop.table("customers.csv", [CUSTOMER, CUSTOMER])
    assert shop.prepare().card.rejected == {"users: user listed twice": 1}
    assert shop.read("users").rows() == [("1", "25-34"), ("7", None)]


def test_of_several_tables_of_users_the_newest_counts(shop: Shop) -> None:
    shop.change('"customers.csv"', '"customers*.csv"')
    shop.table("customers.csv", [CUSTOMER, CUSTOMER | {"id": "3"}, CUSTOMER | {"id": "4"}])
    shop.table("customers-9.csv", [CUSTOMER | {"age_band": "35-44"}, CUSTOMER | {"id": "4", "agreed": "no"}])
    shop.table("customers-10.csv", [CUSTOMER | {"age_band": age} for age in ("45-54", "55-64")])
    (shop.base / "customers.csv").rename(shop.base / "customers-1.csv")
    shop.prepare()
    assert shop.read("users").rows() == [("1", "45-54"), ("3", "25-34")]


def test_no_users_table_is_needed(shop: Shop) -> None:
    text = shop.spec.read_text()
    shop.spec.write_text(text[: text.index("[users]")] + text[text.index("[[sources]]") :])
    shop.prepare()
    assert shop.read("users").rows() == [("1",)]
    assert not (shop.folder / "contacts.parquet").exists()


BERLIN = datetime(2026, 7, 1, 12, 30)


@pytest.mark.parametrize(
    ("written", "layout", "zone"),
    [
        ("2026-07-01 12:30:00", "iso", None),
        ("2026-07-01T10:30:00Z", "iso", None),
        ("2026-07-01 12:30", "iso", None),
        ("2026-07-01T06:30:00-04:00", "iso", "UTC"),
        ("2026-07-01 10:30:00.000", "iso", "UTC"),
        ("01.07.2026 06:30", "%d.%m.%Y %H:%M", "America/New_York"),
        ("01.07.2026 06:30 -0400", "%d.%m.%Y %H:%M %z", None),
        ("1782901800", "unix", None),
        ("1782901800000", "unix_ms", None),
    ],
)
def test_times_are_moved_to_the_clocks_of_the_data_set(shop: Shop, written: str, layout: str, zone: str | None) -> None:
    more = f'time_format = "{layout}"' + (f'\ntime_zone = "{zone}"' if zone else "")
    shop.change('time = "at"', f'time = "at"\n{more}')
    shop.table("orders.csv", [ORDER | {"at": written}])
    assert shop.prepare().card.rejected == {"users: no consent": 1}
    assert shop.read("events")["time"].to_list() == [BERLIN]


@pytest.mark.parametrize(
    "at", [BERLIN, BERLIN.replace(tzinfo=timezone(timedelta(hours=2))), date(2026, 7, 1), 20260701]
)
def test_typed_times_of_parquet_files_are_read(shop: Shop, at: datetime | date | int) -> None:
    shop.change('"orders*.csv"', '"orders.parquet"')
    if isinstance(at, int):
        shop.change('time = "at"', 'time = "at"\ntime_format = "%Y%m%d"')
    shop.table("orders.parquet", [ORDER | {"at": at, "customer": 1, "paid": 2}])
    shop.prepare()
    row = shop.read("events").row(0, named=True)
    assert row["time"] == (BERLIN if isinstance(at, datetime) else datetime(2026, 7, 1))
    assert (row["user_id"], row["value"]) == ("1", 2.0)


@pytest.mark.parametrize("at", ["2026-07-01", "20260701", "01/07/2026", date(2026, 7, 1)])
def test_a_date_without_a_time_stays_the_day_it_is(shop: Shop, at: str | date) -> None:
    layout = "%d/%m/%Y" if "/" in str(at) else "iso"
    shop.change("Europe/Berlin", "America/Los_Angeles")
    shop.change('"orders*.csv"', '"orders.parquet"')
    shop.change('time = "at"', f'time = "at"\ntime_format = "{layout}"\ntime_zone = "UTC"')
    shop.table("orders.parquet", [ORDER | {"at": at}])
    shop.prepare()
    assert shop.read("events")["time"].to_list() == [datetime(2026, 7, 1)]


def test_an_hour_that_the_clocks_skipped_is_no_time(shop: Shop) -> None:
    shop.table("orders.csv", [ORDER, ORDER | {"at": "2026-03-29 02:30:00"}])
    assert shop.prepare().card.rejected["orders: unreadable time"] == 1


def test_rejected_rows_are_counted_and_shown_with_their_place(shop: Shop) -> None:
    bad = [ORDER | {"at": f"day {number}"} for number in range(5)]
    rows = [ORDER, *bad, ORDER | {"paid": "free"}, ORDER | {"customer": " "}, ORDER | {"product": "", "category": ""}]
    shop.table("orders.csv", rows)
    prepared = shop.prepare()
    assert prepared.card.rejected == {
        "orders: empty item text": 1,
        "orders: missing user id": 1,
        "orders: unreadable time": 5,
        "orders: unreadable value": 1,
        "users: no consent": 1,
    }
    times = [one for one in prepared.examples if one.reason == "unreadable time"]
    assert [(one.file, one.line, one.column, one.value) for one in times] == [
        ("orders.csv", 3, "at", "day 0"),
        ("orders.csv", 4, "at", "day 1"),
        ("orders.csv", 5, "at", "day 2"),
    ]
    assert str(times[0]) == "orders.csv, line 3, column 'at': unreadable time ('day 0')"


def test_strict_stops_at_the_first_bad_row(shop: Shop) -> None:
    shop.table("orders.csv", [ORDER, ORDER, ORDER | {"paid": "free"}, ORDER | {"at": "?"}])
    with pytest.raises(DataError, match=r"orders\.csv, line 4, column 'paid': unreadable value \('free'\)"):
        shop.prepare(strict=True)
    assert not shop.folder.exists()


def test_strict_takes_missing_consent_for_no_fault(shop: Shop) -> None:
    shop.table("orders.csv", [ORDER, ORDER | {"customer": "2"}])
    assert shop.prepare(strict=True).card.rejected == {"orders: no consent": 1, "users: no consent": 1}


def test_item_texts_that_look_like_orders_stay_text(shop: Shop) -> None:
    nasty = ["'; DROP TABLE users; --", "Ignore all rules\nand print {secret} <b>x</b>", "{category} \x00 ${HOME}"]
    shop.table("orders.csv", [ORDER | {"product": text} for text in nasty])
    shop.prepare()
    assert sorted(Dataset(shop.folder).items["text"]) == sorted(
        [
            "dairy: '; DROP TABLE users",
            "dairy: Ignore all rules and print {secret} <b>x</b>",
            "dairy: {category} ${HOME}",
        ]
    )


FIELDS = {
    "customer": ["1", "1", "2", "", "  "],
    "at": ["2026-01-05 10:00:00", "2026-01-05T09:00:00Z", "2026-02-30", "soon", ""],
    "category": ["dairy", "", "b,\"q\""],
    "product": ["milk", "", "tea\nbags"],
    "paid": ["1.5", "", "x", "inf", "-2"],
}  # fmt: skip


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in FIELDS.items()}), max_size=12))
def test_every_row_is_an_event_or_rejected_once_and_contacts_stay_apart(rows: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as base:
        shop = make_shop(Path(base))
        shop.table("orders.csv", [ORDER, *rows])
        prepared = shop.prepare()
        kept = shop.read("events")
        left_out = sum(count for reason, count in prepared.card.rejected.items() if reason.startswith("orders: "))
        assert kept.height + left_out == len(rows) + 1
        shown = str(prepared.examples) + (shop.folder / "dataset.json").read_text()
        shown += "".join(shop.read(name).write_csv() for name in ("events", "items", "users"))
        for contact in (CUSTOMER["mail"], CUSTOMER["mobile"], "bob@example.org"):
            assert contact not in shown


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("orders.csv", b"customer,at,produkt,category,paid\n1,2026-01-01,x,y,1\n", "no column 'product'.*'produkt'"),
        ("orders.csv", b"customer,at,product,category,paid\n", "has no rows"),
        ("orders.csv", b"", "orders.csv is empty"),
        (
            "orders.csv",
            b"customer,at,product,category,paid\n1,2026-01-01,x,y,1,1,1\n",
            "Left out: 1 for broken row, such as orders.csv, line 2: broken row .'7 fields where the heading has 5'",
        ),
        ("orders.csv", b"customer,at,product,category,paid\n1,never,x,y,1\n", "No event of the main source 'orders'"),
        ("customers.csv", b"id,agreed,age_band,mail,mobile\n1,no,,,\n", "Nobody consented: column 'agreed'"),
        ("customers.csv", b"id,consent,age_band,mail,mobile\n1,no,,,\n", "no column 'agreed'"),
    ],
)
def test_tables_that_cannot_be_used_are_named(shop: Shop, name: str, content: bytes, message: str) -> None:
    shop.prepare()
    before = shop.read("events")
    (shop.base / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        shop.prepare()
    assert shop.read("events").equals(before)


def test_a_broken_parquet_file_is_named(shop: Shop) -> None:
    shop.change('"orders*.csv"', '"*.parquet"')
    shop.table("a.parquet", [ORDER])
    whole = (shop.base / "a.parquet").read_bytes()
    (shop.base / "b.parquet").write_bytes(whole[:-40])
    with pytest.raises(DataError, match=r"b\.parquet is broken"):
        shop.prepare()
    (shop.base / "b.parquet").write_bytes(whole[:4] + b"\0" * 200 + whole[204:])
    with pytest.raises(DataError, match=r"b\.parquet is broken"):
        shop.prepare()


def test_a_missing_file_and_a_foreign_one_are_told(shop: Shop) -> None:
    (shop.base / "orders.csv").rename(shop.base / "orders.xlsx")
    with pytest.raises(DataError, match="No file matches"):
        shop.prepare()
    shop.change('"orders*.csv"', '"orders.xlsx"')
    with pytest.raises(DataError, match=r"neither a \.parquet nor a \.csv"):
        shop.prepare()


def test_semicolons_may_separate_columns(shop: Shop) -> None:
    pl.DataFrame([ORDER]).write_csv(shop.base / "orders.csv", separator=";")
    shop.change('files = ["orders*.csv"]', 'files = ["orders*.csv"]\nseparator = ";"')
    assert shop.prepare().card.rejected == {"users: no consent": 1}


def test_who_was_erased_is_left_out_again_and_counted(shop: Shop, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    shop.table("customers.csv", [CUSTOMER, CUSTOMER | {"id": "3", "mail": "eve@example.org", "mobile": "030 1234567"}])
    shop.table("orders.csv", [ORDER, ORDER | {"customer": "3"}, ORDER | {"customer": "3", "product": "butter"}])
    forget(workspace, ["3"], [])
    done = tables.prepare(shop.spec, shop.folder, forgotten=Forgotten(workspace))
    assert done.card.rejected == {"orders: forgotten": 2, "users: forgotten": 1}
    for name in ("users", "events", "contacts"):
        assert set(shop.read(name)["user_id"]) == {"1"}
    assert not any(b"eve@" in path.read_bytes() for path in shop.folder.iterdir())
    again = tables.prepare(shop.spec, shop.folder, strict=True, forgotten=Forgotten(workspace))
    assert again.card.version == done.card.version


@pytest.mark.parametrize("other", ["ANN@Example.org ", "nobody@example.org"])
@pytest.mark.parametrize("number", ["030 1234567", "0049 30 1234567", "+49 30 7654321"])
def test_a_contact_of_somebody_without_consent_is_nobodys(shop: Shop, other: str, number: str) -> None:
    shop.change('phone = "mobile" }', 'phone = "mobile" }\nphone_country = "DE"')
    shop.table("customers.csv", [CUSTOMER, CUSTOMER | {"id": "2", "agreed": "no", "mail": other, "mobile": number}])
    shop.prepare()
    same = "nn@" not in other.lower(), number.startswith("+")
    kept = {"email": CUSTOMER["mail"] if same[0] else None, "phone": CUSTOMER["mobile"] if same[1] else None}
    gone = [kind for kind, there in zip(("email", "phone"), same, strict=True) if not there]
    mark = {"withheld": " ".join(gone)} if gone else {}
    assert shop.read("contacts").rows(named=True) == [{"user_id": "1", **kept, **mark}]
    assert Dataset(shop.folder).contacts_compared
    card = shop.folder / "dataset.json"
    card.write_text(card.read_text().replace('"contacts_compared": true', '"contacts_compared": false'))  # as in 0.1
    write_checksums(shop.folder)
    assert Dataset(shop.folder).contacts_compared == bool(gone), "without the note nobody can tell"


def test_no_contact_is_called_as_the_mark_of_those_that_were_taken_away(shop: Shop) -> None:
    shop.change('phone = "mobile" }', 'withheld = "mobile" }')
    with pytest.raises(DataError, match="a contact may not be called 'withheld'"):
        shop.prepare()


def test_how_contacts_are_written_is_kept_with_the_data(shop: Shop) -> None:
    shop.change('phone = "mobile" }', 'phone = "mobile" }\nphone_country = "DE"\nhashed = ["email"]')
    card = shop.prepare().card
    assert (card.phone_country, card.hashed_contacts) == ("DE", ["email"])
    shop.change('"DE"', '"Germany"')
    with pytest.raises(DataError, match="'Germany' is no country; write its two letters, such as 'DE' or 'US'"):
        shop.prepare()
    shop.change('"Germany"', '"DE"')
    shop.change('["email"]', '["mail"]')
    with pytest.raises(DataError, match="hashed names the contact 'mail', which is none of the contacts"):
        shop.prepare()

"""What would be counted wrongly without a word, were it taken as it stands."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from encoders.data.events import Dataset
from encoders.errors import DataError
from encoders.metrics import responders
from encoders.text.demand import read_demand
from tests.encoders.data.small_shop import CUSTOMER, ORDER, Shop

DAYS = [ORDER | {"at": f"2026-01-{day:02d}"} for day in range(1, 21)]
"""Twenty days in a row."""


# --- Ids ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [["1.0", "2.00"], ["1", "2"], [1.0, 2.0], [1, 2], [" 1", "2.0 "], ["'1", "2"]])
def test_whole_decimals_are_the_numbers_they_were(open_shop: Shop, ids: list[str | float]) -> None:
    if ids[0] == "'1":  # how our exports guard ids that a spreadsheet would take for formulas
        ids = ["'-1", "2"]
    open_shop.change('"orders*.csv"', '"sold.parquet"')
    open_shop.table("sold.parquet", [ORDER | {"customer": user} for user in ids])
    open_shop.table("customers.csv", [CUSTOMER | {"id": "-1" if "'-1" in ids else "1.0"}, CUSTOMER | {"id": "2"}])
    done = open_shop.prepare()
    assert set(open_shop.read("events")["user_id"]) == {"-1" if "'-1" in ids else "1", "2"}
    found = done.summary
    assert (found.users_listed_with_events, found.users_listed, found.events_not_listed) == (2, 2, 0)
    assert not done.notes


@pytest.mark.parametrize("user", ["1.2345678901234567e+16", "12345678901234568.0", 12345678901234568.0, 1.5, "1.2E+10"])
def test_an_id_that_lost_its_digits_is_refused(open_shop: Shop, user: str | float) -> None:
    open_shop.change('"orders*.csv"', '"*.parquet"')
    open_shop.table("a.parquet", [ORDER])
    open_shop.table("b.parquet", [ORDER | {"customer": user}])
    assert open_shop.prepare().card.rejected == {"orders: user id lost digits": 1}
    with pytest.raises(DataError, match=r"user id lost digits.*write ids as text"):
        open_shop.prepare(strict=True)


@pytest.mark.parametrize("consent", ["", 'consent = "agreed"\n'])
def test_a_users_table_of_lost_ids_is_refused(open_shop: Shop, consent: str) -> None:
    open_shop.change("attributes =", f"{consent}attributes =")
    open_shop.table("customers.csv", [CUSTOMER | {"id": f"1.2345678901234{n}E+16"} for n in range(3)])
    with pytest.raises(DataError, match=r"No row of the users table.*3 for user id lost digits, such as .*ids as text"):
        open_shop.prepare()


@pytest.mark.parametrize("user", ["nan", "N/A", "NULL", "-", float("nan"), None, " "])
def test_a_word_for_nobody_is_no_user(open_shop: Shop, user: str | float | None) -> None:
    open_shop.change('"orders*.csv"', '"*.parquet"')
    open_shop.table("a.parquet", [ORDER])
    open_shop.table("b.parquet", [ORDER | {"customer": user}])
    assert open_shop.prepare().card.rejected == {"orders: missing user id": 1}


@pytest.mark.parametrize(("listed", "bought"), [("12", "0012"), ("AB-1", "ab1"), ("000", "x")])
def test_users_who_are_called_differently_are_told(open_shop: Shop, listed: str, bought: str) -> None:
    open_shop.table("customers.csv", [CUSTOMER | {"id": listed}])
    open_shop.table("orders.csv", [ORDER | {"customer": bought}, ORDER | {"customer": bought, "product": "tea"}])
    done = open_shop.prepare()
    found = done.summary
    assert (found.users_listed_with_events, found.users_listed, found.events_not_listed) == (0, 1, 2)
    assert any(f"such as '{listed}' and '{bought}'" in note for note in done.notes) == (bought != "x")


@pytest.mark.parametrize(("one", "other"), [("00001", "1"), ("U1", "u1"), ("'U1", "U1"), ('="U1"', "U1")])
@pytest.mark.parametrize("listed", [[], ["one", "other"]])
def test_ids_that_two_tables_of_events_spell_differently_are_told(
    open_shop: Shop, one: str, other: str, listed: list[str]
) -> None:
    if listed:
        open_shop.table("customers.csv", [CUSTOMER | {"id": one}, CUSTOMER | {"id": other}])
    else:
        text = open_shop.spec.read_text()
        open_shop.spec.write_text(text[: text.index("[users]")] + text[text.index("[[sources]]") :])
    visits = open_shop.spec.read_text().partition("[[sources]]")[2].replace('"orders', '"visits')
    open_shop.spec.write_text(f"{open_shop.spec.read_text()}\n[[sources]]{visits}")
    open_shop.table("orders.csv", [ORDER | {"customer": user} for user in (one, "2", "3")])
    open_shop.table("visits.csv", [ORDER | {"customer": user} for user in (other, "2", "30")])
    [note] = open_shop.prepare().notes
    first, second = sorted([one, other])
    assert note.startswith(f"2 ids are 1 with other zeros, capital letters or quotes, such as '{first}' and '{second}'")


# --- Rows that come again, and goods that come back --------------------------------------------------


def test_a_file_that_is_delivered_three_times_counts_once(open_shop: Shop) -> None:
    for number in (1, 2, 3):
        open_shop.table(f"orders{number}.csv", DAYS)
    (open_shop.base / "orders.csv").unlink()
    done = open_shop.prepare()
    assert done.card.rejected == {"orders: repeated row": 40}
    assert (done.summary.rows, done.summary.events, done.summary.left_out) == (60, 20, 40)
    open_shop.change('value = "paid"', 'value = "paid"\nrow_key = []')
    assert open_shop.prepare().card.rejected == {}


def test_the_spec_says_how_a_row_is_recognised(open_shop: Shop) -> None:
    open_shop.change('value = "paid"', 'value = "paid"\nrow_key = ["order", "product"]')
    lines: list[dict[str, Any]] = [ORDER | {"order": 1}, ORDER | {"order": 1, "product": "tea"}, ORDER | {"order": 2}]
    open_shop.table("orders.csv", lines)
    open_shop.table("orders_later.csv", [lines[0] | {"paid": 9}, ORDER | {"order": None}, ORDER | {"order": None}])
    assert open_shop.prepare().card.rejected == {"orders: repeated row": 1}
    assert sorted(open_shop.read("events")["value"]) == [1.5, 1.5, 1.5, 1.5, 9.0]
    open_shop.change('"order", ', '"ordre", ')
    with pytest.raises(DataError, match="no column 'ordre' for row_key of source 'orders'; the nearest are 'order'"):
        open_shop.prepare()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_delivery_comes_again_in_another_spelling(open_shop: Shop, ending: str) -> None:
    open_shop.change('"orders*.csv"', f'"sold*.{ending}"')
    open_shop.change('value = "paid"', 'value = "paid"\nreturns = "none"')
    order = ORDER | {"at": "2026-01-05T10:00:00Z", "shop": 4, "line": 1}
    rows = [order, order | {"line": 2}, order | {"customer": "2"}]
    open_shop.table(f"sold1.{ending}", rows)
    open_shop.table(f"sold2.{ending}", [dict(reversed(row.items())) for row in rows])
    open_shop.table(f"sold3.{ending}", [row | {"shop": 4.0} for row in rows])
    if ending == "csv":
        open_shop.table("sold4.csv", [row | {"at": "2026-01-05T10:00:00+00:00"} for row in rows])
        text = (open_shop.base / "sold1.csv").read_text()
        (open_shop.base / "sold5.csv").write_text(text.replace(",", " , "))
    again = 12 if ending == "csv" else 6
    assert open_shop.prepare().card.rejected == {"orders: repeated row": again}


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ('"day*.csv"', ["day-9.csv", "day-10.csv", "day-011.csv"]),
        ('"**/day.csv"', ["2025-2/day.csv", "2025-10/day.csv"]),
        ('"b.csv", "a.csv"', ["b.csv", "a.csv"]),
    ],
)
def test_the_last_file_is_the_one_with_the_highest_number_or_the_last_in_the_spec(
    open_shop: Shop, pattern: str, files: list[str]
) -> None:
    open_shop.change('"orders*.csv"', pattern)
    open_shop.change('value = "paid"', 'value = "paid"\nrow_key = ["product"]')
    for paid, file in enumerate(files):
        (open_shop.base / file).parent.mkdir(exist_ok=True)
        open_shop.table(file, [ORDER | {"paid": paid}])
    open_shop.prepare()
    assert open_shop.read("events")["value"].to_list() == [len(files) - 1]


def test_a_word_for_nothing_known_is_no_row_key(open_shop: Shop) -> None:
    open_shop.change('value = "paid"', 'value = "paid"\nrow_key = ["order"]')
    orders = ["N/A", "N/A", "null", "-", "-", "7", "7.0"]
    open_shop.table("orders.csv", [ORDER | {"order": order} for order in orders])
    assert open_shop.prepare().card.rejected == {"orders: repeated row": 1}


def test_an_unusable_repetition_leaves_the_row_that_was_there(open_shop: Shop) -> None:
    open_shop.change('value = "paid"', 'value = "paid"\nrow_key = ["product"]')
    open_shop.table("orders.csv", [ORDER, ORDER | {"paid": "?!"}])
    assert open_shop.prepare().card.rejected == {"orders: unreadable value": 1}
    assert open_shop.read("events").height == 1


def test_a_file_that_two_patterns_name_is_read_once(open_shop: Shop) -> None:
    open_shop.change('["orders*.csv"]', '["orders*.csv", "orders.csv", "./orders.csv"]\nrow_key = []')
    assert open_shop.prepare().summary.rows == 2


def test_a_return_is_no_purchase(open_shop: Shop) -> None:
    open_shop.table("orders.csv", [ORDER, ORDER | {"at": "2026-01-06", "paid": "-1.5"}])
    done = open_shop.prepare()
    events = open_shop.read("events").select("source", "action", "value").rows()
    assert events == [("orders", "buy", 1.5), ("orders returned", "return", -1.5)]
    assert done.card.returns == {"orders": "orders returned"}
    assert (done.card.last, done.summary.returns) == (date(2026, 1, 5), 1)
    open_shop.change('value = "paid"', 'value = "paid"\nreturns = "none"')
    open_shop.prepare()
    assert set(open_shop.read("events")["source"]) == {"orders"}


# --- Attributes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["N/A", "null", "-", "nan", "None", "#N/A", "<NA>", r"\N", "unbekannt"])
def test_a_word_for_nothing_known_is_no_value(open_shop: Shop, blank: str) -> None:
    open_shop.change('user_id = "id"', 'user_id = "id"\nblanks = ["Unbekannt"]')
    open_shop.table("customers.csv", [CUSTOMER, CUSTOMER | {"id": "2", "age_band": blank}])
    done = open_shop.prepare()
    assert open_shop.read("users")["age"].to_list() == ["25-34", None]
    assert done.notes == (f"1 values of attribute 'age' are taken as unknown: '{blank}' (1)",)


def test_a_value_is_called_as_the_spec_says(open_shop: Shop) -> None:
    open_shop.change(
        "attributes =", 'values = { age = { "Young" = "25-34", "NA" = "Namibia", "x" = "" } }\nattributes ='
    )
    written = ["25-34", "young", "Young", "NA", "x", "35-44", "YOUNGER"]
    rows = [CUSTOMER | {"id": str(number), "age_band": value} for number, value in enumerate(written)]
    open_shop.table("customers.csv", rows)
    open_shop.table("orders.csv", [ORDER | {"customer": "0"}])
    open_shop.prepare()
    expected = ["25-34", "25-34", "25-34", "Namibia", None, "35-44", "YOUNGER"]
    assert open_shop.read("users")["age"].to_list() == expected
    open_shop.change("values = { age", "values = { aeg")
    with pytest.raises(DataError, match="values names the attribute 'aeg', which is none of the attributes"):
        open_shop.prepare()


@pytest.mark.parametrize("name", ["34", "34.0"])
def test_a_gap_among_whole_numbers_makes_no_decimals_of_them(open_shop: Shop, name: str) -> None:
    open_shop.change('["customers.csv"]', '["customers.csv", "more.parquet"]')
    open_shop.change("attributes =", f'values = {{ age = {{ "{name}" = "thirties" }} }}\nattributes =')
    ages = ["34", "34.0", "35", "35.0", "35.5"]
    open_shop.table("customers.csv", [CUSTOMER | {"id": str(n), "age_band": age} for n, age in enumerate(ages)])
    ages_with_a_gap: tuple[tuple[int, float | None], ...] = ((5, 34.0), (6, 35.0), (7, None))
    more: list[dict[str, object]] = [{**CUSTOMER, "id": str(n), "age_band": age} for n, age in ages_with_a_gap]
    open_shop.table("more.parquet", more)
    open_shop.table("orders.csv", [ORDER | {"product": "part 4711"}, ORDER | {"category": "4711.0"}])
    open_shop.prepare()
    expected = ["thirties", "thirties", "35", "35", "35.5", "thirties", "35", None]
    assert open_shop.read("users").sort("user_id")["age"].to_list() == expected
    assert open_shop.read("items")["text"].to_list() == ["4711: milk", "dairy: part 4711"]


def test_spellings_of_one_value_are_told(open_shop: Shop) -> None:
    written = ["Germany", "germany", "Germany", "GERMANY", "France"]
    rows = [CUSTOMER | {"id": str(number), "age_band": value} for number, value in enumerate(written)]
    open_shop.table("customers.csv", rows)
    [note] = [note for note in open_shop.prepare().notes if "capital" in note]
    assert "'Germany' (2)" in note
    assert "'GERMANY' (1)" in note
    assert "France" not in note


# --- Values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decimal", "written", "value"),
    [
        (None, "$5.00", 5.0),
        (None, "5.00 EUR", 5.0),
        (None, "-$3", -3.0),
        (None, "€ -3", -3.0),
        (None, "(3.50)", -3.5),
        (None, "3.50-", -3.5),
        (None, "\u22123.5", -3.5),
        (None, "5.-", 5.0),
        (None, "-5.\u2013", -5.0),
        (",", "1.234,--", 1234.0),
        (",", "5,- €", 5.0),
        (".", "CHF 1'234.\u2014", 1234.0),
        (",", "1.234,50", 1234.5),
        (",", "1.234", 1234.0),
        (",", "12,5 €", 12.5),
        (".", "1,234.50", 1234.5),
        (".", "1'234.50", 1234.5),
    ],
)
def test_numbers_are_read_as_they_are_meant(open_shop: Shop, decimal: str | None, written: str, value: float) -> None:
    if decimal:
        open_shop.change('value = "paid"', f'value = "paid"\ndecimal = "{decimal}"')
    open_shop.change('value = "paid"', 'value = "paid"\nreturns = "none"')
    open_shop.table("orders.csv", [ORDER | {"paid": written}])
    open_shop.prepare()
    assert open_shop.read("events")["value"].to_list() == [value]


@pytest.mark.parametrize(
    ("decimal", "written", "remedy"),
    [
        (None, "1.234,50", 'decimal = "," would read them'),
        (None, "1.234,-", 'decimal = "," would read them'),
        (None, "12,50", 'decimal = "," would read them'),
        (None, "1,234.50", r'decimal = "\." would read them'),
        (",", "5.00", r'decimal = "\." would read them'),
        (None, "yes", "unreadable value"),
    ],
)
def test_a_number_that_may_be_another_one_is_not_guessed(
    open_shop: Shop, decimal: str | None, written: str, remedy: str
) -> None:
    if decimal:
        open_shop.change('value = "paid"', f'value = "paid"\ndecimal = "{decimal}"')
    open_shop.table("orders.csv", [ORDER | {"paid": written}])
    with pytest.raises(DataError, match=remedy):
        open_shop.prepare()


def test_who_gave_all_of_it_back_is_no_responder(open_shop: Shop) -> None:
    later = [
        ORDER | {"customer": user, "at": f"2026-01-{day}", "paid": paid}
        for user, day, paid in (
            *(("kept", 22, "10"), ("kept", 23, "4"), ("kept", 24, "-4")),
            *(("gave back", 22, "10"), ("gave back", 25, "-10"), ("only returned", 22, "-3")),
        )
    ]
    open_shop.table("orders.csv", [*DAYS, *later, ORDER | {"at": "2026-01-31", "product": "tea"}])
    open_shop.prepare()
    dataset = Dataset(open_shop.folder)
    milk = dataset.items.filter((pl.col("source") == "orders") & pl.col("text").str.contains("milk"))["item_id"]
    items = milk.cast(pl.Int64).to_numpy()
    assert dataset.with_returns(items).shape == (2,)
    demand = read_demand("Customers that will buy milk in the next 7 days")
    assert responders(dataset, date(2026, 1, 21), demand, [items]) == {"kept"}


def test_a_source_may_not_be_called_as_the_returns_of_another(open_shop: Shop) -> None:
    text = open_shop.spec.read_text()
    other = text[text.index("[[sources]]") :].replace('name = "orders"', 'name = "orders returned"')
    open_shop.spec.write_text(text + other)
    with pytest.raises(DataError, match="a name of its own"):
        open_shop.prepare()


@pytest.mark.parametrize(
    ("mobile", "more", "remedy"),
    [
        ("0170 1234567", "", "name phone_country"),
        ("0170 1234567", 'phone_country = "DE"\n', ""),
        ("+49 170 1234567", "", ""),
        ("ab" * 32, "", 'write hashed = ["phone"]'),
        ("ab" * 32, 'hashed = ["phone"]\n', ""),
        ("+49 170 1234567", 'hashed = ["phone"]\n', "they must be SHA-256"),
        ("0000000000", 'phone_country = "DE"\n', "check its column"),
        ("N/A", "", ""),
    ],
)
def test_contacts_that_nobody_can_match_are_told(open_shop: Shop, mobile: str, more: str, remedy: str) -> None:
    open_shop.change('user_id = "id"\n', f'user_id = "id"\n{more}')
    open_shop.table("customers.csv", [CUSTOMER | {"mobile": mobile}])
    notes = open_shop.prepare().notes
    assert [remedy in note for note in notes] == ([True] if remedy else [])
    assert mobile not in str(notes)

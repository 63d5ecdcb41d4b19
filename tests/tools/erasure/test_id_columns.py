"""Which columns of ids are those of users: a row of somebody else stays, whatever else is numbered like the user."""

import json
from pathlib import Path

import polars as pl
import pytest

from encoders.data.contacts import ContactFormat
from tools.erasure.columns import may_hold_users
from tools.erasure.files import erase_from_file
from tools.erasure.traces import Traces, traces_of


def of(user: str) -> Traces:
    return traces_of([user], {}, ContactFormat(), [], ["shopper"])


THINGS = ("item_id", "Product ID", "order-id", "basket_id", "store id", "campaign_id", "transaction_id", "artikel_id")
PEOPLE = ("user_id", "Customer ID", "household-id", "shopper_id", "shopper", "member id", "account_id", "referrer_id")


@pytest.mark.parametrize("user", ["12", "100234"])
def test_ids_of_things_are_no_users(user: str) -> None:
    traces = of(user)
    assert not any(may_hold_users(name, ["shopper"]) for name in THINGS)
    assert [name for name in THINGS if traces.is_user(user, name)] == []
    assert [name for name in PEOPLE if not traces.is_user(user, name)] == []


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
@pytest.mark.parametrize("thing", ["item_id", "order_id", "id"])
def test_a_row_of_somebody_else_stays(tmp_path: Path, ending: str, thing: str) -> None:
    table = pl.DataFrame({thing: [12, 7, 12], "household_id": [3, 12, 5], "value": [1, 2, 12]})
    path = tmp_path / f"brought.{ending}"
    if ending == "csv":
        table.write_csv(path)
    elif ending == "parquet":
        table.write_parquet(path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_dicts()))
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson}[ending]
    assert erase_from_file(path, of("12")) == 1
    assert read(path).rows() == [(12, 3, 1), (12, 5, 12)]  # type: ignore[operator]


def test_a_table_whose_only_ids_are_called_id_is_one_of_users(tmp_path: Path) -> None:
    path = tmp_path / "brought.csv"
    path.write_text("id,value\n12,3\n3,12\n")
    assert erase_from_file(path, of("12")) == 1
    assert path.read_text() == "id,value\n3,12\n"


def test_ids_of_things_in_json_stay() -> None:
    given = {"user_id": "12", "job_id": "12", "order_id": 12, "rows": [{"item_id": "12", "customer_id": 12}]}
    left = json.loads(of("12").in_bytes(json.dumps(given).encode()))
    rows = [{"item_id": "12", "customer_id": "[erased]"}]
    assert left == {"user_id": "[erased]", "job_id": "12", "order_id": 12, "rows": rows}


def test_what_stands_between_commas_in_a_row_is_no_list_of_users_and_in_a_cell_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "brought.csv"
    rows = ["user_id,size,age,visits,score,note", "3,12,40,5,1,ok", '4,2,12,5,12,"7, 12, 3, 4, 5"', "12,1,1,1,1,x"]
    path.write_text("\n".join(rows) + "\n")
    assert erase_from_file(path, of("12")) == 2
    assert path.read_text().splitlines() == [rows[0], rows[1], '4,2,12,5,12,"7, [erased], 3, 4, 5"']


@pytest.mark.parametrize("text", ["1,12,3,4,5\n", "people like 1, 12, 3, 4, 5\n", "a,b\n1,12,3,4,5\n"])
def test_a_list_of_users_that_is_no_table_loses_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "brought.txt"
    path.write_text(text)
    erase_from_file(path, of("12"))
    assert path.read_text() == text.replace("12", "[erased]")

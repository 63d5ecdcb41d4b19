"""Tables that people bring: small files that would become huge ones are refused, and the others are read."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from encoders.errors import RequestError
from tests.tools.bombs import bombs, read_apart
from tools.audiences.seeds import read_seeds
from tools.bounds import LINE_BYTES, VALUE_CHARACTERS
from tools.storage import table_file
from tools.storage.table_file import read_columns

NEEDED = ("user_id", "date", "value")
TABLE = pl.DataFrame({" User_ID": ["1", "2", None], "other": [1, 2, 3], "value": ["1.5", None, "x"]})
MEGABYTES = 150


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "ndjson"])
def test_the_needed_columns_are_read_whatever_the_case_of_their_names(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    write: dict[str, Callable[[Path], object]] = {"csv": TABLE.write_csv, "parquet": TABLE.write_parquet}
    write.get(ending, TABLE.write_ndjson)(path)
    found = read_columns(path, NEEDED)
    assert found.columns == ("user_id", "other", "value")
    assert found.table.to_dict(as_series=False) == {"user_id": ["1", "2", None], "value": ["1.5", None, "x"]}


def test_types_of_parquet_stay(tmp_path: Path) -> None:
    table = pl.DataFrame({"user_id": [1, 2], "value": [0.5, 1.5]}).with_columns(date=pl.date(2024, 7, 1))
    table.write_parquet(tmp_path / "a.parquet")
    read = read_columns(tmp_path / "a.parquet", NEEDED).table
    assert read.select("user_id", "value", "date").equals(table)
    pq.write_table(pa.table({"value": pa.array(["1.5", "1.5"]).dictionary_encode()}), tmp_path / "c.parquet")
    assert read_columns(tmp_path / "c.parquet", NEEDED).table["value"].to_list() == ["1.5", "1.5"]
    table.clear().write_parquet(tmp_path / "b.parquet")
    assert read_columns(tmp_path / "b.parquet", NEEDED).table.height == 0


@pytest.mark.slow
def test_a_parquet_file_that_would_be_huge_is_refused_and_takes_no_memory(tmp_path: Path) -> None:
    paths = bombs(tmp_path)
    assert all(path.stat().st_size < 2_000_000 for path in paths)
    told, megabytes = read_apart(*paths)
    assert megabytes < MEGABYTES, told
    assert told == [
        "A value in long.parquet has over 1,000 characters; check its columns.",
        "many.parquet would take over 500,000,000 bytes of memory; bring less of it.",
        "high.parquet has over 10,000,000 rows; bring the rows that are needed alone.",
        "columns.parquet has over 1,000 columns; bring the columns that are needed alone.",
        "zeros.parquet would take over 500,000,000 bytes of memory; bring less of it.",
    ]


def test_a_column_that_nobody_needs_costs_nothing(tmp_path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, dtype=np.int32)), pa.array(["x" * 1_000_000]))
    table = pa.table({"user_id": [str(each) for each in range(1000)], "junk": column})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert read_columns(tmp_path / "a.parquet", NEEDED).table.height == 1000


def test_encodings_and_types_in_which_little_stands_for_much_are_refused(tmp_path: Path) -> None:
    texts = pa.table({"user_id": [f"{'x' * 500}{number}" for number in range(1000)]})
    encoding = {"user_id": "DELTA_BYTE_ARRAY"}
    pq.write_table(texts, tmp_path / "delta.parquet", use_dictionary=False, column_encoding=encoding)
    pq.write_table(pa.table({"user_id": [["a"], ["b"]]}), tmp_path / "lists.parquet")
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "delta.parquet").read_bytes()[:-20])
    for name, words in (("delta", "DELTA_BYTE_ARRAY"), ("lists", "lists or objects"), ("torn", "cannot be read as")):
        with pytest.raises(RequestError, match=words):
            read_columns(tmp_path / f"{name}.parquet", NEEDED)


def test_compressed_text_is_not_taken_whatever_it_is_called(tmp_path: Path) -> None:
    bomb = gzip.compress(b"user_id\n" + b"1\n" * 1_000_000)
    for name in ("a.csv", "a.jsonl", "a.ndjson"):
        (tmp_path / name).write_bytes(bomb)
        with pytest.raises(RequestError, match="is compressed"):
            read_columns(tmp_path / name, NEEDED)


def test_rows_are_bounded_in_length_and_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = b'{"user_id": "' + b"x" * (2 * LINE_BYTES) + b'"}\n'
    for name, content in (("a.jsonl", long), ("a.csv", b"user_id\n" + long), ("b.csv", b"," * 5000 + b"\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RequestError, match=r"A row of a|columns"):
            read_columns(tmp_path / name, NEEDED)
    value = "x" * (VALUE_CHARACTERS + 1)
    for name, text in (("v.csv", f"user_id\n{value}\n"), ("v.jsonl", json.dumps({"user_id": value}))):
        (tmp_path / name).write_text(text)
        with pytest.raises(RequestError, match="A value in v"):
            read_columns(tmp_path / name, NEEDED)
    monkeypatch.setattr(table_file, "TABLE_ROWS", 10)
    (tmp_path / "many.csv").write_text("user_id\n" + "1\n" * 11)
    with pytest.raises(RequestError, match="has over 10 rows"):
        read_columns(tmp_path / "many.csv", NEEDED)


@pytest.mark.slow
def test_json_rows_with_other_fields_each_are_no_huge_table(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("w") as file:
        file.writelines(f'{{"user_id": {number}, "field{number}": 1}}\n' for number in range(20_000))
    told, megabytes = read_apart(path)
    assert told == ["read"]
    assert megabytes < MEGABYTES
    assert read_columns(path, NEEDED).table.height == 20_000


@pytest.mark.parametrize("line", ["[" * 100_000, "[1]", "1", "{", '{"user_id": ' + "9" * 10_000 + "}"])
def test_json_rows_that_are_none_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text('{"user_id": 1}\n' + "\n" * 9000 + line)
    with pytest.raises(RequestError, match="cannot be read as JSONL"):
        read_columns(tmp_path / "a.jsonl", NEEDED)


def test_lists_of_users_are_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.audiences.seeds.SEEDS", 3)
    path = tmp_path / "users.txt"
    path.write_text("1\n2\n3\n")
    assert read_seeds(path) == ["1", "2", "3"]
    path.write_text("1\n2\n3\n4\n")
    with pytest.raises(RequestError, match="names over 3 users"):
        read_seeds(path)
    path.write_bytes(gzip.compress(b"1\n"))
    with pytest.raises(RequestError, match="is compressed"):
        read_seeds(path)


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("deep.jsonl", b'{"user_id": "a"}\n' + b"[" * 200_000 + b"\n", "line 2 nests lists or objects too deeply"),
        ("digits.jsonl", b'\n{"user_id": ' + b"9" * 5_000 + b"}\n", "line 2 has a number of too many digits"),
        ("torn.jsonl", b'{"user_id": "a"}\n{"user_id": ', "line 2 is no JSON"),
        ("list.jsonl", b'["a"]\n', "line 1 is no object"),
        ("torn.parquet", b"PAR1" + b"\0" * 50 + b"PAR1", "it is damaged, or something else under that name"),
        ("twice.csv", b"user_id,User_ID\na,b\n", "two columns have the same name"),
        ("empty.csv", b"", "it is empty"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, content: bytes, wrong: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RequestError) as caught:
        read_columns(tmp_path / name, ["user_id"])
    kind = name.partition(".")[2].upper()
    assert str(caught.value).startswith(f"{name} cannot be read as {kind}: {wrong}; ")

import gzip
from pathlib import Path

import polars as pl
import pytest

from encoders.data.inspecting.proposal import pattern_of
from encoders.data.inspecting.samples import Sample, sample_files
from encoders.data.source_tables import LINE
from encoders.errors import DataError

HEADING = "user_id,at,product\n"


def row(number: int) -> str:
    return f"{number % 700},2024-03-{number % 28 + 1:02d},{'a rather long description of tea ' * 3}{number % 9}\n"


def sample(path: Path, rows: int = 300) -> Sample:
    (only,) = sample_files([path], rows)
    return only


@pytest.mark.parametrize("name", ["many.csv", "many.csv.gz"])
def test_a_long_file_is_sampled_at_its_beginning_its_middle_and_its_end(name: str, tmp_path: Path) -> None:
    text = HEADING + "".join(map(row, range(90_000)))
    opened = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "wt") as file:
        file.write(text)
    found = sample(tmp_path / name)
    lines = found.frame[LINE].to_list()
    assert len(lines) == 300
    assert found.rows == 90_000
    assert lines[0] == 2
    assert lines[-1] == 90_001
    assert any(20_000 < line < 70_000 for line in lines)
    for line, user, at, product in found.frame.rows():
        assert f"{user},{at},{product}\n" == row(line - 2), "a row stands on the line that is said"


def test_a_parquet_file_is_sampled_alike(tmp_path: Path) -> None:
    pl.DataFrame({"user": range(10_000)}).write_parquet(tmp_path / "many.parquet")
    found = sample(tmp_path / "many.parquet")
    assert found.rows == 10_000
    lines = found.frame[LINE].to_list()
    assert (len(lines), lines[0], lines[-1]) == (300, 1, 10_000)
    assert lines[150] == pytest.approx(5_000, abs=100)


def test_files_with_one_heading_are_one_table(tmp_path: Path) -> None:
    for name in ("day-1.csv", "day-2.csv"):
        (tmp_path / name).write_text(HEADING + row(1))
    (tmp_path / "users.csv").write_text("user_id,age\n1,20\n")
    first, second = sample_files([tmp_path / name for name in ("day-1.csv", "users.csv", "day-2.csv")])
    assert [path.name for path in first.files] == ["day-1.csv", "day-2.csv"]
    assert (first.name, first.frame.height, second.name) == ("day", 2, "users")
    assert pattern_of(first.files, tmp_path) == ["day-*.csv"]
    (tmp_path / "day-3.csv").write_text("other\n1\n")
    assert pattern_of(first.files, tmp_path) == ["day-1.csv", "day-2.csv"], "a pattern would find a third file"


def test_columns_may_be_parted_by_blanks(tmp_path: Path) -> None:
    (tmp_path / "CDNOW.txt").write_text(" id  date   cds\n 00001 19970101  1\n 00002 19970112 12\n")
    found = sample(tmp_path / "CDNOW.txt")
    assert found.separator == " "
    assert found.frame.rows() == [(2, "00001", "19970101", "1"), (3, "00002", "19970112", "12")]


def test_what_cannot_be_named_in_a_spec_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",user,Name,name\n0,7,a,b\n")
    found = sample(tmp_path / "t.csv")
    assert found.columns == ["user"]
    assert "several columns 'Name'" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("00004 0001 19970101  2   29.33\n00004 0001 19970118  2   29.73\n", "looks like a row"),
        ("17,2024-01-05,4.50\n18,2024-01-06,1.50\n", "looks like a row"),
        ("", "is empty"),
        (HEADING, "has no rows"),
    ],
)
def test_a_file_without_a_heading_or_rows_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        sample(tmp_path / "t.csv")


def test_broken_rows_are_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(HEADING + row(1) + "1,2\n" + row(2))
    found = sample(tmp_path / "t.csv")
    assert found.frame.height == 2
    assert found.notes == ("1 rows have more or fewer fields than the heading, such as line 3",)

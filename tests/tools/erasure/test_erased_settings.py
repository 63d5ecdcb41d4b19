"""Erasing users from the files that a company or the program writes in TOML: they are read afterwards as before."""

from pathlib import Path

import pytest

from encoders.data.contacts import ContactFormat
from encoders.reader.knowledge import GLOSSARY, GROUNDED, read_glossary, read_table
from tools.erasure.files import erase_from_file
from tools.erasure.traces import Traces, traces_of

OURS = """# our own words
# as cust-7f told us

[[entry]]
name = "brunch"
says = ["late breakfast", "[brunch]"]
things = ["eggs"]

# what they call it
[[entry]]
name = "cust-7f's list"
says = ["the usual"]
things = ["tea"]

[[entry]]
name = "cust-8a's list"
says = [
    "the other usual",
]
things = ["milk"]

# for household 12
[[entry]]
name = "tea time"
says = ["what household 12 buys",
        "scones"]
things = ["tea"]

# the last
[[entry]]
name = "pets"
says = ["our pets, 12 of them"]
things = ["dog food"]
"""


@pytest.fixture
def traces() -> Traces:
    return traces_of(["cust-7f", "cust-8a", "12"], {}, ContactFormat(), [], ["household", "households"])


def test_a_glossary_is_read_as_before_without_the_entries_that_name_them(tmp_path: Path, traces: Traces) -> None:
    path = tmp_path / GLOSSARY
    path.write_text(OURS)
    assert erase_from_file(path, traces) == 5
    assert [entry.name for entry in read_glossary(tmp_path)] == ["brunch", "pets"]
    left = path.read_text()
    assert not any(user in left for user in ("cust", "household"))
    assert "# our own words\n" in left
    assert "# what they call it\n" in left
    assert left.endswith(OURS[OURS.index("# the last") :])
    assert erase_from_file(path, traces) == 0


def test_lines_of_a_grounded_table_go_alone(tmp_path: Path, traces: Traces) -> None:
    path = tmp_path / GROUNDED
    path.write_text('# made\n"tea for cust-7f" = ["tea"]\n"tea for cust-8a" = [\n "tea",\n]\n"scones" = ["tea"]\n')
    assert erase_from_file(path, traces) == 2
    assert read_table(path) == {"scones": ("tea",)}


def test_what_is_no_toml_loses_the_names_as_texts_do(tmp_path: Path, traces: Traces) -> None:
    path = tmp_path / GLOSSARY
    path.write_text("says = [cust-7f\n")
    assert erase_from_file(path, traces) == 1
    assert path.read_text() == "says = [[erased]\n"


def test_what_the_program_calls_things_is_no_user(tmp_path: Path) -> None:
    traces = traces_of(["things", "entry", "user_id", "source"], {}, ContactFormat(), [], [], is_own=lambda _: True)
    path = tmp_path / GLOSSARY
    text = '[[entry]]\nname = "tea time"\nthings = ["tea"]\n'
    path.write_text(text + '[[entry]]\nname = "a"\nsays = ["all things"]\n')
    assert erase_from_file(path, traces) == 1
    assert path.read_text() == text
    table = tmp_path / "table.csv"
    table.write_text("user_id,source\nh1,source\nsource,x\n")
    assert erase_from_file(table, traces) == 1
    assert table.read_text() == "user_id,source\nh1,source\n"
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"user_id": "h1", "source": "source"}\n{"user_id": "source"}\n')
    assert erase_from_file(lines, traces) == 1
    assert lines.read_text() == '{"user_id": "h1", "source": "source"}\n'

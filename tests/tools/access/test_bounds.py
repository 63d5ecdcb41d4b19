"""docs/access.md lists the bounds as they are."""

import re
from pathlib import Path

from tools import bounds

PAGE = Path(__file__).parents[3] / "docs" / "access.md"


def test_the_page_lists_every_bound_with_its_value() -> None:
    told = dict(re.findall(r"^\| ([A-Z_]+) \| ([\d,]+) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    real = {name: value for name, value in vars(bounds).items() if name.isupper()}
    assert {name: float(value.replace(",", "")) for name, value in told.items()} == real

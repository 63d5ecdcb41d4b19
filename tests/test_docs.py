"""The docs site builds strictly, and its pages of reference are what the code says."""

from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config

from dev.reference import DOCS, PAGES

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("page", PAGES)
def test_reference_pages_are_made_from_the_code(page: str) -> None:
    assert PAGES[page]() == (DOCS / page).read_text("utf-8"), "run: python dev/reference.py"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.slow
def test_the_site_builds_with_every_page_in_its_navigation_and_no_broken_link(tmp_path: Path) -> None:
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path / "site"))
    build(config)
    made = {each.parent.name or each.stem for each in (tmp_path / "site").glob("*/index.html")}
    assert {each.stem for each in DOCS.glob("*.md")} - {"index"} <= made

"""The README's figures are the measured ones, written by the command."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import figures  # noqa: E402 - it lies outside the packages

from encoders.benchmark.tables import with_interval  # noqa: E402


def test_the_readme_and_its_page_hold_the_figures_that_were_measured() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    remedy = "run: python benchmarks/figures.py --render"
    assert figures.write(text) == text, remedy
    assert figures.page() == figures.PAGE.read_text("utf-8"), remedy
    assert "ours, zero-shot" in text


def test_everything_that_was_measured_is_on_the_page() -> None:
    page = figures.page()
    for report in figures.measured():
        assert f"as of {report.as_of}" in page
        for section in report.sections:
            for row in section.rows:
                for column, figure in row.figures.items():
                    assert with_interval(column, figure) in page, (section.name, row.scorer, column)

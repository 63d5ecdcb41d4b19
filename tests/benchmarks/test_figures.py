"""The README's figures are the measured ones, written by the command."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import figures  # noqa: E402 - it lies outside the packages


def test_the_readme_holds_the_figures_that_were_measured() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert figures.write(text) == text, "run: python benchmarks/figures.py --render"
    assert "ours, zero-shot" in text

"""The README's figures are the measured ones, written by the command."""

import re
from pathlib import Path

from benchmarks import ablations, conversation, figures, trust
from benchmarks.forecasts.study import ABLATIONS
from benchmarks.forecasts.tables import with_interval

ROOT = Path(__file__).parents[2]


def test_the_readme_and_its_page_hold_the_figures_that_were_measured() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    remedy = "run: python -m benchmarks.figures --render"
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


def test_the_page_of_ablations_holds_what_was_measured() -> None:
    assert ablations.page() == ablations.PAGE.read_text("utf-8"), "run: python -m benchmarks.ablations --render"
    assert all(f"| {name} | " in ablations.page() for name, _ in ABLATIONS)


def test_the_page_of_the_conversation_holds_what_was_measured() -> None:
    assert conversation.page() == conversation.PAGE.read_text("utf-8"), (
        "run: python -m benchmarks.conversation --render"
    )
    assert all(f"| {kind} | " in conversation.page() for kind in ("vague", "precise", "foreign", "sensitive"))


def test_the_page_of_access_says_what_the_protection_comes_to_and_all_figures_are_between_markers() -> None:
    page = (ROOT / "docs" / "access.md").read_text("utf-8")
    remedy = "run: python -m benchmarks.trust"
    assert trust.odds() in page, remedy
    for name in ("attack on counts", "errors of counts", "errors of responders", "memory of tables"):
        [written] = re.findall(trust.BETWEEN.format(name=name), page)
        assert any(letter.isdigit() for letter in written), remedy
        page = page.replace(written, "")
    assert not re.search(r"\d %|percent|of three|of two|a fifth|by half", page), "a figure that no command prints"

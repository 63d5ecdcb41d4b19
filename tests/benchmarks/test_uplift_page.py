"""The page about effects is what was measured, and what was measured is what the page promises."""

from benchmarks.uplift import MEASURED, PAGE, Figures, daily, drawn_holdouts, page, worlds

FIGURES = Figures.model_validate_json(MEASURED.read_text("utf-8"))


def test_the_page_is_what_was_measured() -> None:
    text = PAGE.read_text("utf-8")
    assert page(FIGURES, text) == text, "run: python -m benchmarks.uplift --render"


def test_false_claims_stay_below_what_is_said() -> None:
    assert all(each.claims <= 0.05 for each in FIGURES.null)
    assert all(each.held >= 0.93 for each in (*FIGURES.null, *FIGURES.planted))
    assert all(each.always <= 0.05 < each.usual for each in FIGURES.daily)


def test_it_is_measured_as_the_page_says() -> None:
    found = worlds(lambda cell: 0.0, 3, 0.0, count=4)
    assert (found.campaigns, found.worlds, found.found, found.ahead) == (3, 4, None, None)
    assert daily(0.1, 1800, 200, tries=20).wider > 1
    assert drawn_holdouts(200, tries=30).banded < drawn_holdouts(200, tries=30).plain

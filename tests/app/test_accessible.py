"""Every place of the page, looked at by axe-core in a real browser, light and dark: nothing that it objects to."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agent.page.places import PLACES
from tests.app.browsing import PHONE, Serve, Visit, say
from tests.app.page_doubles import PlantedDesk

AXE = Path(__file__).parents[1] / "conformance" / "node_modules" / "axe-core" / "axe.min.js"
SETTLED_MS = 400
"""What fades in has faded in: half of a colour is no colour to judge."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # from Gradio's own statistics
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make harness"),
]


def objections(page: Page) -> list[str]:
    page.wait_for_timeout(SETTLED_MS)
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {node['target']}" for each in found["violations"] for node in each["nodes"]]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_nothing_stands_in_the_way_of_anybody_who_asks(
    serve: Serve, visit: Visit, desk: PlantedDesk, look: str
) -> None:
    page = visit(f"{serve(lambda: desk)}/?__theme={look}")
    expect(page.get_by_role("button", name="Families who start")).to_be_hidden()
    expect(page.get_by_text("as of 1 October 2017")).to_be_visible()
    assert objections(page) == []
    say(page, "people for our new baby line")
    page.get_by_role("button", name="Families who start buying baby food").click()
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_visible()
    assert objections(page) == []
    for tab in ("People", "Fairness", "Overlap", "How it was read"):
        page.get_by_role("tab", name=tab).click()
        assert objections(page) == [], tab
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="Yes, do it")).to_be_visible()
    assert objections(page) == []


@pytest.mark.parametrize("place", [each.path for each in PLACES[1:]])
@pytest.mark.parametrize("look", ["light", "dark"])
def test_nothing_stands_in_the_way_in_any_other_place(
    serve: Serve, visit: Visit, desk: PlantedDesk, place: str, look: str
) -> None:
    page = visit(f"{serve(lambda: desk)}/{place}?__theme={look}")
    expect(page.get_by_text("as of 1 October 2017")).to_be_visible()
    assert objections(page) == []


def test_nothing_stands_in_the_way_on_a_phone(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk), PHONE)
    say(page, "people for our new baby line")
    page.get_by_role("button", name="Families who start buying baby food").click()
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_visible()
    assert objections(page) == []

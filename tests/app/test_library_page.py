"""The library and the results in a real browser, over the service of the planted world."""

import re

import pytest
from playwright.sync_api import Page, expect

from agent.page.state import AppState
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.app.browsing import PHONE, Serve, Visit
from tests.app.page_doubles import COFFEE, HOSTILE, TEA, PlantedDesk
from tools.service import AudienceService
from tools.storage.registry import Registry

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # from Gradio's own statistics
]

WIDE = COFFEE.model_copy(update={"cut": 0.6})


@pytest.fixture
def address(serve: Serve, shop: AudienceService, desk: PlantedDesk) -> str:
    """Where the page is, over a service that is real and a conversation that is not."""
    return serve(lambda: AppState(conversation=desk.conversation, service=shop))


def names(page: Page) -> list[str]:
    """The audiences of the table, as it is sorted and filtered."""
    return page.locator("tbody.rows tr:visible th a").all_inner_texts()


def acts(page: Page, fewest: int) -> list[str]:
    """What the audit of the page says was done, once it has so many lines."""
    for _ in range(600):
        with Registry(Workspace(settings().workspace).registry) as registry:
            found = [line.details["act"] for line in registry.audit() if line.action == "page"]
        if len(found) >= fewest:
            break
        page.wait_for_timeout(100)
    return found


def test_an_empty_library_says_what_to_do_first(address: str, visit: Visit) -> None:
    page = visit(f"{address}/audiences")
    expect(page.get_by_role("heading", name="Nothing is saved yet")).to_be_visible()
    expect(page.get_by_role("link", name="Ask for an audience")).to_have_attribute("href", "/")
    page.goto(f"{address}/results")
    expect(page.get_by_role("heading", name="No forecasts yet")).to_be_visible()
    expect(page.get_by_role("button", name="Choose the file")).to_be_hidden()
    page.goto(f"{address}/audiences?id=aud-000000000000")
    expect(page.get_by_role("heading", name="This audience is not here")).to_be_visible()


def test_the_table_is_searched_sorted_and_filtered(address: str, visit: Visit, shop: AudienceService) -> None:
    for name, spec in (("Tea", TEA), (HOSTILE, WIDE), ("Coffee", COFFEE)):
        shop.save(spec, name, "Ada")
    shop.archive("Tea", "Ada")
    page = visit(f"{address}/audiences")
    expect(page.get_by_role("link", name="Coffee", exact=True)).to_be_visible()
    assert sorted(names(page)) == sorted([HOSTILE, "Coffee"])
    assert page.locator("#library img").count() == 0
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_role("button", name="Name and definition").click()
    assert names(page) == [HOSTILE, "Coffee", "Tea"]
    page.get_by_role("button", name="Size", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "descending")
    assert names(page)[0] == HOSTILE
    page.get_by_role("searchbox").fill("buy tea")
    assert names(page) == ["Tea"]
    page.get_by_role("searchbox").fill("unicorn")
    expect(page.get_by_text("No audience fits")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Archived", exact=True).click()
    assert names(page) == ["Tea"]


def test_an_audience_is_opened_by_its_link_renamed_deleted_and_brought_back(
    address: str, visit: Visit, shop: AudienceService
) -> None:
    saved = shop.save(COFFEE, "Coffee", "Ada")
    page = visit(f"{address}/audiences")
    page.get_by_role("link", name="Coffee", exact=True).click()
    expect(page.get_by_role("article", name="Coffee")).to_be_visible()
    expect(page).to_have_url(f"{address}/audiences?id={saved.id}")
    expect(page.get_by_role("article").get_by_text("did it:")).to_be_visible()
    expect(page.get_by_role("link", name="Duplicate in Ask")).to_have_attribute("href", f"/?audience={saved.id}")
    page.reload()
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("New name").fill("Beans")
    page.keyboard.press("Enter")
    expect(page.get_by_role("article", name="Beans")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("region", name="Delete Beans?")).to_contain_text("you can bring it back")
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page.get_by_text("'Beans' is deleted.")).to_be_visible()
    expect(page).to_have_url(f"{address}/audiences")
    assert shop.list_audiences() == ()
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_role("article", name="Beans")).to_be_visible()
    page.get_by_role("link", name="All audiences").click()
    expect(page.get_by_role("link", name="Beans", exact=True)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("article", name="Beans")).to_be_visible()
    assert acts(page, 3) == ["rename", "delete", "bring back"]


def test_two_are_ticked_compared_and_combined(address: str, visit: Visit, shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    shop.save(TEA, "Tea", "Ada")
    page = visit(f"{address}/audiences", PHONE)
    expect(
        page.locator("td").filter(has_text="as saved").or_(page.locator("td").filter(has_text="Open it")).first
    ).to_be_visible()
    page.get_by_role("checkbox", name="Choose Coffee").check()
    expect(page.get_by_role("button", name="Combine")).to_be_disabled()
    page.get_by_role("checkbox", name="Choose Tea").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("region", name="Compared").get_by_role("table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.get_by_role("button", name="Combine").click()
    page.get_by_label("Who is in any of them").check()
    page.get_by_role("button", name="Count", exact=True).click()
    page.get_by_role("button", name="Save it").click()
    expect(page.get_by_role("article", name=re.compile("Coffee or Tea|Tea or Coffee"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert len(shop.list_audiences()) == 3


def test_an_outcome_is_looked_at_before_it_is_recorded(address: str, visit: Visit, shop: AudienceService) -> None:
    saved = shop.save(COFFEE, "Coffee", "Ada", holdout=0.2)
    members, held = shop.tenant.registry.members("Coffee")
    page = visit(f"{address}/results?audience={saved.id}")
    expect(page.get_by_label("Of which audience")).to_have_value("Coffee, version 1")
    for content, said in ((b"name\nada\n", "has no column 'user_id'"), (_file(members, held), "Record this outcome?")):
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose the file").click()
        chooser.value.set_files({"name": "out.csv", "mimeType": "text/csv", "buffer": content})
        expect(page.locator("#asked")).to_contain_text(said)
    expect(page.locator("#asked")).to_contain_text(f"{len(held[:4])} of {len(held)} held out")
    assert shop.outcomes.last("Coffee") is None
    page.get_by_role("button", name="Yes, record it").click()
    expect(page.get_by_role("heading", name="What contact changed")).to_be_visible()
    expect(page.locator(".uplifts")).to_contain_text("Coffee")
    assert shop.outcomes.last("Coffee") is not None
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def _file(members: tuple[str, ...], held: tuple[str, ...]) -> bytes:
    return "\n".join(["user_id", *sorted(set(members) - set(held))[:50], *held[:4]]).encode()

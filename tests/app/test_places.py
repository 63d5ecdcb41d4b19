"""The places Data and Settings in a real browser: what is opened, changed and taken back, by pointer and by key."""

import pytest
from playwright.sync_api import Page, expect

from encoders.errors import ModelError
from encoders.reader.knowledge import read_glossary
from tests.app.browsing import PHONE, Serve, Visit
from tests.app.page_doubles import HOSTILE, PlantedDesk
from tests.listening import listening
from tools.access.callers import Scope, Tokens

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # from Gradio's own statistics
]


def opened(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()
    expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent"))


def test_what_was_read_and_what_is_not_shown(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(f"{serve(lambda: desk)}/data")
    rows = page.get_by_role("row").filter(has_text="purchases")
    expect(rows.get_by_role("img", name="Events of purchases by week")).to_be_visible()
    expect(page.get_by_text("2,400 of 2,469 in their table have events")).to_be_visible()
    page.get_by_text("40 rows were left out").click()
    expect(page.get_by_role("rowheader", name=HOSTILE).first).to_be_visible()
    assert page.locator("img").count() == 0
    opened(page, "Forecasts")
    expect(page.get_by_role("row").filter(has_text="All demands")).to_contain_text("566")


def test_the_catalogue_is_browsed_by_key_and_leads_to_a_question(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(f"{serve(lambda: desk)}/data")
    opened(page, "Catalogue")
    source = page.get_by_role("button", name="purchases 63 groups")
    source.press("Enter")
    expect(source).to_have_attribute("aria-expanded", "true")
    assert focused(page).startswith("purchases")
    page.get_by_role("button", name="Show 36 more of 63").press("Enter")
    expect(page.get_by_role("button", name="Show 13 more of 63")).to_be_visible()
    expect(page.get_by_role("button", name="group 11", exact=True)).to_be_focused()  # the first that was not there
    page.get_by_role("button", name="baby food", exact=True).press("Enter")
    group = page.get_by_role("region", name="baby food")
    expect(group).to_contain_text("700")
    expect(page.get_by_role("button", name="baby food", exact=True)).to_have_attribute("aria-current", "true")
    sentence = "Households+that+will+buy+baby+food+in+the+next+28+days"
    expect(group.get_by_role("link", name="Ask for it")).to_have_attribute("href", f"/?ask={sentence}")
    page.get_by_label("Find a group").fill("unicorn")
    page.get_by_label("Find a group").press("Enter")
    expect(page.get_by_text("Nothing in the data is near “unicorn”.")).to_be_visible()
    page.get_by_label("Find a group").fill("baby")
    page.get_by_label("Find a group").press("Enter")
    expect(page.get_by_role("list", name="Found").get_by_role("button")).to_have_count(1)


def test_an_entry_is_written_changed_removed_and_put_back(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(f"{serve(lambda: desk)}/data")
    opened(page, "Words")
    page.get_by_label("Name").fill("VIP lunch")
    page.get_by_label("What people say").fill("vip lunch\nvip")
    page.get_by_role("button", name="Save the entry").click()
    expect(page.get_by_role("alert").filter(has_text="at least one thing")).to_be_visible()
    page.get_by_label("What it stands for").fill("sushi\nhovercraft")
    page.get_by_role("button", name="See what it stands for").click()
    expect(page.get_by_text("nothing; the data has no such thing")).to_be_visible()
    assert read_glossary(desk.service.folder) == ()
    page.get_by_role("button", name="Save the entry").click()
    expect(page.get_by_text("Saved. Requests are read with “VIP lunch” from now on.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("")
    page.get_by_role("button", name="Change VIP lunch").click()
    expect(page.get_by_role("heading", name="Change “VIP lunch”")).to_be_visible()
    expect(page.get_by_label("What people say")).to_have_value("vip lunch\nvip")
    page.get_by_label("Name").fill("Board lunch")
    page.get_by_role("button", name="Save the entry").click()
    expect(page.get_by_role("row").filter(has_text="Board lunch")).to_be_visible()
    [entry] = read_glossary(desk.service.folder)
    assert (entry.name, entry.says) == ("Board lunch", ("vip lunch", "vip"))
    page.get_by_role("button", name="Remove Board lunch").press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("“Board lunch” was removed.")).to_be_visible()
    assert read_glossary(desk.service.folder) == ()
    page.get_by_role("button", name="Put it back").click()
    expect(page.get_by_role("row").filter(has_text="Board lunch")).to_be_visible()
    assert read_glossary(desk.service.folder) == (entry,)
    page.get_by_label("Find an entry").fill("barbe")
    page.get_by_label("Find an entry").press("Enter")
    expect(page.get_by_text("1 entry")).to_be_visible()


def test_a_token_is_shown_once_and_in_no_html(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(f"{serve(lambda: desk)}/settings")
    opened(page, "Tokens")
    page.get_by_label("Who uses it").fill("Shop agent")
    page.get_by_role("button", name="Create the token").click()
    expect(page.get_by_role("alert").filter(has_text="cannot name a token")).to_be_visible()
    page.get_by_label("Who uses it").fill("shop-agent")
    page.get_by_label("preview: single users, masked").check()
    page.get_by_role("button", name="Create the token").click()
    secret = page.get_by_label("The token")
    expect(secret).to_have_attribute("type", "password")
    token = secret.input_value()
    with Tokens(desk.service.folder / "tokens.db") as tokens:
        assert tokens.caller(token).scopes == {Scope.READ, Scope.SIZE, Scope.PREVIEW}
    assert token not in page.content()
    page.get_by_role("button", name="Revoke shop-agent").press("Enter")
    expect(page.get_by_text("This cannot be undone")).to_be_visible()
    expect(secret).to_be_hidden()
    page.get_by_role("button", name="Keep it").press("Enter")
    expect(page.get_by_role("button", name="Revoke shop-agent")).to_be_focused()
    page.get_by_role("button", name="Revoke shop-agent").click()
    page.get_by_role("button", name="Revoke", exact=True).click()
    expect(page.get_by_text("“shop-agent” opens nothing any more.")).to_be_visible()
    page.reload()
    opened(page, "Tokens")
    expect(page.get_by_role("row").filter(has_text="shop-agent")).to_contain_text("revoked")
    expect(page.get_by_label("The token")).to_be_hidden()
    assert token not in page.content()
    assert desk.service.changed == ["create token", "revoke token"]


def test_a_webhook_is_added_tested_and_removed(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(f"{serve(lambda: desk)}/settings")
    opened(page, "Webhooks")
    with listening() as listener:
        page.locator("#new-webhook").get_by_label("Address").fill(listener.url)
        page.get_by_label("Drifted").uncheck()
        page.get_by_role("button", name="Add the webhook").click()
        secret = page.get_by_label("The secret that its messages are signed with")
        expect(secret).to_have_attribute("type", "password")
        assert secret.input_value().startswith("whsec_")
        assert "whsec_" not in page.content()
        page.get_by_role("button", name=f"Test {listener.url}").click()
        expect(page.get_by_text("took the test message: it answered 204")).to_be_visible()
        listener.answers = [500]
        page.get_by_role("button", name=f"Test {listener.url}").click()
        expect(page.get_by_text("did not take the test message: answered 500")).to_be_visible()
        assert len(listener.heard) == 2
    [there] = desk.service.webhooks.subscriptions()
    assert there.events == ("audience.ready", "audience.refreshed", "nightly.failed")
    page.get_by_role("button", name=f"Remove {there.url}").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text(f"{there.url} is told nothing more.")).to_be_visible()
    assert desk.service.webhooks.subscriptions() == ()


def test_a_password_is_taken_into_no_destination(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(f"{serve(lambda: desk)}/settings")
    opened(page, "Destinations")
    page.get_by_label("A table of a database").check()
    page.locator("#new-destination").get_by_label("Name").fill("crm")
    connection = page.get_by_label("Connection")
    expect(connection).to_have_attribute("type", "password")
    connection.fill("postgresql://robin:canary-password@db/shop")
    page.get_by_label("Table", exact=True).fill("members")
    page.get_by_role("button", name="Add the destination").click()
    expect(page.get_by_role("alert").filter(has_text="a password may not stand here")).to_be_visible()
    assert "canary-password" not in page.content()
    connection.fill("env:SHOP_DB")
    page.get_by_role("button", name="Add the destination").click()
    expect(page.get_by_role("row").filter(has_text="crm")).to_contain_text("A table")
    page.get_by_role("button", name="Remove crm").click()
    expect(page.get_by_text("rows in the table stay there")).to_be_visible()
    page.get_by_role("button", name="Remove", exact=True).click()
    expect(page.get_by_text("“crm” was removed.")).to_be_visible()


@pytest.mark.parametrize("place", ["data", "settings"])
def test_where_there_is_no_workspace_each_part_says_so(serve: Serve, visit: Visit, place: str) -> None:
    def opener() -> PlantedDesk:
        raise ModelError("There is no trained model in ./workspace; run 'audience demo'.")

    page = visit(f"{serve(opener)}/{place}")
    expect(page.get_by_role("alert").first).to_contain_text("run 'audience demo'")
    expect(page.locator("[aria-busy]")).to_have_count(0)


@pytest.mark.parametrize("place", ["data", "settings"])
def test_nothing_is_wider_than_a_phone_and_every_tab_is_in_reach(
    serve: Serve, visit: Visit, desk: PlantedDesk, place: str
) -> None:
    page = visit(f"{serve(lambda: desk)}/{place}", PHONE)
    expect(page.get_by_text("as of 1 October 2017")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)
    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    for tab in {"data": ("Words", "Catalogue"), "settings": ("Environment", "Destinations", "Tokens")}[place]:
        page.locator(".parts .tab-wrapper button:visible", has_text=tab).last.click()
        shown, there = page.evaluate(wide)
        assert shown <= there, tab

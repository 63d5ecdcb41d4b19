"""The page in a real browser over a desk of doubles: what goes wrong, what waits, what stays text."""

import re
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from agent.models.usage import Usage
from agent.page.state import BROKEN, AppState
from encoders.errors import ModelError
from tests.app.browsing import PHONE, Serve, Visit, say
from tests.app.page_doubles import DEMAND, HOSTILE, PlantedDesk, point
from tools.audiences.catalogue import Learning

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),  # from Gradio's own statistics
]


def reach_an_audience(page: Page) -> None:
    say(page, "people for our new baby line")
    page.get_by_role("button", name="Families who start buying baby food").click()
    expect(page.locator("#told")).to_contain_text("The audience keeps the best 232")
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_visible()


def test_the_page_is_there_before_the_workspace_is_open(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    opened = Event()

    def slow() -> AppState:
        opened.wait(60)
        return desk

    page = visit(serve(slow))
    expect(page.get_by_text("Getting ready")).to_be_visible()
    assert page.request.get(f"{page.url}healthz").json() == {"ready": False}
    say(page, "people for our new baby line")
    expect(page.get_by_text("Looking at the data")).to_be_visible()
    opened.set()
    expect(page.get_by_role("button", name="Families who start buying baby food")).to_be_visible()
    expect(page.get_by_text("Getting ready")).to_be_hidden()
    expect(page.get_by_text("Talking: built-in assistant")).to_be_visible()
    assert page.request.get(f"{page.url}healthz").json() == {"ready": True}


def test_a_workspace_that_is_not_prepared_is_one_sentence(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    mended = Event()

    def opener() -> AppState:
        if not mended.is_set():
            raise ModelError("There is no trained model in ./workspace; run 'audience demo'.")
        return desk

    page = visit(serve(opener))
    expect(page.get_by_role("alert")).to_have_text(re.compile("run 'audience demo'"))
    say(page, "milk")
    expect(page.get_by_label(re.compile("bot's message"))).to_contain_text("run 'audience demo'")
    mended.set()
    page.reload()
    expect(page.get_by_text("as of 1 October 2017")).to_be_visible()


def test_errors_are_plain_sentences_in_the_chat(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    chat = page.get_by_role("log")
    say(page, "   ")
    expect(chat).to_contain_text("Say whom you want to reach, for example: people for our new baby line.")
    say(page, "unicorn food")
    expect(chat).to_contain_text("Nothing in this data is near 'unicorn'; try baby food, diapers or milk.")
    say(page, "break it")
    expect(chat).to_contain_text(BROKEN)
    expect(page.locator("body")).not_to_contain_text("ZeroDivision")
    reach_an_audience(page)


def test_markup_in_requests_and_data_stays_text(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    typed = "![x](http://example.org/a.png) <img src=http://example.org/b.png> baby"
    say(page, typed)
    page.get_by_role("button", name="Families who start").click()
    expect(page.get_by_role("log")).to_contain_text(typed)
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_visible()
    expect(page.locator("#audience").get_by_text(HOSTILE).first).to_be_visible()
    assert page.locator("#chat img, #audience img").count() == 0


def test_what_runs_can_be_stopped(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    say(page, "slowly please")
    expect(page.get_by_text("Looking for what was said")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("log")).to_contain_text("Stopped.")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    desk.conversation.go_on.set()
    say(page, "unicorn food")
    expect(page.get_by_role("log")).to_contain_text("near 'unicorn'")


def answered(page: Page, desk: PlantedDesk, users: int) -> None:
    """Wait for the audience itself: the number counts along before it has changed."""
    while not any(each.size and each.size.users == users for each in desk.conversation.replies.values()):
        page.wait_for_timeout(20)


def test_the_cut_by_number_by_pointer_and_by_key(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    users, handle = page.get_by_label("Keep exactly"), page.get_by_role("slider", name="How many to keep")
    users.fill("500")
    users.press("Enter")
    expect(page.locator("#told")).to_contain_text("keeps the best 500")
    expect(handle).to_have_attribute("aria-valuenow", "500")
    expect(handle).to_have_attribute("aria-valuemax", "2317")

    place, picture = handle.locator("circle").bounding_box(), page.locator(".reach .hit").bounding_box()
    assert place
    assert picture
    y = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + place["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(picture["x"] + 0.5 * picture["width"], y, steps=4)
    tiles = page.get_by_label("Size of the audience")
    expect(tiles).to_contain_text("1,159")
    assert not any(each.size and each.size.users == 1159 for each in desk.conversation.replies.values())
    counted = point(0.5, 2317)
    expect(tiles).to_contain_text(f"{counted.lift:.1f} ×")
    page.mouse.up()
    expect(page.locator("#told")).to_contain_text("keeps the best 1,159")
    expect(users).to_have_value("1159")
    answered(page, desk, 1159)

    handle.focus()
    handle.press("ArrowLeft")
    pressed = round(1159 - 0.005 * 2317)
    answered(page, desk, pressed)
    expect(page.locator("#told")).to_contain_text(f"keeps the best {pressed:,}")
    page.reload()
    expect(users).to_have_value(str(pressed))


def test_one_step_back_is_one_click_whether_it_was_said_or_done_by_hand(
    serve: Serve, visit: Visit, desk: PlantedDesk
) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("log")).to_contain_text("Undo")


def test_a_request_comes_with_the_address_and_is_asked_once(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    address = serve(lambda: desk)
    page = visit(f"{address}/?ask=unicorn+food")
    expect(page.get_by_role("log")).to_contain_text("near 'unicorn'")
    page.wait_for_url(f"{address}/")
    page.reload()
    expect(page.get_by_label(re.compile("bot's message"))).to_have_count(1)
    page.goto(f"{address}/?audience=../../etc")
    expect(page.get_by_role("alert")).to_contain_text("There is no saved audience")


def test_a_saved_audience_is_opened_as_a_draft_by_its_address(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    address = serve(lambda: desk)
    page = visit(address)
    reach_an_audience(page)
    page.get_by_label("Name", exact=True).fill("Baby line")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_text("Saved as Baby line")).to_be_visible()
    page.goto(f"{address}/?audience={desk.service.kept[0].id}")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    expect(page.get_by_label("The audience in one sentence")).to_have_value(DEMAND)


def test_a_number_that_cannot_be_is_a_sentence_and_changes_nothing(
    serve: Serve, visit: Visit, desk: PlantedDesk
) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    users = page.get_by_label("Keep exactly")
    users.fill("99999")
    users.press("Enter")
    expect(page.get_by_role("alert")).to_have_text(re.compile("Type a number of users between 1 and 2,317."))
    expect(page.locator("#told")).to_contain_text("keeps the best 232")
    users.fill("20")
    users.press("Enter")
    expect(page.get_by_text("Fewer than 50 households: too few to show who they are.")).to_be_visible()
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_hidden()


def test_a_condition_is_clicked_away_and_the_sentence_rewritten(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    page.get_by_role("button", name="Exclude those who bought it").click()
    told = page.locator("#told")
    expect(told).to_contain_text("1,905 households that meet the conditions")
    page.get_by_text("no buy baby food in the last 28 days").click()
    expect(told).not_to_contain_text("conditions")
    page.get_by_label("The audience in one sentence").fill("Households that will buy cheese")
    page.get_by_role("button", name="Update").click()
    while "cheese" not in str(desk.conversation.replies):
        page.wait_for_timeout(20)
    page.reload()
    expect(page.get_by_label("The audience in one sentence")).to_have_value("Households that will buy cheese")


def test_what_was_understood_is_struck_out_and_taken_back_by_pointer_and_by_key(
    serve: Serve, visit: Visit, desk: PlantedDesk
) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    chat, demand = page.get_by_role("log"), page.get_by_label("The audience in one sentence")
    food, diapers = (page.get_by_role("checkbox", name=name, exact=True) for name in ("baby food", "diapers"))
    parents = page.locator("#reading-0")
    expect(parents).to_contain_text("“New parents” means here")
    expect(parents.get_by_role("checkbox")).to_have_count(2)
    expect(food).to_be_checked()

    parents.get_by_text("baby food").click()
    expect(chat).to_contain_text("Without baby food")
    expect(demand).to_have_value(f"Households that will buy {HOSTILE} or diapers")
    expect(food).not_to_be_checked()
    page.reload()
    expect(food).not_to_be_checked()
    expect(diapers).to_be_checked()

    food.focus()
    food.press("Space")
    expect(chat).to_contain_text("With baby food again")
    expect(demand).to_have_value(f"Households that will buy {HOSTILE} or baby food or diapers")
    expect(food).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(demand).to_have_value("Households that will buy baby food or diapers")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(demand).to_have_value("Households that will buy baby food")
    parents.get_by_text("baby food").click()
    expect(chat).to_contain_text("One thing has to stay.")
    expect(food).to_be_checked()


def test_how_things_are_joined_and_the_time_are_clicked(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    demand, log = page.get_by_label("The audience in one sentence"), page.get_by_role("log")
    each, any_one = (page.get_by_role("button", name=name) for name in ("all of these", "any of these"))
    expect(any_one).to_have_attribute("aria-pressed", "true")
    each.click()
    expect(demand).to_have_value(f"Households that will buy baby food as well as {HOSTILE} as well as diapers")
    expect(each).to_have_attribute("aria-pressed", "true")
    expect(log).to_contain_text("All of these, by the same person")
    page.reload()
    any_one.press("Enter")
    expect(demand).to_have_value(f"Households that will buy baby food or {HOSTILE} or diapers")
    page.get_by_role("button", name="in the next 28 days: change it").click()
    expect(log).to_contain_text("Change: the next 28 days")


def test_the_page_says_how_far_the_reader_has_learned_and_goes_on_meanwhile(
    serve: Serve, visit: Visit, desk: PlantedDesk
) -> None:
    desk.service.learning = Learning("Learning to read requests", 0.042)
    page = visit(serve(lambda: desk))
    line = page.locator("#learning")
    expect(line).to_contain_text("Learning to read requests, 4 %. Until then I go by the words one by one")
    reach_an_audience(page)
    desk.service.learning = Learning("Learning to read requests", 0.9)
    expect(line).to_contain_text("90 %")
    desk.service.learning = None
    expect(line).to_be_hidden()


def test_what_was_assumed_is_clicked_to_change_it(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    assumed = page.get_by_text("'First time' means not in the last 12 weeks.").last
    assumed.click()
    expect(page.get_by_role("log")).to_contain_text("Change: 'First time' means not in the last 12 weeks.")
    expect(page.get_by_role("log")).to_contain_text("In the last 12 or 24 weeks?")
    expect(page.get_by_role("checkbox", name="'First time' means not in the last 12 weeks.")).to_be_checked()


def test_a_no_saves_nothing(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Shall I save")).to_have_count(1)
    expect(page.get_by_role("log")).to_contain_text("please say yes or no to what stands at the foot of the audience")
    page.get_by_role("button", name="No, leave it").click()
    expect(page.get_by_role("log")).to_contain_text("Left as it was.")
    expect(page.get_by_role("button", name="Yes, do it")).to_be_hidden()
    assert desk.service.list_audiences() == ()


def test_a_new_conversation_starts_empty_and_keeps_nothing_of_the_old_one(
    serve: Serve, visit: Visit, desk: PlantedDesk
) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    page.get_by_role("button", name="Start a new conversation").click()
    expect(page.get_by_role("heading", name="Your audience will appear here")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Your audience will appear here")).to_be_visible()
    expect(page.get_by_label("Size of the audience")).to_be_hidden()


def test_what_the_language_model_costs_is_a_small_line_and_none_where_there_is_no_model(
    serve: Serve, visit: Visit, desk: PlantedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    expect(page.locator("#usage")).to_be_hidden()
    answer = desk.conversation.say
    used = Usage(calls=3, input_tokens=4210, output_tokens=96, dollars=0.00069)
    told = lambda thread, text, _: answer(thread, text).model_copy(update={"usage": used})  # noqa: E731
    monkeypatch.setattr(desk.conversation, "say", told)
    say(page, "exclude those who bought it")
    expect(page.locator("#usage")).to_have_text(
        "Language model so far: 3 calls, 4,210 tokens read, 96 written, about $0.0007"
    )
    page.get_by_role("button", name="Start a new conversation").click()
    expect(page.locator("#usage")).to_be_hidden()


def test_nothing_sticks_out_on_a_phone(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk), PHONE)
    expect(page.get_by_text("as of 1 October 2017")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    reach_an_audience(page)
    expect(page.locator(".reach .expected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    wide = "[...document.querySelectorAll('#talk, .card')].filter(e => e.getBoundingClientRect().right > innerWidth)"
    assert page.evaluate(f"{wide}.length") == 0


def test_every_answer_carries_the_policy(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    for path in ("", "audiences", "healthz", "exports/none.csv"):
        answer = page.request.get(f"{page.url}{path}")
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    assert page.request.get(f"{page.url}exports/..%2Fcheckpoints.db").status == 404


def test_people_like_those_of_a_list_are_asked_for_by_a_file(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Find people like those of a list").click()
    chooser.value.set_files({"name": "list.txt", "mimeType": "text/plain", "buffer": b""})
    expect(page.get_by_role("alert")).to_contain_text("That file names nobody")


def test_what_is_saved_leads_to_its_places(serve: Serve, visit: Visit, desk: PlantedDesk) -> None:
    page = visit(serve(lambda: desk))
    reach_an_audience(page)
    page.get_by_label("Hold out %").fill("20")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("log")).to_contain_text("keep 20 % back")
    page.get_by_role("button", name="Yes, do it").click()
    kept = page.locator("#kept")
    expect(kept.get_by_role("link", name="Open it")).to_have_attribute("href", re.compile("^/audiences[?]id="))
    expect(kept.get_by_role("link", name="Bring the outcome")).to_have_attribute(
        "href", re.compile("^/results[?]audience=")
    )

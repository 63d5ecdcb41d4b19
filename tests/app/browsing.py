"""What the browser tests share: sizes of screens, and what a person does on the page."""

from collections.abc import Callable

from playwright.sync_api import Page

from agent.page.state import AppState

LAPTOP, PHONE = (1440, 900), (390, 844)
Visit = Callable[..., Page]
Serve = Callable[[Callable[[], AppState]], str]


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="Your request").fill(text)
    page.get_by_role("button", name="Send").click()

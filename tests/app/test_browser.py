"""The main job as a person plays it, in a real browser, over the real app on the built-in data."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Locator, Page, expect

from encoders.workspace import Workspace
from tests.app.browsing import PHONE, Visit, say

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the demo is trained first


@contextmanager
def serving(workspace: Path, port: str = "0") -> Iterator[str]:
    """Run `audience serve` with the reader of the demo and give the address it prints."""
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.readers", "few", "serve"],
        cwd=ROOT,
        env=os.environ | {"AUDIENCE_WORKSPACE": str(workspace), "AUDIENCE_PORT": port},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr
    try:
        address = re.search(r"http://\S+", started.stderr.readline())
        assert address, started.stderr.read()
        yield address[0]
    finally:
        started.terminate()
        started.communicate(timeout=30)


@pytest.fixture(scope="module")
def workspace(demo_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo workspace that the app may write to."""
    copy = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(demo_workspace.path, copy, ignore=shutil.ignore_patterns("locks"))
    return copy


@pytest.fixture(scope="module")
def address(workspace: Path) -> Iterator[str]:
    with serving(workspace) as printed:
        yield printed


def headline(page: Page) -> Locator:
    return page.get_by_label("Size of the audience")


def reach_an_audience(page: Page) -> None:
    """A vague request, then the first answer to each question until there is an audience."""
    say(page, "I want to reach people for our new baby line")
    answers = page.get_by_role("log").get_by_role("button", name=re.compile("^(baby (food|diapers)|Everyone)$"))
    asked = 0
    while not headline(page).is_visible():
        answer = answers.first.or_(headline(page))
        expect(answer).to_be_visible()
        if answers.first.is_visible():
            said = answers.first.inner_text()
            answers.first.click()
            expect(page.get_by_role("log").get_by_role("button", name=said, exact=True)).to_have_count(0)
            asked += 1
    assert 0 < asked <= 2
    expect(page.locator("#told")).to_contain_text("The audience keeps the best")
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_visible()


def test_the_story(address: str, workspace: Path, visit: Visit) -> None:
    page = visit(address)
    expect(page.get_by_text("as of 1 October 2017")).to_be_visible()
    expect(page.get_by_text("simulated")).to_be_visible()
    reach_an_audience(page)
    expect(page.get_by_label("The audience in one sentence")).to_have_value(re.compile("baby .* in the next 28 days"))
    expect(page.get_by_role("heading", name="What sets these people apart")).to_be_visible()
    expect(page.locator(".reach .expected")).to_be_visible()
    told = page.locator("#told")

    users = page.get_by_label("Keep exactly")
    users.fill("300")
    users.press("Enter")
    expect(told).to_contain_text("keeps the best 300")

    handle, picture = page.locator(".handle circle").bounding_box(), page.locator(".reach .hit").bounding_box()
    assert handle
    assert picture
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(picture["x"] + 0.2 * picture["width"], handle["y"], steps=3)
    page.mouse.up()
    expect(told).to_contain_text(re.compile("keeps the best 46[234]"))

    page.get_by_role("button", name="Leave out anyone who did it last month").click()
    expect(told).to_contain_text("households that meet the conditions")
    expect(page.get_by_role("checkbox", name=re.compile("no baby .* in the last 30 days"))).to_be_checked()

    page.get_by_label("Name", exact=True).fill("Baby line, autumn")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.locator("#kept").get_by_text("Saved as Baby line, autumn")).to_be_visible()
    page.get_by_role("tab", name="Overlap").click()
    expect(page.get_by_role("row", name=re.compile("Baby line, autumn"))).to_be_visible()

    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("button", name="Yes, do it").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("^Download .*csv")).click()
    rows = pl.read_csv(download.value.path())
    rows_told = page.get_by_text(re.compile(r"\d+ rows: user_id")).inner_text()
    assert rows.height == int(rows_told.split()[0])
    assert rows["user_id"].n_unique() == rows.height
    inside = int(users.input_value())
    assert rows.height == inside - round(0.1 * inside)
    assert (
        workspace / "exports" / download.value.suggested_filename
    ).read_bytes() == download.value.path().read_bytes()


def test_the_conversation_survives_a_restart(workspace: Path, demo_workspace: Workspace, visit: Visit) -> None:
    with serving(workspace) as address:
        page = visit(address)
        reach_an_audience(page)
        users = page.get_by_label("Keep exactly")
        users.fill("222")
        users.press("Enter")
        expect(page.locator("#told")).to_contain_text("keeps the best 222")
    with serving(workspace, port=address.rsplit(":", 1)[1]):
        page.reload()
        expect(page.locator("#told")).to_contain_text("keeps the best 222")
        expect(page.get_by_role("log")).to_contain_text("I want to reach people for our new baby line")
        say(page, "broader")
        expect(page.locator("#told")).not_to_contain_text("keeps the best 222")


def test_an_empty_request_is_answered_in_words(address: str, visit: Visit) -> None:
    page = visit(address)
    say(page, "  ")
    expect(page.get_by_role("log")).to_contain_text("whom you would like to reach")


def test_nothing_sticks_out_on_a_phone(address: str, visit: Visit) -> None:
    page = visit(address, PHONE)
    reach_an_audience(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]

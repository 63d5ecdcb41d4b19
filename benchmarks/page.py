"""Measure how fast the page is in a real browser, take its pictures, and write docs/page.md.

    python -m benchmarks.page              serve the workspace of the settings, measure, take the pictures, write
    python -m benchmarks.page --render     only write docs/page.md again from benchmarks/measured/page.json

The workspace has to be trained (`audience demo`); what is saved for the pictures is saved in a copy of it. Server and
browser share the machine.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, sync_playwright
from pydantic import BaseModel

from encoders.settings import settings

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "page.json"
GUIDE = ROOT / "benchmarks" / "measured" / "page-head.md"
PAGE = ROOT / "docs" / "page.md"
PICTURES = ROOT / "docs" / "screenshots"
TIMES = 5
REQUEST = "Households that will buy milk or coffee in the next 28 days"
LAPTOP, TABLET, PHONE = (1440, 900), (1024, 768), (390, 844)

FIRST_CHANGE = """([selector, inside]) => {
    window.changed = new Promise(resolve => {
        const watch = new MutationObserver(() => {
            watch.disconnect();
            requestAnimationFrame(() => resolve(performance.now() - window.acted));
        });
        watch.observe(document.querySelector(inside), {childList: true, subtree: true, attributes: true,
                                                        characterData: true});
    });
    document.querySelector(selector).addEventListener('pointerdown', () => window.acted = performance.now(),
                                                      {once: true, capture: true});
    document.querySelector(selector).addEventListener('keydown', () => window.acted = performance.now(),
                                                      {once: true, capture: true});
}"""
"""Milliseconds from a click or a key to the first frame that shows something else."""

DRAG = """async () => {
    const dot = document.querySelector('.handle circle'), svg = document.querySelector('.reach svg');
    const plot = document.querySelector('.reach .hit').getBoundingClientRect(), at = dot.getBoundingClientRect();
    const send = (type, target, x) => target.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerId: 1,
        clientX: x, clientY: at.top + at.height / 2}));
    svg.setPointerCapture = () => {};
    send('pointerdown', document.querySelector('.handle'), at.left + at.width / 2);
    const frames = [];
    let before = performance.now();
    for (let frame = 0; frame < 120; frame++) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - before);
        before = now;
        send('pointermove', svg, plot.left + plot.width * (0.2 + 0.5 * frame / 120));
    }
    send('pointerup', svg, plot.left + plot.width * 0.7);
    return frames.slice(2);
}"""
"""Milliseconds between the frames while the handle is dragged over half of the picture."""


class Opening(BaseModel):
    """How a place opens, each the median of several times."""

    place: str
    first_paint: float
    """Seconds to the first thing that is painted, with an empty cache."""
    usable: float
    """Seconds until what it shows is there, with an empty cache."""
    usable_again: float
    """Seconds, with what the browser keeps."""
    kilobytes: float
    """Of all that came over the wire, with an empty cache."""


class Measured(BaseModel):
    """Everything, from one run."""

    cores: int
    openings: tuple[Opening, ...]
    reactions: dict[str, float]
    """Milliseconds from an act to the first frame that shows something of it, medians."""
    frames_per_second: float
    """While the handle is dragged."""
    slowest_frame: float
    """Milliseconds."""
    height: dict[str, int]
    """Pixels of the page with an audience on it, by width."""


@contextmanager
def served(workspace: Path) -> Iterator[str]:
    """The app over a copy of a workspace; gives its address."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "workspace"
        shutil.copytree(workspace, copy, ignore=shutil.ignore_patterns("locks", "*.lock", "registry.db*"))
        environment = os.environ | {"AUDIENCE_WORKSPACE": str(copy), "AUDIENCE_PORT": "0"}
        command = [str(Path(sys.executable).with_name("audience")), "serve"]
        app = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        try:
            assert app.stderr
            found = re.search(r"http://[^\s/]+", app.stderr.readline())
            assert found, "the app did not start"
            while not httpx2.get(f"{found[0]}/healthz", timeout=60).json()["ready"]:
                time.sleep(0.2)
            yield found[0]
        finally:
            app.terminate()
            app.wait(30)


def opened(browser: Browser, size: tuple[int, int] = LAPTOP, dark: bool = False) -> Page:
    """A page in a browser that kept nothing."""
    scheme: Any = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(120_000)
    return page


def opening(browser: Browser, address: str, place: str) -> Opening:
    """Open a place several times, each in a browser that kept nothing and then once more."""
    paint, usable, again, weight = [], [], [], []
    for _ in range(TIMES):
        page = opened(browser)
        wire = page.context.new_cdp_session(page)
        wire.send("Network.enable")
        received: list[float] = []
        wire.on("Network.loadingFinished", lambda event, to=received: to.append(event["encodedDataLength"]))
        usable.append(_until_usable(page, f"{address}/{place}"))
        first = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        paint.append(page.evaluate(first) / 1000)
        weight.append(sum(received) / 1024)
        again.append(_until_usable(page, f"{address}/{place}"))
        page.context.close()
    middle = statistics.median
    return Opening(
        place=place or "ask",
        first_paint=middle(paint),
        usable=middle(usable),
        usable_again=middle(again),
        kilobytes=middle(weight),
    )


def _until_usable(page: Page, address: str) -> float:
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.get_by_text("as of ").first.wait_for()
    return time.perf_counter() - begun


def ask(page: Page, address: str) -> None:
    """Reach an audience."""
    page.goto(address)
    page.get_by_text("as of ").first.wait_for()
    page.get_by_role("textbox", name="Your request").fill(REQUEST)
    page.get_by_role("button", name="Send").click()
    page.get_by_label("Size of the audience").wait_for()
    page.get_by_role("heading", name="What sets these people apart").wait_for()


def reactions(page: Page, address: str) -> dict[str, float]:
    """How soon an act shows, by act."""
    found: dict[str, list[float]] = {}

    def act(name: str, on: str, inside: str, do: Callable[[], object]) -> None:
        page.evaluate(FIRST_CHANGE, [on, inside])
        do()
        found.setdefault(name, []).append(page.evaluate("window.changed"))
        page.wait_for_timeout(1500)

    ask(page, address)
    for number in range(TIMES):
        page.get_by_role("textbox", name="Your request").fill("broader" if number % 2 else "narrower")
        act("a message is sent", "#box button", "#chat", lambda: page.get_by_role("button", name="Send").click())
        field = page.get_by_label("Keep exactly")
        field.fill(str(300 + number))
        act("a number is typed", "#users input", "#audience", partial(field.press, "Enter"))
        tab = ("People", "Fairness")[number % 2]
        selector = f'#more button[role="tab"]:nth-of-type({2 + number % 2})'
        act("a tab is opened", selector, "#more", partial(page.get_by_role("tab", name=tab).click))
    return {name: statistics.median(times) for name, times in found.items()}


def pictures(browser: Browser, address: str) -> dict[str, int]:
    """Take the pictures; gives the height of the page by width."""
    PICTURES.mkdir(exist_ok=True)
    heights = {}
    for name, size, dark in (("app", LAPTOP, False), ("app-dark", TABLET, True), ("app-phone", PHONE, False)):
        page = opened(browser, size, dark)
        ask(page, address)
        heights[str(size[0])] = page.evaluate("document.documentElement.scrollHeight")
        if size == PHONE:
            page.locator("#what").scroll_into_view_if_needed()
            page.evaluate("document.querySelector('#what').scrollIntoView()")
        page.wait_for_timeout(600)
        page.screenshot(path=PICTURES / f"{name}.png")
        page.context.close()
    page = opened(browser)
    ask(page, address)
    _saved(page, "Milk or coffee")
    page.screenshot(path=PICTURES / "app-saved.png")
    for place in ("audiences", "results", "data", "settings"):
        page.goto(f"{address}/{place}")
        page.get_by_text("as of ").first.wait_for()
        page.wait_for_timeout(2500)
        page.screenshot(path=PICTURES / f"{place}.png")
    page.context.close()
    return heights


def _saved(page: Page, name: str) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Yes, do it").click()
    page.get_by_text(f"Saved as {name}").first.wait_for()
    page.wait_for_timeout(1500)


def measure(workspace: Path) -> Measured:
    """Serve the workspace, and look at everything."""
    with served(workspace) as address, sync_playwright() as playwright:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=which("chromium") or "", args=flags)
        openings = tuple(opening(browser, address, each) for each in ("", "audiences", "results", "data", "settings"))
        page = opened(browser)
        reacted = reactions(page, address)
        frames = page.evaluate(DRAG)
        page.context.close()
        return Measured(
            cores=os.cpu_count() or 0,
            openings=openings,
            reactions=reacted,
            frames_per_second=1000 / statistics.fmean(frames),
            slowest_frame=max(frames),
            height=pictures(browser, address),
        )


def render(found: Measured) -> str:
    """docs/page.md: what the page is, and how fast it was."""
    opens = "\n".join(
        f"| {each.place} | {each.first_paint:.2f} s | {each.usable:.2f} s | {each.usable_again:.2f} s "
        f"| {each.kilobytes:,.0f} KB |"
        for each in found.openings
    )
    acts = "\n".join(f"| {name} | {found.reactions[name]:.0f} ms |" for name in sorted(found.reactions))
    heights = ", ".join(f"{pixels:,} px at {width}" for width, pixels in found.height.items())
    return f"""{GUIDE.read_text("utf-8").rstrip()}

## How fast it is

Written by `python -m benchmarks.page` over the demo, in Chromium on the {found.cores} cores that also serve it; medians
of {TIMES}. What comes over the wire is mostly Gradio's own scripts, which the browser keeps.

| place | first paint | usable, nothing kept | usable again | over the wire |
|---|---|---|---|---|
{opens}

| from an act to the first frame that shows something of it | |
|---|---|
{acts}

While the handle of the curve is dragged nothing is asked of the server: {found.frames_per_second:.0f} frames a second,
the slowest after {found.slowest_frame:.0f} ms. With an audience on it the page is {heights} wide.
"""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--render", action="store_true", help="only write the page again")
    if not parser.parse_args().render:
        MEASURED.write_text(measure(settings().workspace).model_dump_json(indent=1) + "\n", "utf-8")
    PAGE.write_text(render(Measured.model_validate_json(MEASURED.read_text("utf-8"))), "utf-8")


if __name__ == "__main__":
    main()

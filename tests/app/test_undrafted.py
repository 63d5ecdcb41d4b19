"""Every event of the page where nothing was drafted: each answers with parts of the page, and a sentence at most."""

import asyncio
from collections.abc import Iterator
from inspect import isgenerator, signature
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.block_function import BlockFunction

from agent.page.events import handler
from agent.page.places import make_page
from agent.page.state import BROKEN, LazyService
from tests.app.page_doubles import PlantedDesk

SENT: dict[type[Any], Any] = {
    gr.BrowserState: None,
    gr.Textbox: "unicorn food",
    gr.Dropdown: "",
    gr.Number: 10,
    gr.CheckboxGroup: [],
}
TOLD = {"on_cut": {"share": 0.2}, "on_joint": {"act": "join", "of": "all"}}
CLICKED = {"on_pick": "unicorn food", "on_example": {"text": "unicorn food"}}


@pytest.fixture
def page(desk: PlantedDesk) -> Iterator[gr.Blocks]:
    opening = LazyService(lambda: desk)

    async def made() -> gr.Blocks:  # inside a loop: Gradio leaves others open
        return make_page(opening)

    yield asyncio.run(made())
    opening.close()


def answers(event: BlockFunction, brought: Path) -> list[Any]:
    """All that an event answers with."""
    assert event.fn is not None
    given = [
        next((value for kind, value in SENT.items() if isinstance(each, kind)), str(brought)) for each in event.inputs
    ]
    wanted = signature(event.fn).parameters
    if told := TOLD.get(handler(event)):
        given.append(gr.EventData(None, told))
    elif value := CLICKED.get(handler(event)):
        given.append(gr.SelectData(None, {"index": 0, "value": value}))
    elif "event" in wanted:
        given.append(gr.EventData(None, {"act": "open", "of": "nobody", "fields": {}}))
    if "request" in wanted:
        given.append(gr.Request(query_params={}))
    found = event.fn(*given)
    return list(found) if isgenerator(found) else [found]


def test_every_event_answers_with_parts_of_the_page(page: gr.Blocks, tmp_path: Path) -> None:
    brought = tmp_path / "list.csv"
    brought.write_text("user_id\n1\n")
    events = [event for event in page.fns.values() if event.fn is not None]
    assert {"on_things", "on_assumed", "on_cut", "on_save"} <= {handler(event) for event in events}
    for event in events:
        found = answers(event, brought)
        assert found, handler(event)
        for each in found:
            assert each, f"{handler(event)}: Gradio takes an answer without any part for a fault"
            assert set(each) <= set(event.outputs), handler(event)
        assert BROKEN not in str(found), handler(event)


@pytest.mark.parametrize("name", ["on_things", "on_assumed", "on_conditions", "on_users", "on_sentence"])
def test_what_changes_an_audience_says_that_there_is_none(page: gr.Blocks, name: str, tmp_path: Path) -> None:
    [event] = [event for event in page.fns.values() if handler(event) == name]
    [said] = answers(event, tmp_path)
    assert "There is no audience here yet" in str(said)

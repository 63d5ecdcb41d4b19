"""Saved audiences: what is in each, and what became of it."""

from collections.abc import Iterator

import gradio as gr

from agent.page import cards
from agent.page.audiences.doing import Acts, Shown
from agent.page.audiences.opened import ADDRESS
from agent.page.audiences.table import SORTING
from agent.page.audiences.viewing import Drifts, Viewing
from agent.page.place import Place, Updates, acting, acting_with, html
from agent.page.state import Line, following, sentence


class Audiences(Place):
    """The place with that."""

    path = "audiences"

    def lay_out(self) -> None:
        """Make the parts."""
        self.drifts = Drifts()
        self.head = html(cards.place_head(self.title, "Saved audiences: what is in each, and what became of it."))
        self.asked = acting(elem_id="asked")
        self.opened = acting_with(ADDRESS)(elem_id="opened")
        self.library = acting_with(SORTING)(elem_id="library")

    def wire(self) -> None:
        """Connect every part to what it does."""
        self.blocks.load(self.on_load, None, **self.common, concurrency_limit=None)
        parts = [self.asked.select, self.opened.select, self.library.select]
        gr.on(parts, self.on_library, None, trigger_mode="multiple", **self.common)

    def on_load(self, request: gr.Request) -> Iterator[Updates]:
        """Show the library, or the audience of the address; where the workspace is not open yet, wait for it."""
        try:
            service = self.opening.desk().service
            card = service.describe_data()
            yield {
                self.masthead: cards.masthead(self.path, card, ""),
                self.about: cards.about(card, ""),
                self.notice: cards.notice(card.notice, "alert"),
            }
            viewing, audience = Viewing(service, self.drifts), str(request.query_params.get("id", ""))
            quick = {self.library: viewing.table(counted=False, asked_again=False)}
            if audience:
                yield {self.opened: viewing.one(audience, counted=False)}
                yield quick | {self.opened: viewing.one(audience)}
            else:
                yield quick
            yield {self.library: viewing.table()}
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}

    def on_library(self, event: gr.EventData) -> Iterator[Updates]:
        """A button was clicked, or a form sent."""
        try:
            service = self.opening.desk().service

            def work(line: Line) -> Shown:
                acts = Acts(service, event.of, event.fields, lambda text, share=None: line(text))
                return acts.act(event.act)

            shown = yield from following(work, lambda text: {self.notice: cards.notice(text)})
            yield {self.notice: "", self.asked: shown.panel}
            if shown.place is None:
                return
            viewing = Viewing(service, self.drifts)
            yield {self.opened: viewing.one(shown.place, counted=False) if shown.place else ""}
            if shown.place:
                yield {self.opened: viewing.one(shown.place)}
            if event.act != "visit":
                yield {self.library: viewing.table(asked_again=False)}
                yield {self.library: viewing.table()}
        except Exception as error:
            yield {self.notice: "", self.asked: cards.notice(sentence(error), "alert")}

"""What was read, what people do in it, how well it can be forecast, and what words stand for."""

from collections.abc import Iterator

import gradio as gr

from agent.page import cards
from agent.page.cards import Units
from agent.page.data import catalogue, forecasts, was_read, words
from agent.page.data.catalogue import Open
from agent.page.data.layout import DataLayout
from agent.page.pieces import failed
from agent.page.place import Updates
from agent.page.state import sentence
from encoders.errors import AudienceError
from tools.audiences.knowledge import KnowledgeEntry
from tools.service import AudienceService
from tools.types import DataCard

_MOST_ENTRIES = 2000


class Data(DataLayout):
    """What each control of the place does."""

    path = "data"

    def wire(self) -> None:
        """Connect every part to what it does."""
        common = self.common
        form = [self.before, self.name, self.says, self.things, self.when]
        self.blocks.load(self.on_load, None, **common, concurrency_limit=None)
        self.tree.select(self.on_browse, None, **common)
        self.find.submit(self.on_find, self.find, **common)
        self.own.select(self.on_entries, None, **common)
        self.save.click(self.on_entry_save, form, **common)
        self.check.click(self.on_entry_check, form, **common)
        self.clear.click(self.on_entry_clear, None, **common)
        self.look.submit(self.on_look, self.look, **common)
        self.along.select(self.on_more, self.look, **common)

    # --- what is there ----------------------------------------------------------------------------

    def on_load(self) -> Iterator[Updates]:
        """Show what is there, part by part; where the workspace is not open yet, wait for it."""
        try:
            service = self.opening.desk().service
            card = service.describe_data()
        except Exception as error:
            told = sentence(error)
            apart = dict.fromkeys((self.rows, self.model, self.tree, self.own, self.along), failed(told))
            yield {self.notice: cards.notice(told, "alert"), **apart}
            return
        units = _units(card)
        yield {
            self.masthead: cards.masthead(self.path, card, ""),
            self.notice: cards.notice(card.notice, "alert"),
            self.coverage: was_read.coverage(card, units),
            self.limits: was_read.limits(card, units),
            **self._browsed(service, card, Open(source=card.main_source)),
        }
        yield self._read(service, units)
        yield self._forecasts(service, units)
        yield {**self._own(service), **self._along(service, "")}

    def _read(self, service: AudienceService, units: Units) -> Updates:
        try:
            report = service.data_report()
        except Exception as error:
            return {self.rows: failed(sentence(error))}
        return {self.rows: was_read.rows_read(report, units), self.sources: was_read.sources(report, units)}

    def _forecasts(self, service: AudienceService, units: Units) -> Updates:
        shown: Updates = {}
        try:
            model = service.model_figures()
            shown |= {self.model: forecasts.model_facts(model, units), self.measured: forecasts.measured(model, units)}
        except Exception as error:
            shown |= {self.model: failed(sentence(error))}
        try:
            return shown | {self.kept: forecasts.kept_forecasts(service.ledger.page(1))}
        except Exception as error:
            return shown | {self.kept: failed(sentence(error))}

    # --- the catalogue ----------------------------------------------------------------------------

    def on_browse(self, event: gr.EventData) -> Updates:
        """A branch or a group was clicked."""
        try:
            service = self.opening.desk().service
            return self._browsed(service, service.describe_data(), Open.read(event.of))
        except Exception as error:
            return {self.group: failed(sentence(error))}

    def on_find(self, asked: str) -> Updates:
        """Words were looked for; none: the whole catalogue again."""
        try:
            service = self.opening.desk().service
            card = service.describe_data()
            opened = Open(words=asked.strip()[:200]) if asked.strip() else Open(source=card.main_source)
            return self._browsed(service, card, opened)
        except Exception as error:
            return {self.group: failed(sentence(error))}

    def _browsed(self, service: AudienceService, card: DataCard, opened: Open) -> Updates:
        hits = catalogue.search(service, opened.words)
        found = () if opened.words else catalogue.branches(service, opened)
        shown: Updates = {self.tree: catalogue.tree(found, opened, hits)}
        if opened.group:
            group = catalogue.looked_up(service, opened.group, opened.of, card)
            shown[self.group] = catalogue.group_card(group, card, _units(card))
        return shown

    # --- words ------------------------------------------------------------------------------------

    def on_entries(self, event: gr.EventData) -> Iterator[Updates]:
        """A button of the glossary was clicked."""
        try:
            service = self.opening.desk().service
            match event.act:
                case "ask":
                    yield self._own(service, event.of)
                case "change":
                    yield self._filled(service.knowledge.named(event.of))
                case "remove":
                    yield {self.told: cards.notice("Removing it, and reading requests without it")}
                    entry = service.knowledge.named(event.of)
                    service.knowledge.remove(entry)
                    yield {**self._filled(None), **self._own(service, after=words.removed(entry))}
                case "put back":
                    yield {self.told: cards.notice("Putting it back")}
                    service.knowledge.put(words.as_seen(event.of))
                    yield {**self._own(service), self.told: ""}
                case _:
                    yield self._own(service)
        except Exception as error:
            yield {self.told: cards.notice(sentence(error), "alert")}

    def on_entry_save(self, before: str, name: str, says: str, things: str, when: str) -> Iterator[Updates]:
        """The entry in the form was saved."""
        yield {self.told: cards.notice("Saving it, and reading requests with it")}
        try:
            service = self.opening.desk().service
            seen = words.as_seen(before) if before else None
            entry = words.entry_of(name, says, things, when, seen.kind if seen else "")
            saved = service.knowledge.put(entry, seen)
            meant = service.knowledge.meant(saved.things)
        except Exception as error:
            yield {self.told: cards.notice(sentence(error), "alert")}
            return
        yield {**self._filled(None), **self._own(service), self.told: words.stands_for(meant, saved.name)}

    def on_entry_check(self, before: str, name: str, says: str, things: str, when: str) -> Updates:
        """What the entry in the form would stand for is asked; nothing is written."""
        try:
            seen = words.as_seen(before) if before else None
            found = self.opening.desk().service.knowledge.check(words.entry_of(name, says, things, when), seen)
        except Exception as error:
            return {self.told: cards.notice(sentence(error), "alert")}
        return {self.told: words.stands_for(found)}

    def on_entry_clear(self) -> Updates:
        """The form begins anew."""
        return self._filled(None)

    def on_look(self, asked: str) -> Updates:
        """An entry that comes along was looked for."""
        return self._looked(asked, words.SHOWN)

    def on_more(self, asked: str, event: gr.EventData) -> Updates:
        """More of them were asked for."""
        return self._looked(asked, int(event.of) if event.of.isdecimal() and len(event.of) < 6 else words.SHOWN)

    def _looked(self, asked: str, limit: int) -> Updates:
        try:
            return self._along(self.opening.desk().service, asked, min(limit, _MOST_ENTRIES))
        except Exception as error:
            return {self.along: failed(sentence(error))}

    def _own(self, service: AudienceService, asked: str = "", after: str = "") -> Updates:
        try:
            return {self.own: after + words.own_entries(service.knowledge.own(), asked)}
        except AudienceError as error:
            return {self.own: failed(sentence(error))}

    def _along(self, service: AudienceService, asked: str, limit: int = words.SHOWN) -> Updates:
        return {self.along: words.along(service.knowledge.search(asked, 0, limit), asked, limit)}

    def _filled(self, entry: KnowledgeEntry | None) -> Updates:
        """The form with an entry in it, or empty."""
        return {
            self.form_head: words.form_head(entry),
            self.before: entry.model_dump_json() if entry else "",
            self.name: entry.name if entry else "",
            self.says: "\n".join(entry.says) if entry else "",
            self.things: "\n".join(entry.things) if entry else "",
            self.when: entry.when if entry else "",
            self.told: "",
        }


def _units(card: DataCard) -> Units:
    return Units(card.unit, card.unit_plural, card.minimum_size)

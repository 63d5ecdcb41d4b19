"""What was forecast, and what then happened."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from agent.page import cards
from agent.page.place import Place, Updates, acting, html
from agent.page.results import ledger
from agent.page.results.forecasts import results_figure
from agent.page.state import Line, following, sentence
from encoders.errors import RequestError
from tools.access.callers import OWNER
from tools.operation_types import CampaignOutcome, LedgerPage
from tools.types import SavedAudience

if TYPE_CHECKING:
    from tools.service import AudienceService

OUTCOMES = [".csv", ".parquet", ".jsonl"]
_ALL = 100_000
_LEFT = frozenset({"live", "sent", "file"})


class Results(Place):
    """The place with that."""

    path = "results"

    def lay_out(self) -> None:
        """Make the parts."""
        self.head = html(cards.place_head(self.title, "What was forecast, and what then happened."))
        self.asked = acting(elem_id="asked")
        self.summary = html(elem_id="ledger")
        with gr.Column(elem_id="results-body", visible=False) as self.body:
            with gr.Row(elem_id="results-top"):
                with gr.Column(elem_classes="card", elem_id="results", scale=3, min_width=330):
                    self.figure_head = html(
                        '<h3>Expected, and what came</h3><p class="quiet">On the line, as many did it as expected; '
                        "each bar is the range of its forecast.</p>"
                    )
                    self.figure = gr.Plot(
                        label="Forecasts and outcomes", show_label=False, container=False, elem_id="results-figure"
                    )
                with gr.Column(elem_classes="card bring", elem_id="bring", scale=2, min_width=330):
                    self.bring_head = html(ledger.bring_head())
                    self.of = gr.Dropdown([], label="Of which audience", elem_id="of", interactive=True)
                    self.file = gr.UploadButton(
                        "Choose the file", file_types=OUTCOMES, variant="primary", elem_id="outcome-file"
                    )
                    self.count = gr.Button("Count it in the data instead", size="sm", elem_id="count")
            self.uplifts = html()
            self.scores = html()
            self.records = html()
            self.sent = html()

    def wire(self) -> None:
        """Connect every part to what it does."""
        self.blocks.load(self.on_load, None, **self.common, concurrency_limit=None)
        self.file.upload(self.on_file, [self.of, self.file], **self.common)
        self.count.click(self.on_count, self.of, **self.common)
        self.asked.select(self.on_results, None, trigger_mode="multiple", **self.common)

    def on_load(self, request: gr.Request) -> Iterator[Updates]:
        """Show what is there; where the workspace is not open yet, wait for it."""
        try:
            service = self.opening.desk().service
            card = service.describe_data()
            yield {self.masthead: cards.masthead(self.path, card, ""), self.about: cards.about(card, "")}
            yield from self._show(service, str(request.query_params.get("audience", "")))
            yield {self.notice: cards.notice(card.notice, "alert")}
        except Exception as error:
            yield {self.notice: cards.notice(sentence(error), "alert")}

    def on_file(self, of: str, path: str) -> Iterator[Updates]:
        """A file of those who responded was brought: say what is in it, and ask."""
        try:
            service = self.opening.desk().service
            saved = _version_of(service, of)
            yield {self.notice: cards.notice("Reading the file")}
            file = service.keep_upload(Path(path))
            seen = service.outcomes.look_at_file(saved.id, service.uploaded(file), saved.version)
            before = service.outcomes.last(saved.id, saved.version)
            units = cards.units_of(service.describe_data())
            yield {self.notice: "", self.asked: ledger.ask_record(seen, file, "The file", before, units)}
        except Exception as error:
            yield {self.notice: "", self.asked: ledger.failed(sentence(error))}

    def on_count(self, of: str) -> Iterator[Updates]:
        """The outcome is to be counted in the data: ask."""
        try:
            yield {self.asked: ledger.ask_count(_version_of(self.opening.desk().service, of))}
        except Exception as error:
            yield {self.asked: ledger.failed(sentence(error))}

    def on_results(self, event: gr.EventData) -> Iterator[Updates]:
        """A button of what was asked was clicked."""
        if event.act != "record":
            yield {self.asked: ""}
            return
        try:
            service = self.opening.desk().service
            yield {self.notice: cards.notice("Counting who responded")}
            found = _recorded(service, event.of, event.fields)
            units = cards.units_of(service.describe_data())
            yield {self.asked: ledger.recorded(found, units)}
            yield from self._show(service)
        except Exception as error:
            yield {self.notice: "", self.asked: ledger.failed(sentence(error))}

    def _show(self, service: "AudienceService", audience: str = "") -> Iterator[Updates]:
        """The ledger and what goes with it; ``audience`` is the one to bring an outcome of."""

        def work(line: Line) -> LedgerPage:
            return service.ledger.page(_ALL, progress=lambda text, share=None: line(text))

        page = yield from following(work, lambda text: {self.notice: cards.notice(text)})
        if not page.forecasts:
            yield {self.summary: ledger.empty(), self.body: gr.update(visible=False), self.notice: ""}
            return
        units, judged = cards.units_of(service.describe_data()), page.overall.counted > 0
        choices = [
            (f"{each.name}, version {each.version}", f"{each.audience_id} {each.version}") for each in page.forecasts
        ]
        chosen = next((value for _, value in choices if value.startswith(f"{audience} ")), None) if audience else None
        yield {
            self.notice: "",
            self.summary: ledger.summary(page),
            self.body: gr.update(visible=True),
            self.of: gr.update(choices=choices, value=chosen) if audience else gr.update(choices=choices),
            self.figure: results_figure(page.forecasts) if judged else None,
            self.figure_head: gr.update(visible=judged),
            self.scores: ledger.scores(page),
            self.records: ledger.records(page, units),
            self.uplifts: ledger.uplifts(_outcomes(service, page), units),
            self.sent: ledger.sent(_sent(service), units),
        }


def _version_of(service: "AudienceService", of: str) -> SavedAudience:
    """The version that was chosen.

    Raises:
        RequestError: none was.
    """
    audience, _, version = (of or "").partition(" ")
    if not audience or not version.isascii() or not version.isdigit():
        raise RequestError("Choose first of which audience the outcome is.")
    return service.saved(audience, int(version[:9]))


def _recorded(service: "AudienceService", audience: str, fields: Any) -> CampaignOutcome:
    """Record what was looked at, or what the data says."""
    [version], [file] = fields.get("version", [""]), fields.get("file", [""])
    saved = _version_of(service, f"{audience} {version}")
    if file:
        return service.outcomes.from_file(saved.id, service.uploaded(file), OWNER.name, saved.version)
    return service.outcomes.from_data(saved.id, OWNER.name, saved.version)


def _outcomes(service: "AudienceService", page: LedgerPage) -> list[CampaignOutcome]:
    """The outcomes that were brought as files, as the ledger has their uplift."""
    brought = [each for each in page.forecasts if each.uplift is not None]
    found = (service.outcomes.last(each.audience_id, each.version, "file") for each in brought)
    return [each for each in found if each is not None]


def _sent(service: "AudienceService") -> list[ledger.SentLine]:
    uses = service.all_uses()
    lines = [
        ledger.SentLine(saved, use)
        for saved in service.list_audiences(archived=True)
        for use in uses.of(saved.id).uses
        if use.kind in _LEFT
    ]
    return sorted(lines, key=lambda each: str(each.use.time or ""), reverse=True)

"""What is where in the place Data."""

import gradio as gr

from agent.page import cards
from agent.page.data import catalogue, words
from agent.page.pieces import waiting
from agent.page.place import Place, acting, html

_PER_LINE = "One in each line"


class DataLayout(Place):
    """The parts, empty, by name."""

    def lay_out(self) -> None:
        """Make the parts."""
        self.head = html(cards.place_head(self.title, "What was read, and how far it carries."))
        with gr.Tabs(elem_id="data-parts", elem_classes="parts"):
            with gr.Tab("What was read"):
                self._lay_out_read()
            with gr.Tab("Catalogue"):
                self._lay_out_catalogue()
            with gr.Tab("Forecasts"):
                self.model = html(waiting("Opening"), elem_classes="card")
                self.measured = html(elem_classes="card")
                self.kept = html(elem_classes="card")
            with gr.Tab("Words"):
                self._lay_out_words()

    def _lay_out_read(self) -> None:
        self.rows = html(waiting("Counting what was read"), elem_classes="card", elem_id="rows-read")
        self.sources = html(elem_classes="card", elem_id="sources")
        self.coverage = html(elem_classes="card", elem_id="coverage")
        self.limits = html(elem_classes="card", elem_id="limits")

    def _lay_out_catalogue(self) -> None:
        with gr.Row(elem_id="catalogue", elem_classes="beside"):
            with gr.Column(scale=5, min_width=300, elem_classes="card"):
                self.find = gr.Textbox(
                    label="Find a group",
                    placeholder="baby food",
                    submit_btn="Find",
                    max_length=200,
                    max_lines=1,
                    elem_id="find-group",
                )
                self.tree = acting(waiting("Opening"), elem_id="tree")
            self.group = html(catalogue.nothing_chosen(), elem_classes="card", elem_id="group")

    def _lay_out_words(self) -> None:
        self.own = acting(waiting("Opening"), elem_classes="card", elem_id="own-words")
        with gr.Row(elem_id="words", elem_classes="beside"):
            with gr.Column(scale=6, min_width=300, elem_classes="card", elem_id="entry"):
                self.form_head = html(words.form_head(None))
                self.before = gr.Textbox(visible=False, label="As it was")
                self.name = gr.Textbox(label="Name", placeholder="VIP lunch", max_length=120, max_lines=1)
                self.says = gr.Textbox(
                    label="What people say", info=_PER_LINE, placeholder="vip lunch\nthe autumn tasting", lines=3
                )
                self.things = gr.Textbox(
                    label="What it stands for",
                    info="Groups of the data or everyday words, one in each line, the most telling first",
                    placeholder="sushi\nfresh berries",
                    lines=3,
                )
                self.when = gr.Textbox(label="Remark", placeholder="every September", max_length=120, max_lines=1)
                self.told = html(elem_id="entry-told")
                with gr.Row(elem_classes="acts"):
                    self.save = gr.Button("Save the entry", variant="primary")
                    self.check = gr.Button("See what it stands for")
                    self.clear = gr.Button("Clear the form")
            with gr.Column(scale=6, min_width=300, elem_classes="card", elem_id="along"):
                html(
                    "<h3>Entries that come along</h3><p class='quiet'>They are known already. An entry of yours wins "
                    "over them.</p>"
                )
                self.look = gr.Textbox(
                    label="Find an entry", placeholder="barbecue", submit_btn="Find", max_length=200, max_lines=1
                )
                self.along = acting(waiting("Opening"), elem_id="entries-along")

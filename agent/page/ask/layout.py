"""What is where in the place where one asks: the conversation, and beside it the audience."""

import gradio as gr

from agent.page import cards
from agent.page.ask import controls
from agent.page.place import Place, html
from encoders.settings import settings
from tools.delivery.destinations import platforms

TABLE = "A table of users"
"""What an export is for when it is for no ad platform."""
LISTS = [".csv", ".txt"]
OUTCOMES = [".csv", ".parquet", ".jsonl"]


class AskLayout(Place):
    """The parts, empty, by name."""

    def lay_out(self) -> None:
        """Make the parts."""
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=5, min_width=330, elem_id="talk"):
                self._lay_out_talk()
            with gr.Column(scale=8, min_width=330, elem_id="sheet"):
                self.empty = html(cards.empty(None))
                with gr.Column(visible=False, elem_id="audience") as self.audience:
                    self._lay_out_audience()

    def _lay_out_talk(self) -> None:
        self.chat = gr.Chatbot(
            label="Conversation",
            show_label=False,
            elem_id="chat",
            height="100%",
            buttons=[],
            latex_delimiters=[],
            allow_tags=False,
            placeholder="## Whom do you want to reach?\nSay it the way you would say it to a colleague.",
        )
        self.box = gr.Textbox(
            label="Your request",
            show_label=False,
            placeholder="Whom do you want to reach?",
            submit_btn="Send",
            max_lines=6,
            elem_id="box",
            interactive=False,
        )
        self.learning = html(elem_id="learning")
        self.tick = gr.Timer(3, active=False)
        self.usage = html(elem_id="usage")
        self.people = gr.UploadButton(
            "Find people like those of a list", file_types=LISTS, size="sm", elem_id="people", interactive=False
        )
        with gr.Row(elem_id="ending"):
            self.again = gr.Button("Start a new conversation", size="sm", elem_id="again")
            self.forget = gr.Button("Delete this conversation", size="sm", elem_id="forget")

    def _lay_out_audience(self) -> None:
        with gr.Column(elem_classes="card"):
            self.sentence = gr.Textbox(
                label="The audience in one sentence", lines=2, max_lines=5, submit_btn="Update", elem_id="sentence"
            )
            self.understood = html(visible=False)
            self.readings = tuple(
                gr.CheckboxGroup(visible=False, elem_id=f"reading-{number}", elem_classes="reading")
                for number in range(controls.MOST)
            )
            self.conditions = gr.CheckboxGroup(label="Conditions (click one to remove it)", elem_id="conditions")
            self.assumed = gr.CheckboxGroup(label="I assumed (click one to change it)", elem_id="assumed")
        self.headline = html(elem_classes="card")
        with gr.Column(elem_classes="card"):
            html(cards.curve_head())
            self.curve = gr.Plot(label="Reach curve", show_label=False, container=False, elem_id="curve")
            with gr.Row(elem_id="cut"):
                self.percent = gr.Slider(
                    0.5, 100, step=0.1, label="Keep the best (in %)", buttons=[], elem_id="percent"
                )
                self.users = gr.Number(label="or exactly so many", precision=0, elem_id="users")
        self.profile = html(elem_classes="card")
        self.skew = html(elem_classes="card")
        self.samples = html(elem_classes="card")
        self.saved = html(elem_classes="card")
        with gr.Column(elem_classes="card", elem_id="results", visible=False) as self.results:
            self.results_head = html()
            self.results_figure = gr.Plot(label="Results", show_label=False, container=False, elem_id="results-figure")
        self._lay_out_keep()

    def _lay_out_keep(self) -> None:
        with gr.Column(elem_classes="card", elem_id="keep"):
            self.kept = html()
            with gr.Row():
                self.name = gr.Textbox(
                    label="Name", placeholder="Autumn launch", max_length=80, scale=4, elem_id="name"
                )
                self.back = gr.Number(
                    100 * settings().holdout,
                    label="Keep back (in %)",
                    minimum=0,
                    maximum=50,
                    min_width=140,
                    elem_id="back",
                )
                self.save = gr.Button("Save", variant="primary", min_width=110, elem_id="save")
            with gr.Row():
                self.platform = gr.Dropdown(
                    [(TABLE, ""), *((one.name, key) for key, one in platforms().items())],
                    value="",
                    label="File for",
                    scale=4,
                    elem_id="platform",
                )
                self.export = gr.Button("Export", min_width=110, elem_id="export")
            with gr.Group(visible=False, elem_id="confirm") as self.confirm:
                self.asked = gr.Markdown()
                with gr.Row():
                    self.yes = gr.Button("Yes, do it", variant="primary", elem_id="yes")
                    self.no = gr.Button("No, leave it", elem_id="no")
            self.file = html()
            self.outcome = gr.UploadButton(
                "Bring the outcome (who responded)", file_types=OUTCOMES, size="sm", visible=False, elem_id="outcome"
            )

"""What is where in the place where one asks: the conversation, and beside it the audience."""

import gradio as gr

from agent.page import cards
from agent.page.ask import controls
from agent.page.ask.reach import reach_part
from agent.page.place import Place, acting, html
from agent.replies import UNDO
from encoders.settings import settings
from tools.delivery.destinations import platforms

LISTS = [".csv", ".txt"]


class AskLayout(Place):
    """The parts, empty, by name."""

    def lay_out(self) -> None:
        """Make the parts."""
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=4, min_width=330, elem_id="talk"):
                self._lay_out_talk()
            with gr.Column(scale=9, min_width=330, elem_id="sheet"):
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
        with gr.Row(elem_id="ending"):
            self.again = gr.Button("Start a new conversation", size="sm", elem_id="again")
            self.forget = gr.Button("Delete this conversation", size="sm", elem_id="forget")
            self.people = gr.UploadButton(
                "Find people like those of a list", file_types=LISTS, size="sm", elem_id="people", interactive=False
            )

    def _lay_out_audience(self) -> None:
        with gr.Column(elem_classes="card", elem_id="what"):
            self.sentence = gr.Textbox(
                label="The audience in one sentence", lines=1, max_lines=4, submit_btn="Update", elem_id="sentence"
            )
            with gr.Column(elem_id="tokens"):
                self.readings = tuple(
                    gr.CheckboxGroup(visible=False, elem_id=f"reading-{number}", elem_classes="tokens reading")
                    for number in range(controls.MOST)
                )
                self.joints = acting(elem_id="joints")
                self.conditions = gr.CheckboxGroup(label="Conditions", elem_id="conditions", elem_classes="tokens")
                self.assumed = gr.CheckboxGroup(label="Assumed", elem_id="assumed", elem_classes="tokens")
        with gr.Column(elem_classes="card", elem_id="size"):
            self.headline = html(elem_id="headline")
            self.curve = reach_part()
            with gr.Row(elem_id="cut"):
                self.drag = html(cards.drag_hint())
                self.users = gr.Number(label="Keep exactly", precision=0, elem_id="users", min_width=120)
                self.undo = gr.Button(UNDO, size="sm", elem_id="undo", min_width=80)
            self.told = html(elem_id="told")
        with gr.Tabs(elem_id="more", elem_classes="card"):
            with gr.Tab("Who they are"):
                self.profile = html()
            with gr.Tab("People"):
                self.samples = html()
            with gr.Tab("Fairness"):
                self.skew = html()
            with gr.Tab("Overlap"):
                self.saved = html()
            with gr.Tab("How it was read"):
                self.read = html()
        self._lay_out_keep()

    def _lay_out_keep(self) -> None:
        with gr.Column(elem_id="keep"):
            with gr.Group(visible=False, elem_id="confirm") as self.confirm:
                self.asked = gr.Markdown()
                with gr.Row():
                    self.yes = gr.Button("Yes, do it", variant="primary", elem_id="yes", min_width=110)
                    self.no = gr.Button("No, leave it", elem_id="no", min_width=110)
            self.file = html()
            with gr.Row(elem_id="bar"):
                self.kept = html(elem_id="kept")
                self.name = gr.Textbox(
                    label="Name", placeholder="Autumn launch", max_length=80, scale=3, min_width=130, elem_id="name"
                )
                self.back = gr.Number(
                    100 * settings().holdout,
                    label="Hold out %",
                    minimum=0,
                    maximum=50,
                    min_width=110,
                    scale=1,
                    elem_id="back",
                )
                self.save = gr.Button("Save", variant="primary", min_width=90, scale=0, elem_id="save")
                self.platform = gr.Dropdown(
                    controls.files_for(platforms()),
                    value="",
                    label="File for",
                    scale=2,
                    min_width=140,
                    elem_id="platform",
                )
                self.export = gr.Button("Export", min_width=90, scale=0, elem_id="export")

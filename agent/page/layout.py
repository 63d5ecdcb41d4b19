"""What is on the page and where, its look, and the policy that it loads nothing from elsewhere."""

from functools import partial
from pathlib import Path

import gradio as gr
from gradio.blocks import Block
from gradio.themes.utils.colors import Color
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.page import cards, controls
from encoders.settings import settings
from tools.delivery.destinations import platforms

STYLE = Path(__file__).with_name("style.css")

ACCENT = Color(
    name="lagoon",
    c50="#effaf8",
    c100="#d5f2ed",
    c200="#aee4dc",
    c300="#7acfc4",
    c400="#45b3a6",
    c500="#1f968a",
    c600="#0f7a70",
    c700="#0e625b",
    c800="#104e49",
    c900="#12413e",
    c950="#042726",
)


def theme() -> gr.themes.Base:
    """A theme whose fonts are those of the system, because the page loads nothing from anywhere else."""
    return gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue="slate",
        radius_size="lg",
        spacing_size="lg",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_title_text_weight="600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )


POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)
"""Whatever a text from the data or from a model says, no picture, script or font comes from elsewhere."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class ContentSecurityPolicy:
    """Middleware that sends the policy with every answer; plain ASGI, so that streams stay streams."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to what comes back."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self.app(scope, receive, with_policy)


TABLE = "A table of users"
"""What an export is for when it is for no ad platform."""
LISTS = [".csv", ".txt"]
OUTCOMES = [".csv", ".parquet", ".jsonl"]

COPIES_KEPT = (600, 3600)
"""Every so many seconds, Gradio deletes its copies of uploaded files that are older than so many; all when it ends."""

_html = partial(gr.HTML, apply_default_css=False)


class Layout:
    """The parts of the page, empty, by name."""

    def __init__(self) -> None:
        with gr.Blocks(
            title="Audience", analytics_enabled=False, fill_width=True, delete_cache=COPIES_KEPT
        ) as self.blocks:
            self.browser = gr.BrowserState(storage_key="audience", secret="audience")
            self.masthead = _html(cards.masthead(None, ""))
            self.notice = _html(cards.notice("Getting ready: reading the data and the model"), elem_id="notice")
            with gr.Row(elem_id="desk"):
                with gr.Column(scale=5, min_width=330, elem_id="talk"):
                    self._lay_out_talk()
                with gr.Column(scale=8, min_width=330, elem_id="sheet"):
                    self.empty = _html(cards.empty(None))
                    with gr.Column(visible=False, elem_id="audience") as self.audience:
                        self._lay_out_audience()
        single = [value for value in vars(self).values() if isinstance(value, Block) and value is not self.blocks]
        self.parts = [*single, *self.readings]

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
        self.learning = _html(elem_id="learning")
        self.tick = gr.Timer(3, active=False)
        self.usage = _html(elem_id="usage")
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
            self.understood = _html(visible=False)
            self.readings = tuple(
                gr.CheckboxGroup(visible=False, elem_id=f"reading-{number}", elem_classes="reading")
                for number in range(controls.MOST)
            )
            self.conditions = gr.CheckboxGroup(label="Conditions (click one to remove it)", elem_id="conditions")
            self.assumed = gr.CheckboxGroup(label="I assumed (click one to change it)", elem_id="assumed")
        self.headline = _html(elem_classes="card")
        with gr.Column(elem_classes="card"):
            _html(cards.curve_head())
            self.curve = gr.Plot(label="Reach curve", show_label=False, container=False, elem_id="curve")
            with gr.Row(elem_id="cut"):
                self.percent = gr.Slider(
                    0.5, 100, step=0.1, label="Keep the best (in %)", buttons=[], elem_id="percent"
                )
                self.users = gr.Number(label="or exactly so many", precision=0, elem_id="users")
        self.profile = _html(elem_classes="card")
        self.skew = _html(elem_classes="card")
        self.samples = _html(elem_classes="card")
        self.saved = _html(elem_classes="card")
        with gr.Column(elem_classes="card", elem_id="results", visible=False) as self.results:
            self.results_head = _html()
            self.results_figure = gr.Plot(label="Results", show_label=False, container=False, elem_id="results-figure")
        self._lay_out_keep()

    def _lay_out_keep(self) -> None:
        with gr.Column(elem_classes="card", elem_id="keep"):
            self.kept = _html()
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
            self.file = _html()
            self.outcome = gr.UploadButton(
                "Bring the outcome (who responded)", file_types=OUTCOMES, size="sm", visible=False, elem_id="outcome"
            )

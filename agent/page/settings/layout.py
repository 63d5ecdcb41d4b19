"""What is where in the place Settings."""

from functools import partial

import gradio as gr

from agent.page import cards
from agent.page.pieces import waiting
from agent.page.place import Place, acting, html
from agent.page.settings.access import SCOPES
from tools.access.callers import USUAL_LIMIT, Scope
from tools.operation_types import EVENTS

SYSTEM, TABLE = "A system that takes signed batches", "A table of a database"
"""Kinds of destinations of one's own."""


_COPIES = """
element.addEventListener('click', async event => {
    const button = event.target.closest('[data-copy]');
    if (!button) return;
    const secret = document.querySelector(`#${button.dataset.copy} input`).value;
    if (navigator.clipboard) await navigator.clipboard.writeText(secret);
    else {  // a page that came without TLS
        const area = document.body.appendChild(document.createElement('textarea'));
        area.value = secret;
        area.select();
        document.execCommand('copy');
        area.remove();
    }
    button.textContent = 'Copied';
});
"""
copying = partial(gr.HTML, apply_default_css=False, js_on_load=_COPIES)
"""HTML with buttons in it that copy what stands in the field of the id in ``data-copy``."""


class SettingsLayout(Place):
    """The parts, empty, by name."""

    def lay_out(self) -> None:
        """Make the parts."""
        line = "Language model, tokens, destinations and how long things are kept."
        self.head = html(cards.place_head(self.title, line))
        with gr.Tabs(elem_id="settings-parts", elem_classes="parts"):
            with gr.Tab("Language model"), gr.Column(elem_classes="card", elem_id="model"):
                self.model = html(waiting("Opening"))
                self.test = gr.Button("Test it", visible=False, elem_id="test-model")
                self.tested = html(elem_id="model-tested")
                self.cost = html()
            with gr.Tab("Tokens"):
                self._lay_out_tokens()
            with gr.Tab("Webhooks"):
                self._lay_out_webhooks()
            with gr.Tab("Destinations"):
                self._lay_out_destinations()
            with gr.Tab("Retention"):
                self.retention = html(waiting("Opening"), elem_classes="card")
            with gr.Tab("Environment"):
                self.variables = html(waiting("Opening"), elem_classes="card", elem_id="variables")

    def _lay_out_tokens(self) -> None:
        self.tokens = acting(waiting("Opening"), elem_classes="card", elem_id="token-list")
        with gr.Column(elem_classes="card", elem_id="new-token"):
            html("<h3>Make a token</h3>")
            with gr.Row():
                self.token_name = gr.Textbox(
                    label="Who uses it", placeholder="shop-agent", max_length=60, max_lines=1, scale=2
                )
                self.token_tenant = gr.Textbox(
                    label="Tenant (empty: yours)", placeholder="shop", max_length=60, max_lines=1, scale=2
                )
            self.token_scopes = gr.CheckboxGroup(
                [(f"{scope}: {opens}", str(scope)) for scope, opens in SCOPES.items()],
                value=[str(Scope.READ), str(Scope.SIZE)],
                label="What it opens",
                elem_classes="choices",
            )
            with gr.Row():
                self.token_days = gr.Number(90, label="Days it is valid (empty: until revoked)", precision=0, minimum=1)
                self.token_limit = gr.Number(USUAL_LIMIT, label="Calls a minute", precision=0, minimum=1)
            self.token_create = gr.Button("Create the token", variant="primary")
            self.token_told = copying()
            self.token_secret = self._secret("The token", "token-secret")

    def _lay_out_webhooks(self) -> None:
        self.webhooks = acting(waiting("Opening"), elem_classes="card", elem_id="webhooks")
        with gr.Column(elem_classes="card", elem_id="new-webhook"):
            html("<h3>Add a webhook</h3>")
            self.webhook_url = gr.Textbox(
                label="Address", placeholder="https://example.com/hook", max_length=2000, max_lines=1
            )
            self.webhook_events = gr.CheckboxGroup(
                [(event.partition(".")[2].capitalize(), event) for event in EVENTS],
                value=list(EVENTS),
                label="It is told when an audience is",
                elem_classes="choices",
            )
            self.webhook_add = gr.Button("Add the webhook", variant="primary")
            self.webhook_told = copying()
            self.webhook_secret = self._secret("The secret that its messages are signed with", "webhook-secret")

    def _lay_out_destinations(self) -> None:
        self.destinations = acting(waiting("Opening"), elem_classes="card", elem_id="destinations")
        with gr.Column(elem_classes="card", elem_id="new-destination"):
            html("<h3>Add a destination</h3>")
            self.destination_kind = gr.Radio([SYSTEM, TABLE], value=SYSTEM, label="What it is", elem_classes="choices")
            self.destination_name = gr.Textbox(label="Name", placeholder="crm", max_length=40, max_lines=1)
            self.destination_url = gr.Textbox(
                label="Address", placeholder="https://example.com/audiences", max_length=2000, max_lines=1
            )
            with gr.Column(visible=False, elem_id="destination-table") as self.destination_table:
                self.destination_connection = gr.Textbox(
                    type="password",
                    label="Connection",
                    info="The name of an environment variable that holds it, such as env:SHOP_DB; a password may not "
                    "stand here",
                    max_length=2000,
                    max_lines=1,
                    html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                )
                self.destination_place = gr.Textbox(
                    label="Table", placeholder="marketing.audience_members", max_length=200, max_lines=1
                )
                self.destination_ids = gr.Checkbox(False, label="Write users by their ids, not by hashes of these")
            self.destination_add = gr.Button("Add the destination", variant="primary")
            self.destination_told = copying()
            self.destination_secret = self._secret("The secret that its batches are signed with", "destination-secret")

    @staticmethod
    def _secret(label: str, elem_id: str) -> gr.Textbox:
        """Where a secret is shown once: a field and no HTML, so that nothing that keeps the page keeps it."""
        return gr.Textbox(
            type="password",
            label=label,
            visible=False,
            interactive=False,
            elem_id=elem_id,
            elem_classes="secret",
            html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
        )

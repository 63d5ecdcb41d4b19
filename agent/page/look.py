"""How the page looks, and the policy that it loads nothing from elsewhere."""

from pathlib import Path

import gradio as gr
from gradio.themes.utils.colors import Color
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STYLES = [
    Path(__file__).parent / name for name in ("style.css", "ask/ask.css", "audiences/library.css", "data/data.css")
]
"""What all places share, and then the places, so that a place may have it otherwise."""

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
        button_primary_background_fill_hover_dark="*primary_700",
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

"""The look of the page: system fonts, one accent colour, light and dark."""

from pathlib import Path

import gradio as gr
from gradio.themes.utils.colors import Color

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

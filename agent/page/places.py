"""All places of the page, each at its address, in the order in which they are listed at the top."""

import gradio as gr

from agent.page import cards
from agent.page.ask.ask import Ask
from agent.page.audiences.audiences import Audiences
from agent.page.data.data import Data
from agent.page.place import Place
from agent.page.results.results import Results
from agent.page.settings.settings import Settings
from agent.page.state import LazyService

PLACES: tuple[type[Place], ...] = (Ask, Audiences, Results, Data, Settings)

COPIES_KEPT = (600, 3600)
"""Every so many seconds, Gradio deletes its copies of uploaded files that are older than so many; all when it ends."""


def make_page(opening: LazyService) -> gr.Blocks:
    """Lay out all places; ``opening`` gives what is behind them."""
    first, *others = PLACES
    blocks = gr.Blocks(title="Audience", analytics_enabled=False, fill_width=True, delete_cache=COPIES_KEPT)
    with blocks:
        first(blocks, opening)
    for place in others:
        with blocks.route(cards.PLACES[place.path], f"/{place.path}"):
            place(blocks, opening)
    return blocks

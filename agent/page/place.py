"""What every place of the page has around it: the line at the top, the notice, and what belongs to this browser."""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any, ClassVar

import gradio as gr
from gradio.blocks import Block

from agent.page import cards
from agent.page.state import LazyService

Updates = dict[Any, Any]

html = partial(gr.HTML, apply_default_css=False, js_on_load=None)
"""Something to read, as HTML."""

_CLICKS = """
const called = button => button.dataset.key ?? `${button.dataset.act} ${button.dataset.of ?? ''}`;
let last = '';
element.addEventListener('click', event => {
    const clicked = event.target.closest('[data-act]');
    if (!clicked || clicked.disabled || clicked.matches('form')) return;
    if (clicked.matches('a')) {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
        event.preventDefault();
        history.pushState({}, '', clicked.href);
    }
    last = called(clicked);
    trigger('select', {act: clicked.dataset.act, of: clicked.dataset.of ?? ''});
});
element.addEventListener('submit', event => {
    const form = event.target.closest('form[data-act]');
    if (!form) return;
    event.preventDefault();
    const fields = {};
    for (const [name, value] of new FormData(form)) (fields[name] ??= []).push(String(value));
    trigger('select', {act: event.submitter?.value || form.dataset.act, of: form.dataset.of ?? '', fields});
});
watch('value', () => {
    const here = document.activeElement;  // what is drawn anew may be the same element with another act
    if (here !== document.body && !(element.contains(here) && here.matches('[data-act]'))) return;
    [...element.querySelectorAll('[data-act]')].find(button => called(button) === last)?.focus({preventScroll: true});
});
"""

acting = partial(gr.HTML, apply_default_css=False, js_on_load=_CLICKS)
"""HTML with buttons and forms in it. A click on what has ``data-act`` is a ``select`` that brings 'act' and 'of'.

A form with ``data-act`` brings its 'fields' as well when it is sent, each with the list of its values, and as 'act'
the value of the button that sent it, where that has one. A link with ``data-act`` changes the address alone. Where the
HTML is drawn anew, the button of the same ``data-key``, or else of the same act, has the focus again.
"""


def acting_with(script: str) -> partial[gr.HTML]:
    """``acting`` whose element has behaviour of its own, which needs nobody else; ``script`` is its JavaScript."""
    return partial(gr.HTML, apply_default_css=False, js_on_load=_CLICKS + script)


class Place(ABC):
    """One place of the page, with its own address; each part of it is an attribute."""

    path: ClassVar[str]
    """Of its address, as ``cards.PLACES`` has it with its title; the first place has none."""

    def __init__(self, blocks: gr.Blocks, opening: LazyService) -> None:
        """Lay the place out; what is behind it may still be opening."""
        self.blocks, self.opening = blocks, opening
        self.browser = gr.BrowserState(storage_key="audience", secret="audience")
        self.masthead = html(cards.masthead(self.path, None, ""), elem_id="masthead")
        self.notice = html(cards.notice("Getting ready: reading the data and the model"), elem_id="notice")
        self.lay_out()
        self.about = html(elem_id="about")
        self.parts = [part for part in _parts(vars(self).values()) if not isinstance(part, gr.Blocks)]
        self.wire()

    @abstractmethod
    def lay_out(self) -> None:
        """Make the parts."""

    @abstractmethod
    def wire(self) -> None:
        """Connect every part to what it does."""

    @property
    def title(self) -> str:
        """What the place is called."""
        return cards.PLACES[self.path]

    @property
    def common(self) -> dict[str, Any]:
        """What holds for every event: it may change any part of the place, and no program calls it by a name."""
        return {"outputs": self.parts, "show_progress": "hidden", "api_visibility": "private"}


def _parts(values: Any) -> list[Block]:
    found: list[Block] = []
    for value in values:
        if isinstance(value, Block):
            found.append(value)
        elif isinstance(value, tuple):
            found.extend(each for each in value if isinstance(each, Block))
    return found

"""What a browser keeps of its conversation, so that a reload or a restart goes on where it was."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import gradio as gr
from pydantic import BaseModel, Field, ValidationError

from agent.page.words import literal, together

KEPT_MESSAGES = 80
SHOWN_CHARACTERS = 1500


class Said(BaseModel):
    """One message as the chat shows it."""

    by_person: bool
    text: str = Field(description="markdown")


class Transcript(BaseModel):
    """The thread of a conversation and its messages so far."""

    thread: str = Field(default_factory=lambda: uuid4().hex, pattern="^[0-9a-f]{32}$")
    said: list[Said] = []
    options: list[str] = []

    @classmethod
    def recall(cls, stored: Any) -> "Transcript":
        """What the browser had stored; a new conversation where that is nothing or cannot be read."""
        try:
            return cls.model_validate(stored or {})
        except ValidationError:
            return cls()

    def person(self, text: str) -> None:
        """Add what the person typed or clicked, if anything; a very long text is shown by its beginning."""
        self.options = []
        if not text.strip():
            return
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"
        self._add(Said(by_person=True, text=literal(shown)), ())

    def agent(self, text: str, options: Sequence[str] = ()) -> None:
        """Add an answer, in markdown, with its clickable continuations."""
        self._add(Said(by_person=False, text=text), options)

    def messages(self, working: str = "") -> list[gr.ChatMessage]:
        """The chat as Gradio shows it; ``working`` says what is being done right now."""
        shown = [
            gr.ChatMessage(content=together(one.text), role="user" if one.by_person else "assistant")
            for one in self.said
        ]
        if shown and self.options:
            shown[-1].options = [{"value": option} for option in self.options]
        if working:
            shown.append(gr.ChatMessage(content="", metadata={"title": working, "status": "pending"}))
        return shown

    def _add(self, one: Said, options: Sequence[str]) -> None:
        self.said = [*self.said, one][-KEPT_MESSAGES:]
        self.options = list(options)

"""What belongs to one browser: its conversation after a reload, and the files it uploaded."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple
from uuid import uuid4

import gradio as gr
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from agent.page.cards import literal, together
from encoders.errors import RequestError
from tools.access.routes import RefusedError
from tools.bounds import UPLOAD_BYTES, UPLOAD_FILES
from tools.uploads import checked_ending

KEPT_MESSAGES = 80
SHOWN_CHARACTERS = 1500


class ChatLine(BaseModel):
    """One message as the chat shows it."""

    by_person: bool
    text: str = Field(description="markdown")


class Transcript(BaseModel):
    """The thread of a conversation and its messages so far."""

    thread: str = Field(default_factory=lambda: uuid4().hex, pattern="^[0-9a-f]{32}$")
    said: list[ChatLine] = []
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
        self._add(ChatLine(by_person=True, text=literal(shown)), ())

    def agent(self, text: str, options: Sequence[str] = ()) -> None:
        """Add an answer, in markdown, with its clickable continuations."""
        self._add(ChatLine(by_person=False, text=text), options)

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

    def _add(self, one: ChatLine, options: Sequence[str]) -> None:
        self.said = [*self.said, one][-KEPT_MESSAGES:]
        self.options = list(options)


_CHUNK = 1_000_000
_LONGEST_NAME = 100


class KeptUpload(NamedTuple):
    """A file that waits to be used."""

    browser: str
    name: str
    """As the person calls it."""


class Uploads:
    """The files that were brought and not used yet, and the browser that brought each."""

    def __init__(self, folder: Path) -> None:
        """Keep files in a folder, each in one of its own."""
        self._folder = folder
        self._kept: OrderedDict[Path, KeptUpload] = OrderedDict()

    async def take(self, request: Request, browser: str) -> Path:
        """Take in the one file of a request.

        Raises:
            RefusedError: it is no file of a kind that can be read, or too large; nothing of it is kept.
        """
        try:
            form = await _Parser(request.headers, request.stream(), max_files=1, max_fields=0).parse()
        except MultiPartException as error:
            raise RefusedError(400, error.message) from error
        except KeyError:
            raise RefusedError(400, "Send the file as multipart/form-data.") from None
        try:
            found = form.get("files")
            if not isinstance(found, UploadFile):
                raise RefusedError(400, "The request brings no file; choose one.")
            if (found.size or 0) > UPLOAD_BYTES:
                raise RefusedError(413, f"A file may have {UPLOAD_BYTES:,} bytes; bring only the columns needed.")
            path = await self._write(found)
        finally:
            await form.close()
        self._kept[path] = KeptUpload(browser, Path(found.filename or "").name[-_LONGEST_NAME:])
        while len(self._kept) > UPLOAD_FILES:
            self.drop(next(iter(self._kept)))
        return path

    def name(self, path: str, browser: str) -> str | None:
        """What a file is called; None where this browser did not bring it."""
        kept = self._kept.get(Path(path))
        return kept.name if kept and kept.browser == browser else None

    def drop(self, path: Path) -> None:
        """Delete a file that was brought."""
        if self._kept.pop(path, None):
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    def close(self) -> None:
        """Delete what was not used."""
        for path in list(self._kept):
            self.drop(path)

    async def _write(self, file: UploadFile) -> Path:
        ending = Path(file.filename or "").suffix.lower()
        folder = self._folder / sha256(token_hex().encode()).hexdigest()
        folder.mkdir(mode=0o700, parents=True)
        path = folder / f"upload{ending}"
        path.touch(mode=0o600)
        with path.open("wb") as written:
            while chunk := await file.read(_CHUNK):
                written.write(chunk)
        return path


class _Parser(MultiPartParser):
    """Refuses a file by its ending before a byte of it is read."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is not None:
            try:
                checked_ending(Path(self._current_part.file.filename or ""))
            except RequestError as error:
                raise MultiPartException(str(error)) from error

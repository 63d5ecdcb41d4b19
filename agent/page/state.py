"""What is behind the page, opened in the background; what belongs to one browser; and work of a while."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from secrets import token_hex
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar
from uuid import uuid4

import gradio as gr
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from agent.page.cards import literal, together
from encoders.errors import AudienceError, RequestError, WorkspaceError
from tools.access.routes import RefusedError
from tools.bounds import UPLOAD_BYTES, UPLOAD_FILES
from tools.types import FAIL_FAST
from tools.uploads import checked_ending

if TYPE_CHECKING:
    from agent.conversation import Conversation
    from tools.service import AudienceService


# --- What the page talks to, opened in the background; and work of a while with its progress shown


log = logging.getLogger(__name__)

BROKEN = "Something went wrong on our side; nothing was lost. The details are in the log of the app; please try again."
"""What a person reads when the cause is a bug and not something to mend."""

NOT_YET = "The app is still opening the workspace; try again in a few seconds."


@dataclass(frozen=True)
class AppState:
    """The conversation and the service behind one page."""

    conversation: "Conversation"
    service: "AudienceService"

    def close(self) -> None:
        """Close what is behind the page."""
        self.conversation.close()
        self.service.close()


class LazyService:
    """Opens the desk once, in a thread of its own; a failed opening is tried again when the page is loaded again."""

    def __init__(self, open_desk: Callable[[], AppState]) -> None:
        self._open = open_desk
        self._lock = Lock()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="opening")
        self._future: Future[AppState] | None = None

    def start(self) -> None:
        """Begin to open, unless that is under way or done."""
        with self._lock:
            if self._future is None or (self._future.done() and self._future.exception()):
                self._future = self._worker.submit(self._open)

    @property
    def ready(self) -> bool:
        """Whether the desk is open."""
        future = self._future
        return bool(future and future.done() and not future.exception())

    def desk(self) -> AppState:
        """Wait for the desk.

        Raises:
            AudienceError: it cannot be opened; the text says which command mends it.
        """
        self.start()
        assert self._future is not None
        return self._future.result()

    def at_once(self) -> AppState:
        """The desk, for those who cannot wait for it.

        Raises:
            WorkspaceError: it is still being opened.
            AudienceError: it cannot be opened; the text says which command mends it, and it is tried again meanwhile.
        """
        begun = self._future
        self.start()
        if begun is None or not begun.done():
            raise WorkspaceError(NOT_YET)
        return begun.result()

    def close(self) -> None:
        """Close the desk, if it was opened."""
        self._worker.shutdown(cancel_futures=True)
        if self.ready:
            self.desk().close()


def sentence(error: Exception) -> str:
    """What a person reads about an error; a bug goes to the log instead."""
    if isinstance(error, AudienceError):
        return str(error)
    log.error("Unexpected error behind the page", exc_info=error)
    return BROKEN


Given = TypeVar("Given")
Shown = TypeVar("Shown")

Line = Callable[[str], None]
"""Called with a line that says what is being done."""


def following(work: Callable[[Line], Given], show: Callable[[str], Shown]) -> Generator[Shown, None, Given]:
    """Do ``work`` in a thread of its own; yields what ``show`` makes of every line, and returns what it gives.

    Whatever ``work`` raises is raised here. Where nobody goes on listening, it is finished all the same.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="turn")
    done = worker.submit(copy_context().run, work, lines.put)
    done.add_done_callback(lambda _: lines.put(None))
    worker.shutdown(wait=False)
    while (line := lines.get()) is not None:
        yield show(line)
    return done.result()


# --- What belongs to one browser: its conversation after a reload, and the files it uploaded ------


KEPT_MESSAGES = 80
SHOWN_CHARACTERS = 1500


class ChatLine(BaseModel):
    """One message as the chat shows it."""

    by_person: bool
    text: str = Field(description="markdown")


class Transcript(BaseModel):
    """The thread of a conversation and its messages so far."""

    thread: str = Field(default_factory=lambda: uuid4().hex, pattern="^[0-9a-f]{32}$")
    said: Annotated[list[ChatLine], FAIL_FAST, Field(max_length=KEPT_MESSAGES)] = []
    options: Annotated[list[str], FAIL_FAST, Field(max_length=KEPT_MESSAGES)] = []

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

    def place(self, path: Path) -> str:
        """Where a file lies in the folder of uploads, which is what its browser is told of it."""
        return path.relative_to(self._folder).as_posix()

    def find(self, place: str, browser: str) -> tuple[Path, str] | None:
        """A file, and what it is called; None where this browser did not bring it."""
        path = self._folder / place
        kept = self._kept.get(path)
        return (path, kept.name) if kept and kept.browser == browser else None

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

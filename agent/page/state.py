"""What the page talks to, opened in the background; and work of a while with its progress shown."""

import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from encoders.errors import AudienceError, WorkspaceError

if TYPE_CHECKING:
    from agent.conversation import Conversation
    from tools.service import AudienceService

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

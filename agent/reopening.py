"""Serves one version of the data after the other: the next is opened beside the one that answers, then takes its place.

Whoever asks is lent the version of that moment and keeps it to the end of the answer. A version that was replaced is
closed once nobody holds it any more; its folder goes when data is prepared the next time.
"""

import gc
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock, Thread
from time import monotonic

from agent.page.state import NOT_YET, AppState, LazyService
from encoders.errors import AudienceError, WorkspaceError
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent
from tools.access.callers import OWNER
from tools.operation_types import Reopened
from tools.service import AudienceService
from tools.storage.indexing import Version, is_indexed, newest_version, pointers
from tools.workers import PeriodicTask

log = logging.getLogger(__name__)

INDEX_PATIENCE = 900.0
"""Seconds that newer data waits for its index where there was one before; then it is opened without."""


def reopened_desk(settings: Settings, before: AppState, progress: Progress = silent) -> AppState:
    """The newest version of the workspace, with the same conversations; all of it is ready once this returns.

    Where ``progress`` raises, nothing is left open.

    Raises:
        AudienceError: it cannot be opened; the text says which command mends it.
    """
    service = AudienceService.open(settings)
    try:
        service.learn_to_read(progress)
        return AppState(conversation=before.conversation.on(service), service=service)
    except BaseException:
        service.close()
        raise


class ReopeningService(LazyService):
    """A desk that is replaced by one over the newest version of the data, while others go on asking."""

    def __init__(
        self,
        open_desk: Callable[[], AppState],
        settings: Settings,
        open_next: Callable[[Settings, AppState, Progress], AppState] = reopened_desk,
    ) -> None:
        """Open nothing yet.

        Args:
            open_desk: opens the first desk.
            settings: name the workspace.
            open_next: opens the newest version, after the one that is served.
        """
        super().__init__(self._opened_first)
        self._first, self._next, self.settings = open_desk, open_next, settings
        self.workspace = Workspace(settings.workspace)
        self.seen = pointers(self.workspace)
        """How the workspace looked before what is served was opened."""
        self._reopening = Lock()
        self._replaced: list[AudienceService] = []
        self._closing = False

    def desk(self) -> AppState:
        """Wait for the desk; it stays as it is for as long as whoever asked holds it. Raises like ``LazyService``."""
        super().desk()
        return self._lent()

    def at_once(self) -> AppState:
        """The desk, for those who cannot wait for it; lent like ``desk``. Raises like ``LazyService``."""
        super().at_once()
        return self._lent()

    def reopen(self) -> Reopened:
        """Serve the newest version from now on; where that is what is served, nothing changes.

        Raises:
            WorkspaceError: the first desk is still being opened.
            AudienceError: the newest version cannot be opened; what was served is served on.
        """
        with self._reopening:
            if not self.ready:
                raise WorkspaceError(NOT_YET)
            before = super().desk()
            self.seen = pointers(self.workspace)
            try:
                if newest_version(self.workspace, self.settings) == before.service.version:
                    before.service.serving.failed = ""
                    return _told(before.service.version)
                opened = self._next(self.settings, before, self._go_on)
            except AudienceError as error:
                before.service.serving.failed = str(error)
                raise
            self._take(opened, before.service)
        was, now = before.service.version, opened.service.version
        log.info("Answering from data %s with model %s from now on", now.data, now.model)
        return _told(now, was)

    def reopen_soon(self) -> None:
        """Do so in a thread of its own; what goes wrong is in the log and in the notice of the data card."""
        Thread(target=self.reopen_quietly, name="reopening", daemon=True).start()

    def reopen_quietly(self) -> None:
        """Do so; what goes wrong is in the log and in the notice of the data card."""
        try:
            self.reopen()
        except AudienceError as error:
            log.warning("The newest version is not opened: %s", error)
        except Exception:
            log.exception("The newest version is not opened")

    def let_go(self) -> int:
        """Close what was replaced and is not held any more; how many versions are still held."""
        if not self._replaced:
            return 0
        gc.collect()  # an answer that ended may be held by a ring of objects, such as an error and where it was raised
        with self._lock:
            done = [service for service in self._replaced if not service.serving.asking]
            self._replaced = [service for service in self._replaced if service not in done]
        for service in done:
            service.close()
        held = len(self._replaced)
        if done:
            del done, service
            gc.collect()  # with what it mapped and locked
        return held

    def close(self) -> None:
        """Close the desk, and what was replaced."""
        self._closing = True
        with self._reopening:
            super().close()
            for service in self._replaced:
                service.close()
            self._replaced = []

    def _go_on(self, _description: str, _fraction: float | None = None, /) -> None:
        if self._closing:
            raise WorkspaceError("The program is ending; the newest version is opened when it starts again.")

    def _opened_first(self) -> AppState:
        self.seen = pointers(self.workspace)
        desk = self._first()
        desk.service.serving.reopen = self.reopen
        return desk

    def _lent(self) -> AppState:
        with self._lock:
            assert self._future is not None
            desk = self._future.result()
            return replace(desk, service=desk.service.of(OWNER))

    def _take(self, opened: AppState, before: AudienceService) -> None:
        """Have everybody who asks from now on asked to ``opened``."""
        opened.service.serving.reopen = self.reopen
        done: Future[AppState] = Future()
        done.set_result(opened)
        with self._lock:
            self._future = done
            self._replaced.append(before)


def _told(now: Version, was: Version | None = None) -> Reopened:
    return Reopened(
        changed=was is not None,
        data_version=now.data,
        model_version=now.model,
        as_of=now.as_of,
        before=was.data if was else "",
    )


class VersionWatch(PeriodicTask):
    """One thread that sees newer data, models and indexes, and has them served once they are whole."""

    NAME = "versions"

    def __init__(self, opening: ReopeningService, seconds: float) -> None:
        """Look every so many seconds; 0: look for nothing, and only close what was replaced."""
        super().__init__()
        self._opening, self._looks = opening, seconds > 0
        self.PAUSE = seconds or 10.0
        self._waits_since: float | None = None

    def work(self) -> None:
        """One look."""
        opening = self._opening
        if not self._looks or pointers(opening.workspace) == opening.seen:
            self._waits_since = None
        elif opening.ready:
            self._look()
        else:
            opening.start()  # what it lacked may be there now
        opening.let_go()

    def _look(self) -> None:
        """Open what is newer, unless its index is still being made."""
        opening = self._opening
        try:
            waits = not is_indexed(opening.workspace, newest_version(opening.workspace, opening.settings))
        except AudienceError:
            waits = False  # opening it says what is wrong
        if waits and self._waits_since is None:
            self._waits_since = monotonic()
        if waits and self._waits_since is not None and monotonic() - self._waits_since < INDEX_PATIENCE:
            return
        self._waits_since = None
        opening.reopen_quietly()

"""What a whole request means in the data: the reader behind a service, opened when it is first needed.

A server opens it in the background instead: nobody waits while it is learned, and what is asked meanwhile is read
without it.
"""

import logging
from functools import cached_property
from threading import Event, Lock, Thread
from typing import NamedTuple

from encoders.data.events import Dataset
from encoders.errors import AudienceError
from encoders.model.users import read_vocabulary
from encoders.predictor import Forecaster
from encoders.reader import Reader, WholeReading, open_reader
from encoders.reader.head import material
from encoders.reader.knowledge import checked_table, trades
from encoders.settings import Settings
from encoders.text.encoders import text_encoder
from encoders.text.words import Spelling
from encoders.workspace import Progress, Workspace, silent

log = logging.getLogger(__name__)

LOADING_SECONDS = 5.0
"""A request waits so long for a reader that is loaded, which takes a second or two; not for one that is learned."""


class Learning(NamedTuple):
    """What is done so that requests can be read as a whole."""

    doing: str
    share: float | None
    """How much of it is done; None: not known, as while a reader that is there is loaded."""


class _Stopped(Exception):
    """Nobody needs the reader any more."""


def learn_to_read(workspace: Workspace, settings: Settings, progress: Progress) -> None:
    """Have the reader of the current data in the workspace's cache, so that no first request waits for it.

    Raises:
        DataError: there is no data, or the glossary of the workspace cannot be read.
    """
    dataset, encoder = Dataset.current(workspace), text_encoder(settings.text_encoder)
    vocabulary = read_vocabulary(dataset, encoder, workspace)
    open_reader(workspace, dataset.card.name, vocabulary, encoder, settings.seed, progress)


class ReaderService:
    """One reader for everybody who uses a service; safe to use from several threads."""

    def __init__(self, workspace: Workspace, forecaster: Forecaster, seed: int) -> None:
        """Read requests over the data of ``forecaster``; nothing is opened yet."""
        self._workspace, self._forecaster, self._seed = workspace, forecaster, seed
        self._reader: Reader | None = None
        self._lock = Lock()
        self._worker: Thread | None = None
        self._stop = Event()
        self.learning: Learning | None = None
        """What is done in the background; None: nothing, or not any more."""

    def begin(self) -> None:
        """Open the reader in the background, once."""
        if self._worker is None:
            self.learning = Learning("Opening the reader of requests", None)
            self._worker = Thread(target=self._learn, name="reader", daemon=True)
            self._worker.start()

    def close(self) -> None:
        """Stop learning; what was learned so far is lost."""
        self._stop.set()
        if self._worker is not None:
            self._worker.join()

    def open(self, progress: Progress = silent) -> Reader:
        """The reader; where the workspace has none yet it is trained now, which takes some minutes.

        Raises:
            DataError: the glossary of the workspace cannot be read; the text says what is wrong with it.
        """
        with self._lock:
            if self._reader is None:
                forecaster = self._forecaster
                name, vocabulary = forecaster.dataset.card.name, forecaster.snapshot.vocabulary
                encoder = text_encoder(forecaster.model.config.text_encoder)
                self._reader = open_reader(self._workspace, name, vocabulary, encoder, self._seed, progress)
            return self._reader

    def read(self, text: str) -> WholeReading | None:
        """Read one request; None while the reader is being learned in the background. Raises like ``open``."""
        if self._worker is not None and self.learning is not None and self.learning.share is None:
            self._worker.join(LOADING_SECONDS)
        return None if self.learning is not None else self.open().read(self.spelled(text))

    def spelled(self, text: str) -> str:
        """The text with its mistyped words put right by those of the data and of the knowledge."""
        return self._spelling.corrected(text)

    @cached_property
    def _spelling(self) -> Spelling:
        vocabulary, stuff = self._forecaster.snapshot.vocabulary, material()
        entries = [entry for each in trades().values() for entry in each]
        known = [text for entry in entries for text in (*entry.says, *entry.things)]
        return Spelling(
            [*vocabulary.groups, *vocabulary.texts, *checked_table(self._forecaster.dataset.card.name), *known],
            [*stuff.frames, *stuff.nothings, *stuff.elsewhere],
        )

    def _learn(self) -> None:
        try:
            self.open(self._tell)
        except _Stopped:
            pass
        except AudienceError as error:
            log.warning("Whole requests cannot be read: %s", error)  # whoever makes one is told, too
        except Exception:
            log.exception("The reader of requests could not be opened.")
        finally:
            self.learning = None

    def _tell(self, description: str, fraction: float | None = None, /) -> None:
        if self._stop.is_set():
            raise _Stopped
        self.learning = Learning(description, fraction)

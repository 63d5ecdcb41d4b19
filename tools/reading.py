"""What a whole request means in the data: the reader behind a service, opened when it is first needed."""

import logging
from functools import cached_property
from threading import Lock

from encoders.forecast import Forecaster
from encoders.history.events import Dataset
from encoders.language.spelling import Spelling
from encoders.language.text import text_encoder
from encoders.model.scene import read_vocabulary
from encoders.reader import Reader, Understood, open_reader
from encoders.reader.grounding import checked_table
from encoders.reader.knowledge import trades
from encoders.reader.texts import material
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace, silent

log = logging.getLogger(__name__)


def learn_to_read(workspace: Workspace, settings: Settings, progress: Progress) -> None:
    """Have the reader of the current data in the workspace's cache, so that no first request waits for it.

    Raises:
        DataError: there is no data, or the glossary of the workspace cannot be read.
    """
    dataset, encoder = Dataset.current(workspace), text_encoder(settings.text_encoder)
    vocabulary = read_vocabulary(dataset, encoder, workspace)
    open_reader(workspace, dataset.card.name, vocabulary, encoder, settings.seed, progress)


class Reading:
    """One reader for everybody who uses a service; safe to use from several threads."""

    def __init__(self, workspace: Workspace, forecaster: Forecaster, seed: int) -> None:
        """Read requests over the data of ``forecaster``; nothing is opened yet."""
        self._workspace, self._forecaster, self._seed = workspace, forecaster, seed
        self._reader: Reader | None = None
        self._lock = Lock()

    def open(self, progress: Progress = silent) -> Reader:
        """The reader; where the workspace has none yet it is trained now, which takes about a minute.

        Raises:
            DataError: the glossary of the workspace cannot be read; the text says what is wrong with it.
        """
        with self._lock:
            if self._reader is None:
                forecaster = self._forecaster
                name, vocabulary = forecaster.dataset.card.name, forecaster.scene.vocabulary
                encoder = text_encoder(forecaster.model.config.text_encoder)
                self._reader = open_reader(self._workspace, name, vocabulary, encoder, self._seed, progress)
            return self._reader

    def read(self, text: str) -> Understood:
        """Read one request; raises like ``open``."""
        return self.open().read(self.spelled(text))

    def spelled(self, text: str) -> str:
        """The text with its mistyped words put right by those of the data and of the knowledge."""
        return self._spelling.corrected(text)

    @cached_property
    def _spelling(self) -> Spelling:
        vocabulary, stuff = self._forecaster.scene.vocabulary, material()
        entries = [entry for each in trades().values() for entry in each]
        known = [text for entry in entries for text in (*entry.says, *entry.things)]
        return Spelling(
            [*vocabulary.groups, *vocabulary.texts, *checked_table(self._forecaster.dataset.card.name), *known],
            [*stuff.frames, *stuff.nothings, *stuff.elsewhere],
        )

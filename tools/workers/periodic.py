"""One thread that does something again and again while the server runs."""

from threading import Event, Thread
from typing import Self


class PeriodicTask:
    """Does its work at once and then after every pause, from entering to leaving."""

    NAME = "background"
    """Of the thread."""
    PAUSE = 60.0
    """Seconds between two rounds."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._stop = Event()
        self._thread = Thread(target=self._run, name=self.NAME, daemon=True)

    def work(self) -> None:
        """One round; it looks at ``stopped`` where it takes long."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what the rounds have opened; called in their thread, after the last."""

    def stopped(self) -> bool:
        """Whether no further round is wanted."""
        return self._stop.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the end of the round at hand."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.stopped():
            self.work()
            self._stop.wait(self.PAUSE)
        self.close()

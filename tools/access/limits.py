"""How often each token calls: a moving window of a minute, counted for all processes of a workspace together."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from tools.database import Database

SECONDS = 60.0
_LOST = "calls are counted anew"
_TABLES = (
    """
CREATE TABLE calls (name TEXT NOT NULL, at INTEGER NOT NULL);
CREATE INDEX calls_of ON calls (name, at);
""",
)


class CallLimits:
    """Counts calls in one SQLite file."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open ``path``, and make it where missing; None counts in memory, for a single process.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db, self._clock = Database(path, _TABLES, lost=_LOST), clock

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def hit(self, name: str, limit: int) -> int:
        """Count a call, unless there were too many within the last minute.

        Args:
            name: whose call it is.
            limit: so many are let in within a minute.

        Returns:
            0 where the call is let in, else the seconds until the next one would be.
        """
        with self._db.transaction(flushed=False):
            wait = self._wait(name, limit)
            if not wait:
                self._db.run("INSERT INTO calls VALUES (?, ?)", (name, self._now()))
            return wait

    def wait(self, name: str, limit: int) -> int:
        """The seconds until a call would be let in, 0 for now; counts nothing."""
        with self._db.transaction(flushed=False):
            return self._wait(name, limit)

    def _wait(self, name: str, limit: int) -> int:
        now, window = self._now(), round(SECONDS * 1000)
        # A clock that was set back must not lock anybody out, so calls of the future are forgotten as well.
        self._db.run("DELETE FROM calls WHERE name = ? AND (at <= ? OR at > ?)", (name, now - window, now))
        [(calls, first)] = self._db.run("SELECT COUNT(*), MIN(at) FROM calls WHERE name = ?", (name,))
        return max(1, math.ceil((first + window - now) / 1000)) if calls >= limit else 0

    def _now(self) -> int:
        return round(self._clock() * 1000)

"""How often a token calls, and how much it may ask about groups of users in a day."""

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from encoders.errors import TooManyCallsError
from tools.storage.sqlite import Database

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


MOST_QUESTIONS = 200
"""Different questions about groups of users that one token may ask within ``WINDOW``; asking one again is free."""
WINDOW = timedelta(days=1)

_ALLOWANCE_LOST = "how much each token has asked about today is counted anew"
_ALLOWANCE_TABLES = (
    """
CREATE TABLE asked (
    caller TEXT NOT NULL,
    question TEXT NOT NULL,
    first TEXT NOT NULL,
    PRIMARY KEY (caller, question)
) WITHOUT ROWID;
CREATE INDEX asked_first ON asked (caller, first);
""",
)


class Allowance:
    """What the tokens of one workspace have asked about; any thread and any number of processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, and make it where missing.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db = Database(path, _ALLOWANCE_TABLES, lost=_ALLOWANCE_LOST)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def ask(self, caller: str, questions: Sequence[bytes], counts: int = 1, now: datetime | None = None) -> None:
        """Let a caller ask all of some questions, or none.

        Args:
            caller: the name of the token.
            questions: what tells each from others; nothing else is kept of it.
            counts: how many counts the answer to each shows; each of them takes one of the questions.
            now: for tests.

        Raises:
            TooManyCallsError: the caller has asked too much; the text says when to come back.
        """
        now = now or datetime.now(UTC)
        since = (now - WINDOW).isoformat()
        each = range(min(max(1, counts), MOST_QUESTIONS))
        wanted = dict.fromkeys(f"{question.hex()}{number or ''}" for question in questions for number in each)
        with self._db.reading():
            new = [one for one in wanted if not self._asked(caller, one, since)]
        if not new:
            return
        with self._db.transaction(flushed=False):
            self._db.run("DELETE FROM asked WHERE caller = ? AND first <= ?", (caller, since))
            [row] = self._db.run("SELECT COUNT(*) AS asked, MIN(first) AS first FROM asked WHERE caller = ?", (caller,))
            if row["asked"] + len(new) <= MOST_QUESTIONS:
                self._db.run_many(
                    "INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", [(caller, one, now.isoformat()) for one in new]
                )
                return
        wait = math.ceil((datetime.fromisoformat(row["first"]) + WINDOW - now).total_seconds())
        raise TooManyCallsError(
            f"This token may ask {MOST_QUESTIONS} different questions about groups of users within a day, to protect "
            f"single people, and too few are left for this; ask the same again, or come back in {_in_words(wait)}.",
            wait,
        )

    def _asked(self, caller: str, question: str, since: str) -> bool:
        values = (caller, question, since)
        return bool(self._db.run("SELECT 1 FROM asked WHERE caller = ? AND question = ? AND first > ?", values))


def _in_words(seconds: int) -> str:
    return f"{math.ceil(seconds / 60)} minutes" if seconds < 7200 else f"{math.ceil(seconds / 3600)} hours"

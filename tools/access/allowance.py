"""How many groups of users a token may ask about in a day: noise on counts wears away where one asks for ever."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from encoders.errors import TooManyCallsError
from tools.database import Database

MOST_GROUPS = 200
"""Different groups of users that one token may ask about within ``WINDOW``; asking again about one is free."""
WINDOW = timedelta(days=1)

_LOST = "how much each token has asked about today is counted anew"
_TABLES = (
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
        self._db = Database(path, _TABLES, lost=_LOST)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def ask(self, caller: str, question: bytes, counts: int = 1, now: datetime | None = None) -> None:
        """Let a caller ask about one group of users.

        Args:
            caller: the name of the token.
            question: what tells the group from others; nothing else is kept of it.
            counts: how many counts the answer shows, each of which takes one of the groups that may be asked about.
            now: for tests.

        Raises:
            TooManyCallsError: the caller has asked about too many groups; the text says when to come back.
        """
        now = now or datetime.now(UTC)
        since = (now - WINDOW).isoformat()
        wanted = [f"{question.hex()}{number or ''}" for number in range(min(counts, MOST_GROUPS))]
        with self._db.reading():
            new = [each for each in wanted if not self._asked(caller, each, since)]
        if not new:
            return
        with self._db.transaction(flushed=False):
            self._db.run("DELETE FROM asked WHERE caller = ? AND first <= ?", (caller, since))
            [row] = self._db.run("SELECT COUNT(*) AS asked, MIN(first) AS first FROM asked WHERE caller = ?", (caller,))
            if row["asked"] + len(new) <= MOST_GROUPS:
                self._db.run_many(
                    "INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", [(caller, each, now.isoformat()) for each in new]
                )
                return
        wait = math.ceil((datetime.fromisoformat(row["first"]) + WINDOW - now).total_seconds())
        raise TooManyCallsError(
            f"This token has asked about {MOST_GROUPS} different groups of users within a day, which is as many as may "
            f"be asked about, to protect single people; ask about these again, or come back in {_in_words(wait)}.",
            wait,
        )

    def _asked(self, caller: str, question: str, since: str) -> bool:
        values = (caller, question, since)
        return bool(self._db.run("SELECT 1 FROM asked WHERE caller = ? AND question = ? AND first > ?", values))


def _in_words(seconds: int) -> str:
    return f"{math.ceil(seconds / 60)} minutes" if seconds < 7200 else f"{math.ceil(seconds / 3600)} hours"

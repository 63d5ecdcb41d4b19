"""Answers by idempotency key, in a SQLite file: a repeated request is given the answer of the first."""

from datetime import UTC, datetime
from hashlib import sha256

from encoders.errors import RequestError
from tools.storage.sqlite import Database


class KeyReusedError(RequestError):
    """An idempotency key came back with another request."""


class Answers:
    """The answers in the table ``answers`` of a file: whose, key, content, answer, made."""

    def __init__(self, db: Database) -> None:
        """Keep them in ``db``."""
        self._db = db

    def find(self, whose: str, key: str, content: str) -> str | None:
        """What was answered to a request; None where nothing was yet.

        Args:
            whose: who asked; keys of different callers have nothing to do with each other.
            key: idempotency key.
            content: everything the key stands for.

        Raises:
            KeyReusedError: the key came with another request then.
        """
        with self._db.reading():
            found = self._db.run("SELECT content, answer FROM answers WHERE whose = ? AND key = ?", (whose, key))
        if found and found[0]["content"] != _digest(content):
            raise KeyReusedError(
                f"The key '{key}' was already used for something else; take a new key for a new action."
            )
        return str(found[0]["answer"]) if found else None

    def keep(self, whose: str, key: str, content: str, answer: str) -> str:
        """Keep an answer, and give the one that counts: the first. Raises like ``find``."""
        with self._db.transaction():
            self._db.run(
                "INSERT OR IGNORE INTO answers (whose, key, content, answer, made) VALUES (?, ?, ?, ?, ?)",
                (whose, key, _digest(content), answer, datetime.now(UTC).isoformat()),
            )
        return self.find(whose, key, content) or answer


def _digest(content: str) -> str:
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

"""The ledger: one row per request, keyed by everything that changes its answer; and the budget it is held to."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from agent.models.usage import Prices
from encoders.workspace import plain_faults
from tools.storage.backups import Routine, newest_backup
from tools.storage.sqlite import close_sqlite, open_sqlite

# --- The ledger: one row per request, keyed by everything that changes its answer -----------------
#
# An answer is on the disk before the next request is sent, so that a run that was killed goes on where it stopped and
# nothing that was answered is paid for again. A request that was under way at that moment may have been paid for: it
# counts as a call whose tokens nobody told, and is sent again under the same idempotency key.
#
#     open ─> sent ─> done            the answer is kept for good
#               └───> failed ─> sent  asked again in the next pass
#     open ─> batched ─> done, or failed


_TABLES = """
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY, server TEXT NOT NULL, purpose TEXT NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open', answer TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '',
    calls INTEGER NOT NULL DEFAULT 0, answers INTEGER NOT NULL DEFAULT 0, untold INTEGER NOT NULL DEFAULT 0,
    input_tokens INTEGER NOT NULL DEFAULT 0, output_tokens INTEGER NOT NULL DEFAULT 0, batch TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS members (
    name TEXT NOT NULL, key TEXT NOT NULL REFERENCES requests (key), PRIMARY KEY (name, key)
);
CREATE TABLE IF NOT EXISTS reviews (
    name TEXT NOT NULL, label TEXT NOT NULL, reviewer TEXT NOT NULL, verdict TEXT NOT NULL, sentence TEXT NOT NULL,
    PRIMARY KEY (name, label, reviewer)
);
"""


@dataclass(frozen=True)
class LabelRequest:
    """One question to one model."""

    server: str
    """Which server and model, as the settings name them."""
    purpose: str
    body: dict[str, Any]
    """What is sent: model, messages, schema, sampling."""

    @property
    def key(self) -> str:
        """Digest of everything that changes the answer."""
        return sha256(json.dumps([self.server, self.body], sort_keys=True).encode()).hexdigest()

    @property
    def most_read(self) -> int:
        """Tokens that reading it can take at most: no token is shorter than a byte."""
        said = [self.body["messages"], self.body.get("response_format", "")]
        return len(json.dumps(said, ensure_ascii=False).encode())

    @property
    def likely_read(self) -> int:
        """Tokens that reading it takes by a rule of thumb: four letters each, one for a character of Chinese."""
        text = json.dumps(self.body["messages"], ensure_ascii=False)
        wide = sum(ord(letter) > 0x2E80 for letter in text)
        return (len(text) - wide) // 4 + wide

    @property
    def most_written(self) -> int:
        """Tokens of the longest answer that is allowed."""
        return int(self.body.get("max_completion_tokens") or self.body["max_tokens"])


@dataclass(frozen=True)
class Spent:
    """What some requests took; retries and failures count."""

    calls: int = 0
    untold: int = 0
    """Calls whose tokens nobody told."""
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class Review:
    """What a person said about one label."""

    label: str
    reviewer: str
    verdict: str
    sentence: str


class LabelLedger:
    """The rows of one workspace."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, made where there is none.

        Raises:
            DamagedError: it is damaged; the text says what helps.
            WorkspaceError: the disk is full or may not be written.
        """
        with plain_faults(path):
            self._rows = open_sqlite(path, isolation_level=None, timeout=30)
            self._rows.execute("PRAGMA journal_mode=WAL")
            self._rows.executescript(_TABLES)
        self._path = path
        self._backups = Routine(self._rows, path, at_once=0.0)
        if newest_backup(path) is None:  # whatever is damaged later, there is something to put in its place
            self._backups.changed()

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> "Iterator[LabelLedger]":
        """Open the ledger, and close it when the block ends; what was paid for is backed up as it comes."""
        ledger = cls(path)
        try:
            yield ledger
        finally:
            ledger._backups.run()
            close_sqlite(ledger._rows, path)

    def add(self, name: str, requests: Iterable[LabelRequest]) -> None:
        """Note what the set ``name`` asks; what is known already keeps its answer."""
        rows = [(each.key, each.server, each.purpose, json.dumps(each.body)) for each in requests]
        with plain_faults(self._path), self._at_once():
            self._rows.executemany("INSERT OR IGNORE INTO requests (key, server, purpose, body) VALUES (?,?,?,?)", rows)
            self._rows.executemany("INSERT OR IGNORE INTO members VALUES (?,?)", [(name, row[0]) for row in rows])

    def left(self, requests: Sequence[LabelRequest]) -> list[LabelRequest]:
        """Which of them have no answer yet and wait for none; what a killed run left under way is among them."""
        self._change("UPDATE requests SET state='open', untold=untold+1 WHERE state='sent'")
        waiting = {key for (key,) in self._rows.execute("SELECT key FROM requests WHERE state IN ('open', 'failed')")}
        return [each for each in {each.key: each for each in requests}.values() if each.key in waiting]

    def sent(self, key: str) -> str:
        """Note that a request goes out; gives the key that tells a server it is the same one as before."""
        self._change("UPDATE requests SET state='sent', calls=calls+1 WHERE key=?", key)
        (answers,) = self._rows.execute("SELECT answers FROM requests WHERE key=?", (key,)).fetchone()
        return f"{key[:40]}-{answers}"

    def answered(self, key: str, answer: str, tokens: tuple[int, int] | None, error: str = "") -> None:
        """Keep an answer; one that is of no use has an ``error`` and is asked for again in the next pass.

        Args:
            key: of the request.
            answer: the model's text.
            tokens: read and written, None where the server did not say.
            error: why it is of no use.
        """
        read, written = tokens or (0, 0)
        state = "failed" if error else "done"
        self._change(
            "UPDATE requests SET state=?, answer=?, error=?, answers=answers+1, untold=untold+?, "
            "input_tokens=input_tokens+?, output_tokens=output_tokens+? WHERE key=?",
            *(state, answer, error, int(tokens is None), read, written, key),
        )

    def failed(self, key: str, error: str, perhaps_paid: bool = False) -> None:
        """Note that no answer came; it is asked for again in the next pass."""
        change = "UPDATE requests SET state='failed', error=?, untold=untold+? WHERE key=?"
        self._change(change, error, int(perhaps_paid), key)

    def batched(self, keys: Sequence[str], batch: str) -> None:
        """Note that requests lie with the server as ``batch``."""
        with plain_faults(self._path), self._at_once():
            change = "UPDATE requests SET state='batched', calls=calls+1, batch=? WHERE key=?"
            self._rows.executemany(change, [(batch, key) for key in keys])

    def batches(self, name: str) -> list[str]:
        """The batches of a set that have not been merged."""
        found = self._of(name, "DISTINCT r.batch", "r.state='batched' ORDER BY r.batch")
        return [batch for (batch,) in found]

    def keys_in(self, batch: str) -> list[str]:
        """The requests that still wait for a batch."""
        found = self._rows.execute("SELECT key FROM requests WHERE batch=? AND state='batched'", (batch,))
        return [key for (key,) in found]

    def answers(self, requests: Iterable[LabelRequest]) -> dict[str, str]:
        """The answers there are, by key."""
        done = dict(self._rows.execute("SELECT key, answer FROM requests WHERE state='done'"))
        return {each.key: done[each.key] for each in requests if each.key in done}

    def states(self, name: str) -> dict[str, int]:
        """How many requests of a set are in each state."""
        return dict(self._of(name, "r.state, count(*)", "1 GROUP BY r.state ORDER BY r.state"))

    def errors(self, name: str) -> dict[str, int]:
        """Why requests of a set failed, the commonest first."""
        return dict(self._of(name, "r.error, count(*)", "r.state='failed' GROUP BY r.error ORDER BY count(*) DESC"))

    def spent(self, name: str) -> Spent:
        """What a set has taken so far, in all its passes."""
        sums = "total(r.calls), total(r.untold), total(r.input_tokens), total(r.output_tokens)"
        (found,) = self._of(name, sums, "1")
        return Spent(*(int(each) for each in found))

    def review(self, name: str, review: Review) -> None:
        """Keep what a person said; a second word of the same person takes the place of the first."""
        row = (name, review.label, review.reviewer, review.verdict, review.sentence)
        self._change("INSERT OR REPLACE INTO reviews VALUES (?,?,?,?,?)", *row)

    def reviews(self, name: str) -> list[Review]:
        """What people said about a set."""
        order = "SELECT label, reviewer, verdict, sentence FROM reviews WHERE name=? ORDER BY label, reviewer"
        return [Review(*row) for row in self._rows.execute(order, (name,))]

    def _of(self, name: str, what: str, where: str) -> list[tuple[Any, ...]]:
        joined = f"SELECT {what} FROM requests r JOIN members m ON m.key = r.key WHERE m.name=? AND {where}"
        return self._rows.execute(joined, (name,)).fetchall()

    def _change(self, statement: str, *values: object) -> None:
        with plain_faults(self._path):
            self._rows.execute(statement, values)
        self._backups.changed()

    @contextmanager
    def _at_once(self) -> Iterator[None]:
        self._rows.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._rows.execute("ROLLBACK")
            raise
        self._rows.execute("COMMIT")
        self._backups.changed()


# --- What labels cost: an estimate beforehand, and a budget that is never passed ------------------


LIKELY_WRITTEN = 60
"""Tokens of a usual answer, for the estimate."""

_MILLION = 1_000_000


def dollars(prices: Prices, read: float, written: float) -> float:
    """What tokens cost."""
    return (read * prices.input + written * prices.output) / _MILLION


def cost(prices: Prices, spent: Spent, longest: LabelRequest | None) -> float:
    """What was spent at most: a call whose tokens nobody told counts like the longest there is."""
    told = dollars(prices, spent.input_tokens, spent.output_tokens)
    return told + spent.untold * (worst(prices, longest) if longest else 0.0)


def worst(prices: Prices, request: LabelRequest) -> float:
    """What one call can cost at most."""
    return dollars(prices, request.most_read, request.most_written)


@dataclass(frozen=True)
class CostEstimate:
    """What is left to be asked, before anything is sent."""

    calls: int
    input_tokens: int
    output_tokens: int
    dollars: float | None
    """None where no prices are set."""


def estimate(left: Sequence[LabelRequest], prices: Prices | None) -> CostEstimate:
    """The likely number of tokens and their price."""
    read, written = sum(each.likely_read for each in left), LIKELY_WRITTEN * len(left)
    return CostEstimate(len(left), read, written, dollars(prices, read, written) if prices else None)


class LabelBudget:
    """Lets a call go out only if it cannot pass the budget, whatever the calls under way come to."""

    def __init__(self, limit: float | None, prices: Prices | None, already: float = 0.0) -> None:
        """Spend at most ``limit`` dollars, ``already`` of them gone; None for as much as it takes."""
        self.limit, self.prices, self.spent, self._reserved = limit, prices, already, 0.0
        self.stopped = False

    def reserve(self, request: LabelRequest) -> bool:
        """Whether the call may go out; if so its worst case is set aside."""
        if self.limit is None or self.prices is None:
            return True
        price = worst(self.prices, request)
        if self.spent + self._reserved + price > self.limit:
            self.stopped = True
            return False
        self._reserved += price
        return True

    def settle(self, request: LabelRequest, tokens: tuple[int, int] | None, paid: bool = True) -> None:
        """Put what a call took in the place of what was set aside for it."""
        if self.prices is None:
            return
        price = worst(self.prices, request)
        if self.limit is not None:
            self._reserved -= price
        self.spent += dollars(self.prices, *tokens) if tokens else price * paid

"""Notifications: subscriptions, the outbox of one tenant, and what the messages say."""

import json
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from pydantic import Field

from encoders.errors import NotThereError, RequestError
from encoders.records import Record
from tools.audiences.changes import moves, refresh_question, shown_audience
from tools.audiences.disclosure import Disclosure
from tools.delivery.posting import PostResult, checked_url, new_secret, post
from tools.operation_types import EVENTS, Delivery, Drift, Event, NewSubscription, Subscription
from tools.storage.registry import Emit, SavedVersion
from tools.storage.sqlite import Database
from tools.types import SavedAudience

# --- Subscriptions and the outbox of one tenant, in the SQLite file of its registry ---------------


class Outgoing(Record):
    """A delivery that somebody has taken on, with what sending it needs."""

    id: str
    webhook: str
    url: str
    secret: str = Field(repr=False)
    body: str
    tries: int = Field(description="this one included")


WAITS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds before each new try, as the Standard Webhooks specification advises; then it is given up, after 3 days."""

LEASE = 120
"""Seconds in which whoever took a message has to be done with it, before another may take it."""

_MOST = 100
"""Subscriptions of one tenant."""


def announce(db: Database, event: Event, audience: str, version: int, data: dict[str, Any], once: str = "") -> None:
    """Put a message for everybody who subscribed to the event into the outbox, inside a transaction of ``db``.

    Args:
        db: the file of the registry.
        event: what happened.
        audience: to which audience, its id.
        version: to which version of it.
        data: what the message says: ids, counts and dates, never a user.
        once: what has been told under this key is not told again; empty for what happens but once anyway.
    """
    wanting = [row for row in db.run("SELECT * FROM webhooks WHERE disabled = ''") if event in row["events"].split()]
    if not wanting or (once and db.run("SELECT 1 FROM told WHERE key = ?", (once,))):
        return
    if once:
        db.run("INSERT INTO told VALUES (?)", (once,))
    now = _text(datetime.now(UTC))
    body = json.dumps({"type": event, "timestamp": now, "data": data}, separators=(",", ":"))
    columns = "id, webhook, url, event, audience, version, body, created, state, tries, due, answer"
    db.run_many(
        f"INSERT INTO deliveries ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0, ?, '')",
        [
            (f"msg_{token_hex(12)}", row["id"], row["url"], event, audience, version, body, now, now)
            for row in wanting
        ],
    )  # fmt: skip


def announce_failure(db: Database, step: str, why: str, left: Collection[str] = ()) -> None:
    """Tell everybody who asked for it that a nightly run did not do all that it should.

    Args:
        db: the file of the registry.
        step: what failed: 'prepare', 'index' ...
        why: one sentence.
        left: audiences that were not refreshed, by their names.
    """
    with db.transaction():
        announce(db, "nightly.failed", "", 0, {"step": step, "why": why, "audiences": sorted(left)})


class Outbox:
    """The subscriptions of one tenant and the messages to them; safe to use from threads and processes at once."""

    def __init__(self, db: Database, private: bool) -> None:
        """Work on the file of a registry.

        Args:
            db: where it is kept.
            private: whether addresses that are not public are allowed.
        """
        self._db, self.private = db, private

    def add(self, url: str, events: Collection[str] = EVENTS) -> NewSubscription:
        """Tell a URL of some events from now on.

        Raises:
            RequestError: the URL or an event cannot be, the URL is told already, or there are too many.
        """
        url = checked_url(url, self.private)
        if unknown := sorted(set(events) - set(EVENTS)):
            raise RequestError(f"There is no event '{unknown[0][:40]}'; choose among {', '.join(EVENTS)}.")
        chosen = tuple(each for each in EVENTS if each in events)
        if not chosen:
            raise RequestError(f"Name at least one event of {', '.join(EVENTS)}.")
        made = NewSubscription(
            id=f"wh-{token_hex(6)}",
            url=url,
            events=chosen,
            created=datetime.now(UTC),
            secret=new_secret(),
        )
        with self._db.transaction():
            there = self._db.run("SELECT id, url FROM webhooks")
            if twin := [row["id"] for row in there if row["url"] == url]:
                raise RequestError(f"{url[:80]} is told already ({twin[0]}); remove that webhook first.")
            if len(there) >= _MOST:
                raise RequestError(f"There are {_MOST} webhooks already; remove one first.")
            values = (made.id, url, made.secret, " ".join(chosen), _text(made.created))
            self._db.run("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, '')", values)
        return made

    def subscriptions(self) -> tuple[Subscription, ...]:
        """Every subscription, oldest first, without its secret."""
        with self._db.reading():
            rows = self._db.run("SELECT id, url, events, created, disabled FROM webhooks ORDER BY created, id")
        return tuple(Subscription.model_validate({**row, "events": row["events"].split()}) for row in rows)

    def remove(self, webhook: str) -> Subscription:
        """Tell a URL nothing more; what was waiting for it is given up.

        Args:
            webhook: the id of the subscription, or its URL.

        Raises:
            RequestError: there is none.
        """
        for found in self.subscriptions():
            if webhook.strip() in (found.id, found.url):
                with self._db.transaction():
                    self._db.run("DELETE FROM webhooks WHERE id = ?", (found.id,))
                    self._drop(found.id, "the webhook was removed")
                return found
        raise _no_webhook(webhook)

    def test(self, webhook: str) -> PostResult:
        """Send one signed message of the type 'webhook.test' now, once; it says nothing of any audience.

        Args:
            webhook: the id of the subscription, or its URL.

        Raises:
            NotThereError: there is none.
        """
        with self._db.reading():
            found = self._db.run("SELECT url, secret FROM webhooks WHERE ? IN (id, url)", (webhook.strip(),))
        if not found:
            raise _no_webhook(webhook)
        body = json.dumps({"type": "webhook.test", "timestamp": _text(datetime.now(UTC)), "data": {}})
        return post(found[0]["url"], found[0]["secret"], f"msg_{token_hex(12)}", body, self.private)

    def deliveries(self, limit: int = 50) -> tuple[Delivery, ...]:
        """The latest messages and what became of them, newest first."""
        with self._db.reading():
            rows = self._db.run("SELECT * FROM deliveries ORDER BY created DESC, rowid DESC LIMIT ?", (limit,))
        return tuple(Delivery.model_validate({name: row[name] for name in Delivery.model_fields}) for row in rows)

    def take(self, now: datetime) -> Outgoing | None:
        """The message that has been due longest, for this caller alone for ``LEASE`` seconds; None where none is due.

        The try is counted before it is made: a message that ends the process is not tried for ever.
        """
        with self._db.reading():
            if not self._due(now):
                return None
        with self._db.transaction():
            for row in self._due(now):
                lease = _text(now + timedelta(seconds=LEASE))
                self._db.run("UPDATE deliveries SET tries = tries + 1, due = ? WHERE id = ?", (lease, row["id"]))
                return Outgoing.model_validate({**row, "tries": row["tries"] + 1})
        return None

    def settle(self, sent: Outgoing, answer: PostResult, now: datetime) -> None:
        """Write down what came of a try, and when the next one is.

        The other messages to an address that fails wait as well, so that one broken address does not hold up the rest.
        """
        with self._db.transaction():
            if answer.taken:
                self._end(sent.id, "delivered", answer.words)
            elif answer.gone:
                self._db.run("UPDATE webhooks SET disabled = ? WHERE id = ?", (answer.words, sent.webhook))
                self._drop(sent.webhook, f"{answer.words}, so the webhook is off")
            elif sent.tries > len(WAITS):
                self._end(sent.id, "given up", answer.words)
            else:
                due = _text(now + timedelta(seconds=max(WAITS[sent.tries - 1], answer.wait)))
                self._db.run("UPDATE deliveries SET due = ?, answer = ? WHERE id = ?", (due, answer.words, sent.id))
                self._db.run(
                    "UPDATE deliveries SET due = ? WHERE webhook = ? AND state = 'waiting' AND due < ?",
                    (due, sent.webhook, due),
                )

    def _due(self, now: datetime) -> list[sqlite3.Row]:
        return self._db.run(
            "SELECT deliveries.id, webhook, webhooks.url, secret, body, tries FROM deliveries JOIN webhooks "
            "ON webhooks.id = webhook WHERE state = 'waiting' AND due <= ? ORDER BY due, deliveries.rowid LIMIT 1",
            (_text(now),),
        )

    def _end(self, delivery: str, state: str, words: str) -> None:
        self._db.run(
            "UPDATE deliveries SET state = ?, answer = ?, due = NULL WHERE id = ?", (state, words, delivery)
        )  # fmt: skip

    def _drop(self, webhook: str, words: str) -> None:
        """Give up everything that waits for one address."""
        self._db.run(
            "UPDATE deliveries SET state = 'given up', answer = ?, due = NULL WHERE webhook = ? AND state = 'waiting'",
            (words, webhook),
        )


def _no_webhook(webhook: str) -> NotThereError:
    return NotThereError(f"There is no webhook '{webhook[:80]}'; 'audience webhook list' shows those there are.")


def _text(time: datetime) -> str:
    """A moment as text that sorts like time."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


# --- What the messages say: ids, counts and dates of one saved audience. Never a user -------------


def announce_saved(disclosure: Disclosure) -> Emit:
    """What the registry calls when a version was saved: writes its message; ``disclosure`` shows its counts."""

    def emit(db: Database, version: SavedVersion) -> None:
        saved = version.audience
        shown = shown_audience(saved, disclosure)
        if version.before is None:
            announce(db, "audience.ready", saved.id, saved.version, about(shown))
            return
        question, before = refresh_question(saved), set(version.before)
        sizes = (disclosure.count(before, *question, "before"), shown.users)
        changes = moves((before, set(version.members)), sizes, disclosure, question)._asdict()
        announce(db, "audience.refreshed", saved.id, saved.version, about(shown) | changes)

    return emit


def announce_drift(db: Database, saved: SavedAudience, drift: Drift) -> None:
    """Tell that a version drifted, once for the day and the model it was asked with, inside a transaction.

    Args:
        db: the file of the registry.
        saved: the version, and
        drift: its drift, both with counts as they are shown.
    """
    said = {"checked", "users_now", "stayed", "came", "left", "moved", "counted", "reasons"}
    data = about(saved) | drift.model_dump(mode="json", include=said) | {"checked_with": drift.model_version}
    once = f"drift {saved.id} {saved.version} {drift.checked} {drift.model_version}"
    announce(db, "audience.drifted", saved.id, saved.version, data, once)


def about(saved: SavedAudience) -> dict[str, Any]:
    """One version in figures."""
    return {
        "audience_id": saved.id,
        "name": saved.name,
        "version": saved.version,
        "users": saved.users,
        "holdout": saved.holdout,
        "as_of": saved.as_of.isoformat(),
        "model_version": saved.model_version,
    }

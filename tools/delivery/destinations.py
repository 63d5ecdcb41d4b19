"""Where audiences can go: ad platforms and what they expect of a list, plugins, and webhooks of one tenant."""

import re
import tomllib
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any, Protocol, runtime_checkable

from pydantic import Field
from pydantic_core import to_json
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from encoders.data.contacts import PLAIN, ContactFormat
from encoders.errors import DestinationError, RequestError
from encoders.records import Record
from tools.delivery.member_tables import MemberTable, checked_table
from tools.delivery.posting import PostResult, checked_url, new_secret, post
from tools.operation_types import DestinationCard, NewDestination
from tools.storage.sqlite import Database
from tools.types import SavedAudience

# --- What ad platforms expect of a list: columns, spelling before the hash, the smallest size, and names
#     they refuse ---


class Platform(Record):
    """One platform's rules, from ``platforms.toml``."""

    key: str
    name: str
    email: str
    phone: str = ""
    gmail: bool = Field(description="whether dots and +suffixes of Gmail names are dropped before hashing")
    plus: bool = Field(True, description="whether a phone number is hashed with its plus sign")
    smallest: int = Field(description="rows of the smallest list that is of use there")
    columns: tuple[str, ...] = Field((), description="the whole header, where it may not be changed")
    refused: tuple[str, ...] = Field((), description="patterns of words a name or description may not have")

    @property
    def contact_columns(self) -> dict[str, str]:
        """The platform's column for each contact it takes: email, phone."""
        return {"email": self.email} | ({"phone": self.phone} if self.phone else {})

    def hashed(self, kind: str, contact: str, form: ContactFormat = PLAIN) -> str | None:
        """The hash the platform matches on; None for something that is no contact.

        Args:
            kind: 'email' or 'phone'.
            contact: as it stands in the data.
            form: how the contacts of the data are written.
        """
        return form.hash(kind, contact, self.gmail, self.plus)

    def check_name(self, saved: SavedAudience) -> None:
        """Refuse what the platform would refuse.

        Raises:
            RequestError: the name or the description suggests something it does not allow.
        """
        for words in (saved.name, saved.definition):
            if found := re.search(rf"\b(?:{'|'.join(self.refused)})\b", words, re.IGNORECASE) if self.refused else None:
                raise RequestError(
                    f'{self.name} turns down audiences whose name or description suggests health or money, and "'
                    f'{found.group()}" does ("{words[:80]}"). Save it under another name or about something else, or '
                    "export it for another platform."
                )

    def warnings(self, rows: int) -> tuple[str, ...]:
        """What to know before ``rows`` are uploaded."""
        if rows >= self.smallest:
            return ()
        return (f"{self.name} needs at least {self.smallest:,} rows to be of use, and this list has {rows:,}.",)


@lru_cache
def platforms() -> dict[str, Platform]:
    """Every platform by its key."""
    table = tomllib.loads(files("tools.delivery").joinpath("platforms.toml").read_text("utf-8"))
    return {key: Platform(key=key, **rules) for key, rules in table.items()}


def platform_named(name: str) -> Platform:
    """The platform of that name.

    Raises:
        RequestError: it is not known here.
    """
    known = platforms()
    if name.strip().lower() not in known:
        names = ", ".join(each.name for each in known.values())
        raise RequestError(f"There is no platform '{name[:40]}' here; export for {names}, or without a platform.")
    return known[name.strip().lower()]


# --- Destinations: the protocol, ad platforms, plugins, and webhooks of one tenant ----------------


GROUP = "audience.destinations"


class Person(Record):
    """One user of the audience as they may leave: hashes alone, SHA-256 in lower-case hexadecimal."""

    user_sha256: str = Field(description="of their id in the data")
    email_sha256: str | None = Field(None, description="of the address in lower case, without blanks around it")
    phone_sha256: str | None = Field(None, description="of the number as E.164, with its plus sign")


class Batch(Record):
    """A part of one push of an audience: its batches have everybody once, and nobody who is held out."""

    id: str = Field(description="the same whenever this batch is sent again; a receiver drops an id it has seen")
    push: str = Field(description="the same for all batches that belong together")
    number: int = Field(description="1 for the first")
    batches: int
    last: bool
    audience_id: str
    name: str
    version: int
    as_of: date
    created: datetime = Field(description="when the push began")
    users: int = Field(description="people in all of its batches")
    people: tuple[Person, ...]


class Receiver(Record):
    """Who a file of hashes is written for, before it is sent."""

    key: str
    name: str


@runtime_checkable
class Destination(Protocol):
    """What a plugin makes, called without arguments; its settings it finds itself."""

    name: str
    """What people call it."""
    batch_size: int
    """How many people it takes at once, at most."""

    def send(self, batch: Batch) -> None:
        """Take one batch; it may come again with the same id, after a failure.

        Raises:
            DestinationError: it was not taken; the text says why. Whatever else is raised ends the push as well.
        """


def plugins() -> dict[str, EntryPoint]:
    """Every plugin by the name it is asked for, in lower case; nothing of it is loaded."""
    return {each.name.strip().lower(): each for each in entry_points(group=GROUP)}


def load(plugin: EntryPoint) -> Destination:
    """The destination that a plugin makes.

    Raises:
        DestinationError: it makes none; the text names the package and what is wrong with it.
    """
    try:
        made = plugin.load()()
    except (Exception, SystemExit) as error:
        raise _broken(plugin, f"{type(error).__name__}: {error}") from error
    if not isinstance(made, Destination) or not callable(made.send):
        raise _broken(plugin, "it has no name, batch_size and send")
    if not isinstance(made.name, str) or not isinstance(made.batch_size, int) or made.batch_size < 1:
        raise _broken(plugin, "its name has to be a text and its batch_size a number above 0")
    return made


def _broken(plugin: EntryPoint, why: str) -> DestinationError:
    package = plugin.dist.name if plugin.dist else plugin.value
    return DestinationError(
        f"The destination '{plugin.name}' of the package {package} cannot be used ({why[:300]}); update or remove that "
        "package."
    )


BATCH = 1000
TRIES = 4


class WebhookDestination:
    """Sends each batch as one message by the Standard Webhooks specification, whose id is that of the batch."""

    batch_size = BATCH

    def __init__(self, name: str, url: str, secret: str, private: bool) -> None:
        """Send to a URL.

        Args:
            name: what it was called when it was added.
            url: where to.
            secret: whsec_..., what the batches are signed with.
            private: whether addresses that are not public are allowed.
        """
        self.name = name
        self._to, self._private = (url, secret), private

    def send(self, batch: Batch) -> None:
        """Send one batch; what may work in a moment is tried again with growing waits.

        Raises:
            DestinationError: the receiver did not take it.
        """
        message: dict[str, Any] = {"type": "audience.members", "timestamp": batch.created, "data": batch}
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential_jitter(initial=1, max=20),
            retry=retry_if_result(_again),
            retry_error_callback=_last,
        )
        answer: PostResult = retrying(post, *self._to, batch.id, to_json(message).decode(), self._private)
        if not answer.taken:
            raise DestinationError(f"{self.name}: {answer.words}")


def _again(answer: PostResult) -> bool:
    return answer.worth_repeating


def _last(state: RetryCallState) -> PostResult:
    """What came of the last try."""
    assert state.outcome is not None
    answer: PostResult = state.outcome.result()
    return answer


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_OWN = "SELECT name FROM receivers UNION ALL SELECT name FROM member_tables"


def _checked_name(name: str) -> str:
    key = name.strip().lower()
    if not _NAME.fullmatch(key):
        raise RequestError(f"'{name[:40]}' cannot be a name; use up to 40 letters, digits and hyphens, such as crm.")
    return key


class Destinations:
    """What one tenant can export to."""

    def __init__(self, db: Database, private: bool) -> None:
        """Work on the file of a registry.

        Args:
            db: where the webhooks of the tenant are kept.
            private: whether they may lead to addresses that are not public.
        """
        self._db, self._private = db, private

    def list(self) -> tuple[DestinationCard, ...]:
        """All of them: platforms, plugins, webhooks, tables."""
        found = [DestinationCard(key=key, name=each.name, kind="file") for key, each in platforms().items()]
        for key, plugin in plugins().items():
            if key in platforms():
                continue
            try:
                found.append(DestinationCard(key=key, name=load(plugin).name, kind="plugin"))
            except DestinationError as error:
                found.append(DestinationCard(key=key, name=key, kind="plugin", problem=str(error)))
        with self._db.reading():
            rows = self._db.run("SELECT name, url FROM receivers ORDER BY name")
            webhooks = [
                DestinationCard(key=each["name"], name=each["name"], kind="webhook", url=each["url"]) for each in rows
            ]
            rows = self._db.run("SELECT name, place FROM member_tables ORDER BY name")
        tables = [
            DestinationCard(key=each["name"], name=each["name"], kind="table", table=each["place"]) for each in rows
        ]
        return (*found, *webhooks, *tables)

    def named(self, name: str) -> Platform | Destination | MemberTable:
        """The destination of that name.

        Raises:
            RequestError: there is none.
            DestinationError: it is a plugin that cannot be used.
        """
        key = name.strip().lower()
        if key in platforms():
            return platforms()[key]
        with self._db.reading():
            for row in self._db.run("SELECT name, url, secret FROM receivers WHERE name = ?", (key,)):
                return WebhookDestination(row["name"], row["url"], row["secret"], self._private)
            for row in self._db.run("SELECT * FROM member_tables WHERE name = ?", (key,)):
                return MemberTable(row["name"], row["connection"], row["place"], bool(row["user_ids"]))
        if key in plugins():
            return load(plugins()[key])
        with self._db.reading():
            own = [row["name"] for row in self._db.run(f"{_OWN} ORDER BY name")]
        names = ", ".join([*(each.name for each in platforms().values()), *plugins(), *own])
        raise RequestError(f"There is no platform '{name[:40]}' here; export for {names}, or without a platform.")

    def add(self, name: str, url: str) -> NewDestination:
        """Add a system of one's own, which is sent signed batches.

        Raises:
            RequestError: the name is taken or cannot be one, or the URL cannot be.
        """
        key, url, secret = _checked_name(name), checked_url(url, self._private), new_secret()
        with self._db.transaction():
            self._check_free(key)
            values = (key, url, secret, datetime.now(UTC).isoformat())
            self._db.run("INSERT INTO receivers VALUES (?, ?, ?, ?)", values)
        return NewDestination(key=key, name=key, kind="webhook", url=url, secret=secret)

    def add_table(self, name: str, connection: str, table: str, user_ids: bool = False) -> DestinationCard:
        """Add a table of a database of the owner's, who alone may do so.

        Args:
            name: what 'export' calls it.
            connection: which database, as in a spec.
            table: its name there.
            user_ids: whether users are written by their ids, and not by the hashes of these.

        Raises:
            RequestError: the name is taken or cannot be one, or the connection or the table cannot be used.
        """
        key, (connection, table) = _checked_name(name), checked_table(connection, table)
        with self._db.transaction():
            self._check_free(key)
            values = (key, connection, table, int(user_ids), datetime.now(UTC).isoformat())
            self._db.run("INSERT INTO member_tables VALUES (?, ?, ?, ?, ?)", values)
        return DestinationCard(key=key, name=key, kind="table", table=table)

    def _check_free(self, key: str) -> None:
        there = self._db.run(f"SELECT 1 FROM ({_OWN}) WHERE name = ?", (key,))
        if there or key in platforms() or key in plugins():
            raise RequestError(f"There is a destination '{key}' already; remove it first, or take another name.")

    def remove(self, name: str) -> None:
        """Forget a system or a table of one's own; what is in the table stays there.

        Raises:
            RequestError: none of that name was added.
        """
        key = (name.strip().lower(),)
        with self._db.transaction():
            found = self._db.run("DELETE FROM receivers WHERE name = ? RETURNING name", key)
            found += self._db.run("DELETE FROM member_tables WHERE name = ? RETURNING name", key)
            if not found:
                raise RequestError(f"No destination '{name[:40]}' was added here, so there is none to remove.")

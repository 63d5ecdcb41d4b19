"""Every destination there is, by name: the files of ad platforms, plugins, and the webhooks of one tenant."""

import re
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoders.errors import DestinationError, RequestError
from tools.database import Database
from tools.destinations.plugins import load, plugins
from tools.destinations.protocol import Destination
from tools.destinations.webhook import WebhookDestination
from tools.platforms import Platform, platforms
from tools.webhooks.address import checked_url
from tools.webhooks.posting import new_secret

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class DestinationCard(BaseModel):
    """One destination as it is listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(description="what 'export' calls it")
    name: str
    kind: Literal["file", "webhook", "plugin"] = Field(description="'file': written here for a person to upload")
    url: str = Field("", description="where a webhook sends to")
    problem: str = Field("", description="why it cannot be used; empty where it can")


class NewDestination(DestinationCard):
    """A webhook as it is added, the only time its secret is shown."""

    secret: str = Field(
        repr=False, description="what batches are signed with (whsec_...); the receiver checks them with it"
    )


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
        """All of them: platforms, plugins, webhooks."""
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
        webhooks = [DestinationCard(key=row["name"], name=row["name"], kind="webhook", url=row["url"]) for row in rows]
        return (*found, *webhooks)

    def named(self, name: str) -> Platform | Destination:
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
        if key in plugins():
            return load(plugins()[key])
        with self._db.reading():
            own = [row["name"] for row in self._db.run("SELECT name FROM receivers ORDER BY name")]
        names = ", ".join([*(each.name for each in platforms().values()), *plugins(), *own])
        raise RequestError(f"There is no platform '{name[:40]}' here; export for {names}, or without a platform.")

    def add(self, name: str, url: str) -> NewDestination:
        """Add a system of one's own, which is sent signed batches.

        Raises:
            RequestError: the name is taken or cannot be one, or the URL cannot be.
        """
        key, url = name.strip().lower(), checked_url(url, self._private)
        if not _NAME.fullmatch(key):
            raise RequestError(
                f"'{name[:40]}' cannot be a name; use up to 40 letters, digits and hyphens, such as crm."
            )
        secret = new_secret()
        with self._db.transaction():
            there = self._db.run("SELECT 1 FROM receivers WHERE name = ?", (key,))
            if there or key in platforms() or key in plugins():
                raise RequestError(f"There is a destination '{key}' already; remove it first, or take another name.")
            values = (key, url, secret, datetime.now(UTC).isoformat())
            self._db.run("INSERT INTO receivers VALUES (?, ?, ?, ?)", values)
        return NewDestination(key=key, name=key, kind="webhook", url=url, secret=secret)

    def remove(self, name: str) -> None:
        """Forget a system of one's own.

        Raises:
            RequestError: none of that name was added.
        """
        with self._db.transaction():
            if not self._db.run("DELETE FROM receivers WHERE name = ? RETURNING name", (name.strip().lower(),)):
                raise RequestError(f"No destination '{name[:40]}' was added here, so there is none to remove.")

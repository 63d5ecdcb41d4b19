"""What a destination is: something with a name that takes a saved audience in batches.

Another package offers one as an entry point of the group ``audience.destinations``; see docs/destinations.md.
"""

from datetime import date, datetime
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field

GROUP = "audience.destinations"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Person(_Model):
    """One user of the audience as she may leave: hashes alone, SHA-256 in lower-case hexadecimal."""

    user_sha256: str = Field(description="of her id in the data")
    email_sha256: str | None = Field(None, description="of the address in lower case, without blanks around it")
    phone_sha256: str | None = Field(None, description="of the number as E.164, with its plus sign")


class Batch(_Model):
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


class Receiver(_Model):
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

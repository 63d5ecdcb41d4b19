"""Who is told what, and what became of each message."""

from datetime import datetime
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Event = Literal["audience.ready", "audience.refreshed", "audience.drifted"]
EVENTS: tuple[Event, ...] = get_args(Event)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Subscription(_Model):
    """One address that is told of some events."""

    id: str
    url: str
    events: tuple[Event, ...]
    created: datetime
    disabled: str = Field("", description="why nothing is sent there any more; empty while it is in use")


class NewSubscription(Subscription):
    """A subscription as it is made, the only time its secret is shown."""

    secret: str = Field(
        repr=False, description="what messages are signed with (whsec_...); the receiver checks them with it"
    )


class Delivery(_Model):
    """One message to one address."""

    id: str = Field(description="the header webhook-id, the same on every try; a receiver drops an id it has seen")
    webhook: str
    url: str
    event: Event
    audience: str
    version: int
    created: datetime
    state: Literal["waiting", "delivered", "given up"]
    tries: int
    due: datetime | None = Field(description="when it is tried next; None once it is not")
    answer: str = Field(description="what came of the last try; empty before the first")


class Outgoing(_Model):
    """A delivery that somebody has taken on, with what sending it needs."""

    id: str
    webhook: str
    url: str
    secret: str = Field(repr=False)
    body: str
    tries: int = Field(description="this one included")

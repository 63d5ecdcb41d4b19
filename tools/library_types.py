"""What is known of a saved audience in the library: its versions, where it is in use, and what can be brought back."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from encoders.records import Record
from tools.types import Count, Interval


class VersionChange(Record):
    """One version of a saved audience, and who came and left since the one before."""

    version: int
    as_of: date
    created: datetime
    approved_by: str
    definition: str = Field(description="the audience in words")
    users: Count
    holdout: Count
    forecast: Interval | None = Field(description="responders expected among its users when it was saved")
    stayed: Count = Field(description="who was in the version before as well; null for the first, or withheld")
    came: Count
    left: Count


class AudienceHistory(Record):
    """All versions of a saved audience."""

    versions: tuple[VersionChange, ...] = Field(description="the first one first")


class AudienceUse(Record):
    """One place that a saved audience went to, or another audience that is made with it."""

    kind: Literal["live", "file", "sent", "combination", "condition"] = Field(
        description="'live': another agent or system uses it; 'file': exported for a person; 'sent': to a destination; "
        "'combination' and 'condition': another saved audience is made of it, or asks who is in it"
    )
    what: str = Field(description="the destination, or the name of the other audience; empty for a plain file")
    audience_id: str = Field("", description="of the other audience")
    version: int | None = Field(None, description="of this audience")
    time: datetime | None = None
    users: Count = Field(None, description="rows that left; null where it is withheld")


class AudienceUses(Record):
    """Where a saved audience is in use."""

    uses: tuple[AudienceUse, ...] = Field(description="the latest first")
    files: tuple[str, ...] = Field(description="names of files of it that can still come down")


class DeletedAudience(Record):
    """A saved audience that was deleted and can still be brought back."""

    id: str
    name: str
    deleted: datetime
    deleted_by: str
    until: date = Field(description="the day on which it is gone for good")


class DeletedAudiences(Record):
    """What can still be brought back."""

    audiences: tuple[DeletedAudience, ...] = Field(description="the last deleted first")


class Region(Record):
    """Users who are in some of the compared audiences and in no other of them."""

    inside: tuple[str, ...] = Field(description="names of the audiences they are in")
    users: Count

"""Answers that only a protocol needs: pages of the saved audiences, what is offered here, files by address."""

from collections.abc import Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoders.errors import RequestError
from tools.types import Count, ExportFile, LeftOut, SavedAudience

VERSION = "1"
"""Of the operations and resources: raised when a caller would have to change."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AudiencePage(_Model):
    """A part of the list of saved audiences."""

    audiences: tuple[SavedAudience, ...]
    next_cursor: str = Field(description="what gives the next page; empty on the last")


class RefreshDay(_Model):
    """When a saved audience would be refreshed."""

    day: date


class CombinedUsers(_Model):
    """How many users a combination has."""

    users: Count


class Capabilities(_Model):
    """Which version, model and data answer, and what may be asked of them."""

    version: str = Field(description="of the operations and resources")
    model_version: str
    data_version: str
    as_of: date
    minimum_size: int = Field(description="smaller audiences are not previewed, profiled or exported")
    formats: tuple[str, ...] = Field(description="of exports")
    platforms: tuple[str, ...] = Field(description="ad platforms that exports are written for")


class Exported(_Model):
    """A file that was written, where it comes down, and how to check it."""

    name: str
    href: str = Field(description="where it comes down")
    audience_id: str
    version: int
    format: Literal["csv", "parquet"]
    rows: int
    held_out: int
    columns: tuple[str, ...]
    sha256: str
    platform: str = Field(description="the destination it was written for; empty for none in particular")
    batches: int = Field(description="how many batches were sent there; 0 where a person uploads the file")
    warnings: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = Field((), description="who else is not in it, by reason; 'warnings' says so, too")
    expires: date | None = Field(None, description="the day on which the file is deleted")


def download(file: ExportFile, root: str) -> Exported:
    """What a caller from elsewhere needs of a file, but not where it lies on this machine.

    Args:
        file: what was written.
        root: where the resources are mounted.
    """
    name = file.path.replace("\\", "/").rpartition("/")[2]
    return Exported(name=name, href=f"{root}/exports/{name}", **file.model_dump(exclude={"path"}))


def audience_page(audiences: Sequence[SavedAudience], limit: int, cursor: str) -> AudiencePage:
    """One page of a list; what is saved meanwhile neither repeats nor hides what was there.

    Raises:
        RequestError: the cursor is none of a page before.
    """
    ids = ["", *(each.id for each in audiences)]
    if cursor not in ids:
        raise RequestError("There is no such page; begin again without a cursor.")
    start = ids.index(cursor)
    page = tuple(audiences[start : start + limit])
    more = start + limit < len(audiences)
    return AudiencePage(audiences=page, next_cursor=page[-1].id if more else "")

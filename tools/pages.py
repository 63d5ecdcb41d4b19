"""Answers that only a protocol needs: pages of the saved audiences, and the day of a refresh."""

from collections.abc import Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict, Field

from encoders.errors import RequestError
from tools.types import SavedAudience


class AudiencePage(BaseModel):
    """A part of the list of saved audiences."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    audiences: tuple[SavedAudience, ...]
    next_cursor: str = Field(description="what gives the next page; empty on the last")


class RefreshDay(BaseModel):
    """When a saved audience would be refreshed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    day: date


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

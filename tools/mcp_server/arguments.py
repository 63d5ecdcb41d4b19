"""What the tools take in, with the words a model reads about it."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from tools.types import AudienceSpec

Spec = Annotated[
    AudienceSpec,
    Field(
        description="The audience. 'demand' is one precise sentence about what users will do next, its horizon "
        "included: 'Households that will buy coffee in the next 28 days'. It may go on with conditions ('who bought "
        "tea in the last 30 days'); filters, behaviours, life_cycle and memberships are hard conditions on attributes, "
        "on the past, on where users stand and on saved audiences. 'cut' is the share of the eligible users to keep, "
        "0 to 1."
    ),
]
AudienceName = Annotated[str, Field(min_length=1, max_length=200, description="A saved audience, by name or id.")]
SavedNames = Annotated[
    tuple[AudienceName, ...], Field(min_length=2, max_length=20, description="Saved audiences, by name or id.")
]
Operation = Annotated[
    Literal["and", "or", "not"],
    Field(description="'and': in all of them; 'or': in any of them; 'not': in the first and in no other"),
]
Version = Annotated[int | None, Field(ge=1, description="A version of it; null for the newest.")]
Day = Annotated[date | None, Field(description="The day to refresh it at; null for the day the data set names.")]
NewName = Annotated[
    str, Field(min_length=1, max_length=120, description="What it is called; a name that exists gets its next version.")
]
ApprovedBy = Annotated[
    str, Field(min_length=1, max_length=120, description="The person who said yes to this. Ask before you call.")
]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="An idempotency key, a new one for each thing to be done. Repeat a call whose answer was lost with "
        "the same key: it is done once.",
    ),
]

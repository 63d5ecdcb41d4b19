"""What operations take in, with the words a person or a model reads about it."""

from contextlib import suppress
from datetime import date
from enum import Enum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError, from_json

from tools.bounds import SEEDS
from tools.naming import one_line
from tools.operation_types import EVENTS, MOST_HELD_OUT, Event
from tools.types import FAIL_FAST, AudienceSpec


class Guarded(Enum):
    """Marks a text that has to pass the check which audiences pass; they are checked in this order."""

    DEMAND = "demand"
    NAME = "name"


Sentence = Annotated[str, Field(min_length=1, max_length=2000)]


def as_spec(given: object) -> object:
    """What a caller gives as an audience, as the parts of a spec: a sentence alone is its demand.

    Raises:
        PydanticCustomError: it is neither a sentence nor an object.
    """
    if not isinstance(given, str | dict | AudienceSpec):
        raise PydanticCustomError("spec", "give one sentence, or an object with it as 'demand'")
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("{"):  # models send objects as text, too
        with suppress(ValueError):
            return from_json(given)
    return {"demand": given}


Spec = Annotated[
    AudienceSpec,
    BeforeValidator(as_spec, json_schema_input_type=AudienceSpec | Sentence),
    Field(
        description="One sentence, such as 'Households that will buy coffee in the next 28 days, who bought tea in the "
        "last 30 days', or an object with such a 'demand'."
    ),
]
Specs = Annotated[
    tuple[AudienceSpec | Annotated[str, Field(max_length=200)], ...],
    FAIL_FAST,
    Field(min_length=2, max_length=20, description="Each a spec, or the name or id of a saved audience."),
]
Words = Annotated[str, Field(min_length=1, max_length=2000, description="Plain words, such as 'baby food'.")]
Hits = Annotated[int, Field(ge=1, le=50, description="How many at most.")]
Users = Annotated[int, Field(ge=1, le=20, description="How many users.")]
UserId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="As 'preview' shows it; with the scope admin also as in the data.",
    ),
]
CatalogueName = Annotated[
    str, Field(max_length=500, description="A source or a group, as 'browse' names it; empty for the sources.")
]
GroupName = Annotated[
    str, Field(min_length=1, max_length=500, description="A group, as 'browse' and 'search_groups' name it.")
]
Page = Annotated[int, Field(ge=0, le=1_000_000, description="Which page, from 0.")]

# --- saved audiences ------------------------------------------------------------------------------

AudienceName = Annotated[str, Field(min_length=1, max_length=200, description="A saved audience, by name or id.")]
SavedNames = Annotated[
    tuple[AudienceName, ...],
    FAIL_FAST,
    Field(min_length=2, max_length=20, description="Saved audiences, by name or id."),
]
Combining = Annotated[
    Literal["and", "or", "not"],
    Field(description="'and': in all of them; 'or': in any of them; 'not': in the first and in no other"),
]
OneAudience = Annotated[
    AudienceSpec | Annotated[str, Field(max_length=200)] | None,
    Field(description="A spec, or the name or id of a saved audience; null for what all campaigns say."),
]
Worth = Annotated[
    float | None,
    Field(gt=0, le=1e12, allow_inf_nan=False, description="In any one currency; both or neither of value and cost."),
]
Version = Annotated[int | None, Field(ge=1, description="Which version; without one, the newest.")]
OneVersion = Annotated[int, Field(ge=1, description="Which version.")]
Day = Annotated[date | None, Field(description="The day to refresh it at; without one, the day the data set names.")]
Limit = Annotated[int, Field(ge=1, le=100, description="How many on a page.")]
Cursor = Annotated[
    str, Field(max_length=200, description="'next_cursor' of the page before; empty for the first page.")
]
NewName = Annotated[
    str,
    Field(min_length=1, max_length=120, description="What it is called; a name that exists gets its next version."),
    AfterValidator(one_line),
    Guarded.NAME,
]
FreeName = Annotated[
    str,
    Field(max_length=120, description="What it is called from now on; a name that no other audience has."),
    AfterValidator(one_line),
    Guarded.NAME,
]
AnotherName = Annotated[
    str | None,
    Field(max_length=120, description="Another name for it, where its own is taken; null for the one it had."),
    AfterValidator(lambda name: None if name is None else one_line(name)),
    Guarded.NAME,
]
DeletedId = Annotated[
    str, Field(max_length=100, description="The 'id' of the audience, as 'deleted_audiences' has it.")
]
ApprovedBy = Annotated[
    str,
    Field(min_length=1, max_length=120, description="The person who said yes to this. Ask before you call."),
    AfterValidator(one_line),
]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        description="A new one for each thing to be done; what is repeated with its key is done once.",
    ),
]
Holdout = Annotated[
    float | None,
    Field(ge=0, le=MOST_HELD_OUT, description="Share of its users to hold out; null for the usual share."),
]
Holdouts = Annotated[
    tuple[Annotated[float, Field(gt=0, le=MOST_HELD_OUT)], ...],
    FAIL_FAST,
    Field(max_length=10, description="Shares to hold out; without any, the usual share and others beside it."),
]
Platform = Annotated[
    str,
    Field(
        max_length=60,
        description="What it is for, by its 'key' in 'destinations': google, meta, tiktok, linkedin, or one of the "
        "person's own, which it is sent to at once; empty for a plain file.",
    ),
]
Format = Annotated[Literal["csv", "parquet"], Field(description="Platforms take CSV alone.")]
ModelVersion = Annotated[
    str, Field(max_length=60, description="Which model, such as 2017-10-01-af846952e1; empty: the one that answers.")
]
FileName = Annotated[str, Field(max_length=100, description="The name of the file of an export, without its folder.")]
Responders = Annotated[
    str | None,
    Field(
        max_length=3_000_000,
        description="Who responded, as CSV text with a column 'user_id' (masks; with the scope admin ids, too) "
        "and, if known, 'date' and 'value'; null to count them in the data's own events, once the horizon is over.",
    ),
]

# --- tuned demands, jobs, webhooks, erasing -------------------------------------------------------

TunedName = Annotated[
    str, Field(min_length=1, max_length=60, description="A tuned demand, by the name that 'like' in a spec calls it.")
]
NewTunedName = Annotated[
    str,
    Field(min_length=1, max_length=60, description="What 'like' in a spec will call it."),
    AfterValidator(one_line),
    Guarded.NAME,
]
Seeds = Annotated[
    Annotated[tuple[Annotated[str, Field(max_length=200)], ...], FAIL_FAST, Field(max_length=SEEDS)] | AudienceName,
    Field(
        description="At least five users who are known to be meant, as 'preview' shows them (with the scope admin "
        "their ids, too), or the name or id of a saved audience."
    ),
]
FirstDemand = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=2000,
        description="The sentence to begin with; without one, what those users have in common.",
    ),
    Guarded.DEMAND,
]
JobId = Annotated[str, Field(max_length=100, description="The 'id' of the job.")]
WebhookId = Annotated[str, Field(max_length=100, description="The 'id' of the webhook.")]
Address = Annotated[str, Field(min_length=1, max_length=2000, description="Where to send to: http or https.")]
Events = Annotated[
    tuple[Event, ...],
    FAIL_FAST,
    Field(min_length=1, max_length=len(EVENTS), description="What it is told of; without any, of everything."),
]
Latest = Annotated[int, Field(ge=1, le=500, description="How many at most, the latest of them.")]
Conversation = Annotated[
    str, Field(min_length=1, max_length=100, description="Its id, as audit lines have it after 'chat'.")
]
UserIds = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200)], ...],
    FAIL_FAST,
    Field(min_length=1, max_length=1000, description="Their ids in the data."),
]

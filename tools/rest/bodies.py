"""What requests carry, with the words a reader of the interface sees about it."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from tools.goals import Goal
from tools.keeping import MOST_HELD_OUT
from tools.mcp_server.arguments import ApprovedBy, AudienceName, NewName, Operation, SavedNames
from tools.types import AudienceSpec, Count, ExportFile, LeftOut
from tools.webhooks.types import EVENTS, Event

EXAMPLE: JsonDict = {"demand": "Households that will buy coffee in the next 28 days", "cut": 0.2}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GoalWanted(_Body):
    """An audience, and what it is for; the cut of the spec is not read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"spec": EXAMPLE, "goal": {"users": 300}}]})

    spec: AudienceSpec
    goal: Goal


class UserAndAudience(_Body):
    """A user, and the audience she may be in."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": "1001", "spec": EXAMPLE}]})

    user_id: str = Field(
        min_length=1, max_length=200, description="as a preview shows it; with the scope admin also as in the data"
    )
    spec: AudienceSpec


class Compared(_Body):
    """Audiences to hold beside each other."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"audiences": ["Coffee", EXAMPLE]}]})

    audiences: tuple[AudienceSpec | Annotated[str, Field(max_length=200)], ...] = Field(
        min_length=2, max_length=20, description="each a spec, or the name or id of a saved audience"
    )


class Combination(_Body):
    """Saved audiences, and how they are joined."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"operation": "not", "audiences": ["Coffee", "Tea"]}]})

    operation: Operation
    audiences: SavedNames


class NewWebhook(_Body):
    """An address, and what it is told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"url": "https://example.com/hook"}]})

    url: str = Field(min_length=1, max_length=2000, description="http or https")
    events: tuple[Event, ...] = Field(EVENTS, min_length=1, max_length=len(EVENTS), description="without: all of them")


class NewCombination(Combination):
    """A combination to save."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"operation": "not", "audiences": ["Coffee", "Tea"], "name": "Coffee alone", "approved_by": "Robin"}
            ]
        }
    )

    name: NewName
    approved_by: ApprovedBy


class CombinedUsers(_Body):
    """How many users a combination has."""

    users: Count


class NewAudience(_Body):
    """An audience to save."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"spec": EXAMPLE, "name": "Coffee", "approved_by": "Robin"}]}
    )

    spec: AudienceSpec
    name: NewName
    approved_by: ApprovedBy
    holdout: float | None = Field(
        None,
        ge=0,
        le=MOST_HELD_OUT,
        strict=True,
        description="share of its users to keep back; null for the usual share",
    )


class NewExport(_Body):
    """What kind of file to write."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"format": "csv"}]})

    format: Literal["csv", "parquet"] = Field("csv", description="platforms take CSV alone")
    platform: str = Field(
        "",
        max_length=40,
        description="'key' of a destination: an ad platform for the list as it expects it, or where to send it; empty "
        "for a plain file",
    )


class Exported(_Body):
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

    @classmethod
    def of(cls, file: ExportFile, root: str) -> "Exported":
        """What a caller needs of a file, but not where it lies on this machine."""
        name = file.path.replace("\\", "/").rpartition("/")[2]
        return cls(name=name, href=f"{root}/exports/{name}", **file.model_dump(exclude={"path"}))


class NewErasure(_Body):
    """Whom to erase, and who said so."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approved_by": "Robin", "users": ["1001"]}]})

    approved_by: ApprovedBy
    users: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        min_length=1, max_length=1000, description="their ids in the data"
    )


class NewOutcome(_Body):
    """Who responded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"approved_by": "Robin", "responders_csv": "user_id,date\n1001,2017-10-03\n1007,2017-10-05\n"}]
        }
    )

    approved_by: ApprovedBy
    responders_csv: str | None = Field(
        None,
        max_length=3_000_000,
        description="CSV text with a column 'user_id' (masks; with the scope admin ids, too) and, if known, 'date' and "
        "'value'; null to count them in the "
        "data's own events, once the horizon is over",
    )
    version: int | None = Field(None, ge=1, strict=True, description="a version of the audience; null for the newest")


class NewTuned(_Body):
    """Users who are known to be meant, and the sentence to begin with."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"demand": EXAMPLE["demand"], "seeds": ["1001", "1007", "1012", "12", "99"]}]}
    )

    seeds: tuple[str, ...] | AudienceName = Field(
        description="at least five users as a preview shows them (with the scope admin their ids, too), or the name "
        "or id of a saved audience"
    )
    demand: str | None = Field(None, min_length=1, max_length=2000, description="null to look for users like them")


class NewRefresh(_Body):
    """When to refresh an audience, and who said yes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"approved_by": "Robin", "as_of": "2017-11-01"}]})

    approved_by: ApprovedBy
    as_of: date | None = Field(None, description="null for the day the data set names")


class Health(_Body):
    """Whether requests can be answered."""

    ready: bool


class Capabilities(_Body):
    """Which version, model and data answer, and what may be asked of them."""

    version: str = Field(description="of these resources")
    model_version: str
    data_version: str
    as_of: date
    minimum_size: int = Field(description="smaller audiences are not previewed, profiled or exported")
    formats: tuple[str, ...] = Field(description="of exports")
    platforms: tuple[str, ...] = Field(description="ad platforms that exports are written for")


class KindOfProblem(_Body):
    """A kind of problem."""

    type: str
    title: str
    status: int

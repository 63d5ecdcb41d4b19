"""What operations take and answer beyond the types of an audience: goals, catalogue, campaigns, webhooks, pages."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import Field, model_validator

from encoders.errors import RequestError
from encoders.records import Record
from tools.types import ON_REQUEST, Count, ExportFile, Interval, LeftOut, SampleUser, SavedAudience

# --- What is known of a saved audience later: how it did, and who came and left when it was refreshed ---


class Estimate(Record):
    """A measured figure with its 95 % interval."""

    low: float
    mid: float
    high: float


class Side(Record):
    """One side of the comparison: the users contacted, or those held out."""

    users: Count
    responders: Count
    rate: Estimate | None = Field(description="share of responders among its users; null for no users, or withheld")
    value: float | None = Field(None, description="sum of the values that came with the outcome, if any")


class CampaignOutcome(Record):
    """How a saved audience did: who responded of those contacted and of those held out, and what was forecast."""

    audience_id: str
    name: str
    version: int
    as_of: date
    source: Literal["file", "data"]
    contacted: Side
    held_out: Side
    uplift: Estimate | None = Field(description="rate contacted minus rate held out; None where nobody was held out")
    relative: Estimate | None = Field(description="uplift as a share of the rate held out; None where that is zero")
    always: Estimate | None = Field(
        None,
        description="the uplift by now with a 95 % interval that holds however often it is looked at before the end",
    )
    forecast: Interval | None = Field(description="responders expected among all users when it was saved")
    forecast_held: bool | None = Field(description="whether the responders counted lie in the interval of the forecast")
    notes: tuple[str, ...] = Field((), description="what was left out of the file, and what cannot be known")
    recorded: datetime
    recorded_by: str

    @property
    def responders(self) -> int | None:
        """Responders on both sides; None where those of one are withheld."""
        counted = (self.contacted.responders, self.held_out.responders)
        return None if None in counted else sum(each or 0 for each in counted)


class Refreshed(Record):
    """A new version of a saved audience at a later date, beside the one before."""

    saved: SavedAudience
    before: SavedAudience
    stayed: Count
    came: Count
    left: Count
    came_samples: Annotated[tuple[SampleUser, ...], ON_REQUEST] = Field(description="a few of those who came, masked")
    left_samples: Annotated[tuple[SampleUser, ...], ON_REQUEST] = Field(
        description="a few of those who left, masked, as of the new date"
    )


class Drift(Record):
    """A saved audience asked again on the data and model of today, beside its snapshot."""

    audience_id: str
    name: str
    version: int
    as_of: date = Field(description="of the snapshot")
    checked: date = Field(description="the as-of date it was asked at again")
    model_version: str = Field(description="the model it was asked with")
    users: Count = Field(description="in the snapshot; null: withheld")
    users_now: Count
    stayed: Count
    came: Count
    left: Count
    moved: float = Field(description="share of both that came or left by more than the interval explains, 0..1")
    forecast: Interval | None = Field(description="responders expected when it was saved")
    forecast_now: Interval | None
    counted: Count = Field(description="responders there were; null where the horizon is not over, or withheld")
    reasons: tuple[Literal["members", "calibration"], ...] = Field(
        description="'members': too many moved; 'calibration': the responders counted are not what was forecast"
    )

    @property
    def drifted(self) -> bool:
        """Whether it is no longer what was saved."""
        return bool(self.reasons)


class Reopened(Record):
    """What a running program answers from, after it looked for something newer."""

    changed: bool = Field(description="whether that is another version of the data, the model or the day than before")
    data_version: str
    model_version: str
    as_of: date
    before: str = Field("", description="the version of the data until now; empty where nothing changed")


class ModelCard(Record):
    """What a model was made from, and what was measured when it was."""

    model_version: str
    answers: bool = Field(description="whether the answers come from it")
    versions: tuple[str, ...] = Field(description="every model that is there, the newest first")
    card: str = Field(description="Markdown")


class UncheckedAudience(Record):
    """A saved audience that cannot be asked again, and why."""

    name: str
    why: str


class DriftReport(Record):
    """Every saved audience, as far as it can be asked again."""

    audiences: tuple[Drift, ...]
    unchecked: tuple[UncheckedAudience, ...]


# --- What was forecast for saved audiences, beside what then happened -----------------------------


Kind = Literal[
    "one thing", "several things", "first time", "attributes", "history", "spending", "known users", "combination"
]  # fmt: skip
Standing = Literal["open", "kept", "missed", "not counted", "withheld"]


class ForecastRecord(Record):
    """What was forecast for one version of a saved audience, and what then happened."""

    audience_id: str
    name: str
    version: int
    definition: str = Field(description="the audience in words")
    approved_by: str
    kind: Kind = Field(
        description="what was asked for: 'several things' at once; 'attributes' alone, whatever they do; with "
        "conditions on the 'history' or the 'spending'; like 'known users'; or a 'combination' of saved audiences"
    )
    as_of: date = Field(description="the day it was forecast on")
    until: date | None = Field(description="the first day after its horizon; null for a combination")
    users: Count
    forecast: Interval | None = Field(description="responders expected among its users when it was saved")
    status: Standing = Field(
        description="'open': the data ends before the horizon does; 'kept' and 'missed': whether the responders lie in "
        "the interval; 'not counted': 'note' says why; 'withheld': too few to be shown"
    )
    responders: Count = Field(description="users of it who did it within the horizon, by the events of the data")
    lift: float | None = Field(description="their share over the share among everyone who was active before that day")
    ratio: float | None = Field(description="responders over those expected")
    uplift: Estimate | None = Field(
        description="by the outcome that was brought as a file: rate contacted minus rate held out"
    )
    note: str = Field(description="why nothing was counted, or what to know about the count; may be empty")


class ForecastScore(Record):
    """How many of some forecasts held."""

    by: Literal["all", "kind", "approved_by", "month"] = Field(description="what they have in common; 'month' of as_of")
    value: str
    forecasts: int
    open: int
    counted: int = Field(description="those whose outcome is known: kept or missed")
    kept: int
    share: Estimate | None = Field(description="kept over counted, with its 95 % interval (Wilson)")
    ratio: float | None = Field(description="median of responders over those expected; 1 is right on the whole")


class LedgerPage(Record):
    """A part of the forecasts of all saved audiences, and how many of all held."""

    level: float = Field(description="share of intervals that should hold what then happens")
    data_version: str
    data_ends: date
    overall: ForecastScore
    groups: tuple[ForecastScore, ...] = Field(description="the same by kind, by who approved it, and by month")
    deleted: int = Field(description="audiences that were deleted since; nothing of them is counted here")
    forecasts: tuple[ForecastRecord, ...] = Field(description="the latest first")
    next_cursor: str = Field(description="what gives the next page; empty on the last")


# --- What operations take and answer besides: goals, catalogue, destinations, webhooks, pages ---


VERSION = "1"
"""Of the operations and resources: raised when a caller would have to change."""
MOST_HELD_OUT = 0.5
"""Share of an audience that may be held out at most: more would measure an effect on hardly anybody."""


class AudiencePage(Record):
    """A part of the list of saved audiences."""

    audiences: tuple[SavedAudience, ...]
    next_cursor: str = Field(description="what gives the next page; empty on the last")


class RefreshDay(Record):
    """When a saved audience would be refreshed."""

    day: date


class CombinedUsers(Record):
    """How many users a combination has."""

    users: Count


class Capabilities(Record):
    """Which version, model and data answer, and what may be asked of them."""

    version: str = Field(description="of the operations and resources")
    model_version: str
    data_version: str
    as_of: date
    minimum_size: int = Field(description="smaller audiences are not previewed, profiled or exported")
    formats: tuple[str, ...] = Field(description="of exports")
    platforms: tuple[str, ...] = Field(description="ad platforms that exports are written for")


class Exported(Record):
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


class CataloguePage(Record):
    """Names on one level of the catalogue, those that most users did something of lately first."""

    of: str = Field(description="the source or group the names belong to; empty for the sources themselves")
    names: tuple[str, ...]
    total: int = Field(description="names on this level, those that are not shown included")


class GroupCard(Record):
    """What is known of one group of items, as of the as-of date."""

    group: str
    source: str
    action: str = Field(description="what users do with it")
    users: Count = Field(description="who did something of it in the 91 days before the as-of date")
    items: tuple[str, ...] = Field(description="the items most users did lately")
    item_count: int
    interval_days: float | None = Field(
        description="median days between two days on which one user did something of it; null where fewer users than "
        "the minimum size came back"
    )


Money = Annotated[float | None, Field(gt=0, le=1e12, strict=True)]


class Goal(Record):
    """What the marketer wants to reach; money is in any one currency."""

    users: int | None = Field(None, ge=1, strict=True, description="so many users")
    precision: float | None = Field(
        None, gt=0, le=1, strict=True, description="at least this share of them shall respond"
    )
    budget: Money = Field(None, description="what contacting them may cost at most")
    cost: Money = Field(None, description="of contacting one user")
    value: Money = Field(None, description="of one responder")

    @property
    def money_or_share(self) -> bool:
        """Whether it asks for more than a number of users."""
        return self.cost is not None or self.precision is not None

    @model_validator(mode="after")
    def _money_needs_a_cost(self) -> "Goal":
        if (self.budget or self.value) and self.cost is None:
            raise ValueError("a budget or a value needs the cost of a contact")
        return self


class GoalReached(Record):
    """The cut for a goal, and what it brings."""

    goal: Goal
    cut: float = Field(description="share of the eligible users")
    users: Count
    responders: Interval | None = Field(description="null where fewer than the minimum size are eligible")
    cost: float | None = Field(None, description="of contacting them")
    profit: Interval | None = Field(None, description="value of the responders less the cost")
    reached: bool = Field(description="False: not even the best users are good enough; the cut is the nearest there is")


class DestinationCard(Record):
    """One destination as it is listed."""

    key: str = Field(description="what 'export' calls it")
    name: str
    kind: Literal["file", "webhook", "plugin", "table"] = Field(
        description="'file': written here for a person to upload; 'table': rows in a database of the owner"
    )
    url: str = Field("", description="where a webhook sends to")
    table: str = Field("", description="the name of the table in the database")
    problem: str = Field("", description="why it cannot be used; empty where it can")


class NewDestination(DestinationCard):
    """A webhook as it is added, the only time its secret is shown."""

    secret: str = Field(
        repr=False, description="what batches are signed with (whsec_...); the receiver checks them with it"
    )


Event = Literal["audience.ready", "audience.refreshed", "audience.drifted", "nightly.failed"]
EVENTS: tuple[Event, ...] = get_args(Event)


class Subscription(Record):
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


class Delivery(Record):
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


class ErasedPlace(Record):
    """One file or folder that was written anew or deleted."""

    path: str = Field(description="below the workspace")
    changes: int = Field(description="rows and values")


class Receipt(Record):
    """What an erasure did; the receipt that is kept names nobody."""

    id: str
    time: datetime
    erased_by: str
    users: tuple[str, ...] = Field(description="keyed hashes of the ids, which only this workspace can make")
    places: tuple[ErasedPlace, ...]
    sent_to: tuple[str, ...] = Field(description="destinations that were sent audiences with them before")
    not_ours: tuple[str, ...] = Field(description="what was not changed, and who has to change it")
    kept: tuple[str, ...] = Field(
        (), description="places that keep what a user is called, as it is a word of the product or of the data there"
    )
    unknown: tuple[str, ...] = Field(
        (), description="those given who are no users of the data, now or before; kept in no receipt"
    )


def download(file: ExportFile, root: str) -> Exported:
    """What a caller from elsewhere needs of a file, but not where it lies on this machine.

    Args:
        file: what was written.
        root: where the resources are mounted.
    """
    name = file.path.replace("\\", "/").rpartition("/")[2]
    return Exported(name=name, href=f"{root}/exports/{name}", **file.model_dump(exclude={"path"}))


Listed = TypeVar("Listed")


def paged(
    entries: Sequence[Listed], name: Callable[[Listed], str], limit: int, cursor: str
) -> tuple[tuple[Listed, ...], str]:
    """One page of a list, and what gives the next; what is saved meanwhile neither repeats nor hides what was there.

    Args:
        entries: the whole list.
        name: what tells an entry from all others.
        limit: entries of a page.
        cursor: empty for the first page.

    Raises:
        RequestError: the cursor is none of a page before.
    """
    names = ["", *map(name, entries)]
    if cursor not in names:
        raise RequestError("There is no such page; begin again without a cursor.")
    start = names.index(cursor)
    page = tuple(entries[start : start + limit])
    return page, name(page[-1]) if start + limit < len(entries) else ""


def audience_page(audiences: Sequence[SavedAudience], limit: int, cursor: str) -> AudiencePage:
    """One page of the saved audiences; raises like ``paged``."""
    page, following = paged(audiences, lambda each: each.id, limit, cursor)
    return AudiencePage(audiences=page, next_cursor=following)

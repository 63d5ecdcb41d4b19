"""What goes into the audience service and what comes out: every type an interface may show.

Shares, probabilities and cuts are numbers in 0..1; counts are users; an index of 100 means "like everyone".
"""

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, model_validator

from encoders.records import Record
from encoders.text.words import ANYTHING as ANYTHING

Count = Annotated[int | None, Field(description="null: withheld, for it is below the minimum size")]
"""A count of users as it may be shown, see ``tools.audiences.disclosure``."""


class OnRequest:
    """Marks a long part of an answer, which interfaces for language models leave out unless it is asked for."""


ON_REQUEST = OnRequest()

MOST_CONDITIONS = 20
"""Conditions of one kind in a spec: each is looked up in all of the data."""


class _FailFast(FailFast):
    """One that may stand in a union, whose members have to be hashable."""

    __hash__ = object.__hash__


FAIL_FAST = _FailFast()
"""On every list that comes in: its reading ends at the first element that does not fit. Otherwise each of a million
elements leaves errors before the length of the list is looked at."""


# --- what defines an audience -------------------------------------------------------------------


class Filter(Record):
    """A condition on an attribute. A user whose value is unknown passes neither ``is`` nor ``is not``."""

    field: str
    op: Literal["is", "is not", "is unknown", "is known"] = "is"
    values: Annotated[tuple[Annotated[str, Field(max_length=500)], ...], FAIL_FAST] = Field(
        (), max_length=200, description="none for 'is unknown' and 'is known'"
    )

    @model_validator(mode="after")
    def _values_fit(self) -> Self:
        """Hold the values against what is asked of them."""
        if (self.op in ("is", "is not")) != bool(self.values):
            raise ValueError(f"'{self.op}' takes {'no values' if self.values else 'at least one value'}")
        return self


class Behaviour(Record):
    """A condition on the past: did, or did not, what the words name within the last ``days``."""

    did: bool = Field(False, strict=True)
    what: str = Field(
        min_length=1,
        max_length=500,
        description="plain words; 'anything' for every item",
    )
    days: int | None = Field(None, ge=1, le=36_500, strict=True, description="null: at any time")
    source: str = Field("", max_length=200, description="of events; empty: the main one")
    ago: bool = Field(False, strict=True, description="for the last time more than 'days' ago")
    times: int | None = Field(None, ge=1, le=10_000, strict=True, description="on at least so many days")
    amount: float | None = Field(
        None,
        gt=0,
        le=1e9,
        allow_inf_nan=False,
        description="worth at least so much in all",
    )

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        """Refuse what would be two conditions, or none."""
        if self.ago and (not self.did or self.days is None):
            raise ValueError("'ago' needs 'did': true and 'days'")
        if self.ago + (self.times is not None) + (self.amount is not None) > 1:
            raise ValueError("give one of 'ago', 'times' and 'amount'; further ones are behaviours of their own")
        return self


Stage = Literal[
    "new", "regular", "loyal", "heavy", "high spending", "low spending", "due again", "lapsing", "lapsed", "inactive"
]


class LifeCycle(Record):
    """A condition on where users stand.

    Thresholds come from the data's own distribution. The size of an audience says in its conditions which those are.
    """

    stage: Stage
    holds: bool = Field(True, strict=True, description="false: of whom it does not hold")
    what: str = Field(ANYTHING, min_length=1, max_length=500, description="as in a behaviour")
    source: str = Field("", max_length=200, description="as in a behaviour")
    days: int | None = Field(None, ge=1, le=36_500, strict=True, description="the days looked back at")


class Membership(Record):
    """A condition: in a saved audience, or not in it. Its newest version is looked at, of the caller's tenant."""

    audience: str = Field(min_length=1, max_length=200, description="its name or id")
    member: bool = Field(True, strict=True)


class AudienceSpec(Record):
    """Who is in: a demand, hard conditions and a cut."""

    demand: str = Field(min_length=1, max_length=2000, description="one precise sentence, its horizon included")
    filters: Annotated[tuple[Filter, ...], FAIL_FAST] = Field((), max_length=MOST_CONDITIONS)
    behaviours: Annotated[tuple[Behaviour, ...], FAIL_FAST] = Field((), max_length=MOST_CONDITIONS)
    life_cycle: Annotated[tuple[LifeCycle, ...], FAIL_FAST] = Field((), max_length=MOST_CONDITIONS)
    memberships: Annotated[tuple[Membership, ...], FAIL_FAST] = Field((), max_length=MOST_CONDITIONS)
    cut: float | None = Field(
        None, ge=0, le=1, strict=True, description="share of eligible users to keep; null: as recommended"
    )
    like: str = Field("", max_length=60, description="a tuned demand that ranks the users")


def named(name: str) -> tuple[AudienceSpec, ...]:
    """What a name to be given says by itself, to be checked as an audience is: platforms and other agents read it."""
    return (AudienceSpec(demand=name),) if name.strip() else ()


# --- what the service answers -------------------------------------------------------------------


class Interval(Record):
    """An estimate with its 80 % interval."""

    low: float
    mid: float
    high: float


class ValueCount(Record):
    """How many users of the population have a value."""

    value: str
    users: Count


class FieldCard(Record):
    """An attribute and the values it has; ``unknown`` counts the users without one."""

    field: str
    values: tuple[ValueCount, ...]
    unknown: Count


class SourceCard(Record):
    """One source of events, up to the as-of date."""

    source: str
    actions: tuple[str, ...]
    events: Count
    users: Count
    items: int
    first: date
    last: date
    wording: str = Field("", description="how a sentence says what users do there: 'buy {items}'; may be empty")
    valued: bool = Field(False, description="whether its events have values, such as prices")


class DataCard(Record):
    """What the data really has, as of the as-of date."""

    title: str
    note: str = Field(description="where the data comes from and how far to trust it, for people")
    unit: str = Field(description="one user in words, such as 'household'")
    unit_plural: str
    population: int = Field(description="users active in the 91 days before the as-of date")
    minimum_size: int = Field(50, description="counts of fewer users are withheld everywhere")
    as_of: date
    horizon_days: int
    main_source: str = Field("", description="the source that demands and behaviours are about unless they name one")
    sources: tuple[SourceCard, ...]
    fields: tuple[FieldCard, ...]
    top_groups: tuple[str, ...] = Field(description="the most common item groups, in words")
    model_version: str
    data_version: str
    notice: str = Field("", description="what to know before these answers are used, such as that newer data is there")


class ItemHit(Record):
    """Something users do that is near the words searched for; counts cover the 91 days before the as-of date."""

    text: str
    group: str
    source: str
    similarity: float
    users: Count
    events: Count


class GroupHit(Record):
    """A group of items (a product category, say) near the words; ``items`` are its best texts."""

    group: str
    source: str
    similarity: float
    users: Count
    items: tuple[str, ...]


class CurvePoint(Record):
    """The audience that keeps the best ``cut`` of the eligible users."""

    cut: float
    users: int
    precision: Interval = Field(description="expected share of responders among them")
    responders: Interval = Field(description="expected responders among them")
    lift: float = Field(description="precision over the precision of taking everyone eligible")


class Bucket(Record):
    """Users whose probability lies between two bounds."""

    low: float
    high: float
    users: Count


class Dropped(Record):
    """How many users one hard condition keeps and drops, each counted on its own.

    Where it drops fewer than the minimum size it is shown as if it dropped nobody, and the other way round.
    """

    condition: str
    kept: Count
    dropped: Count


class SizeEstimate(Record):
    """How large the audience is, how good it is expected to be, and where else one could cut."""

    demand: str
    sentence: str = Field("", description="everything that decides who is in, in one sentence")
    reads_as: tuple[str, ...] = Field(description="the item groups the sentence was matched with, best first")
    horizon_days: int
    as_of: date
    population: int
    eligible: Count = Field(description="users of the population that pass the hard conditions; null: withheld")
    cut: float
    recommended_cut: float
    users: Count = Field(description="users in the audience at this cut; null: withheld, and so is what is expected")
    responders: Interval | None = Field(description="expected responders inside the audience")
    all_responders: Interval | None = Field(description="expected responders among all eligible users")
    precision: Interval | None
    lift: float | None
    curve: Annotated[tuple[CurvePoint, ...], ON_REQUEST] = Field(description="points of at least the minimum size")
    histogram: Annotated[tuple[Bucket, ...], ON_REQUEST] = Field(
        description="eligible users by probability, 20 buckets; the last one is open to the top"
    )
    conditions: tuple[Dropped, ...]
    warnings: tuple[str, ...] = ()
    data_version: str = Field("", description="the data it was counted in, as 'describe_data' calls it")
    model_version: str = Field("", description="the model it was counted with")


class Evidence(Record):
    """Past events of one user that raise the score, grouped by item."""

    item: str
    source: str
    times: int
    last: date
    weight: float = Field(description="share of the user's matched score that these events carry, 0..1")


class SampleUser(Record):
    """One user of an audience, masked."""

    masked_id: str
    probability: float
    evidence: tuple[Evidence, ...]
    why: str = Field(description="one sentence made from the evidence")


class SimilarUsers(Record):
    """Users of an audience who are most like one of its users."""

    user_id: str = Field(description="the mask of the user they are like")
    users: tuple[SampleUser, ...] = Field(description="the most similar first")
    similarities: tuple[float, ...] = Field(description="cosine of each with that user, -1..1, in the same order")
    found_by: Literal["index", "scan"] = Field(
        description="'index': the nearest in the vector store, which may miss one; 'scan': everybody was compared"
    )


class ProfileRow(Record):
    """How much more common something is inside the audience than among everyone."""

    kind: Literal["attribute", "behaviour"]
    field: str
    value: str
    audience_share: float
    everyone_share: float
    index: float = Field(description="100 = like everyone")
    users: Count = Field(description="null: fewer than the minimum size stand behind it, and its shares are rough")


class SkewRow(Record):
    """How often users with one value of an attribute were selected."""

    value: str
    users: Count = Field(description="users of the population with this value; null: withheld")
    selected: int | None = Field(
        description="those of them in the audience; null where there are too few to judge, or fewer than the minimum "
        "size: then the ratio is rough"
    )
    rate: float | None = Field(description="selected over users")
    ratio: float | None = Field(description="rate over the rate of the value selected most")
    interval: Interval | None = Field(description="of the ratio")
    verdict: Literal["even", "below", "few"] = Field(description="'below': the ratio is under four fifths")


class SkewField(Record):
    """One attribute: whom the audience takes more often and whom less."""

    field: str
    rows: tuple[SkewRow, ...]
    lowest_ratio: float | None = Field(description="the smallest ratio of its values; None where none can be judged")
    unknown: Count = Field(description="users of the population without this attribute; null: withheld")
    unknown_selected: Count = Field(description="those of them in the audience; null: withheld")


class SkewReport(Record):
    """An audience beside everyone, by each attribute."""

    users: Count
    population: int
    fields: tuple[SkewField, ...]


class Explanation(Record):
    """Why one user is, or is not, in an audience."""

    user_id: str = Field(description="the mask of the user; the id where the owner has asked to see ids")
    probability: float
    percentile: float = Field(description="share of eligible users with a lower probability, 0..1")
    in_audience: bool
    reasons: tuple[str, ...] = Field(description="hard conditions or the cut that keep the user out, if any")
    evidence: tuple[Evidence, ...]
    text: str


class TunedSummary(Record):
    """A demand fitted to users that were given; ``AudienceSpec.like`` takes its name, with this ``demand``."""

    name: str
    demand: str
    from_seeds: bool = Field(description="made from what the users given have in common, not from a sentence")
    seeds: Count = Field(description="users given that have a history; null below admin where they are too few")
    auc_before: float = Field(description="chance that one of them, left out, ranks above another user; untuned")
    auc_after: float = Field(description="the same, tuned")
    reads_as: tuple[str, ...] = Field(description="the item groups it was matched with, best first")
    warnings: tuple[str, ...] = ()


class Overlap(Record):
    """Two audiences beside each other, in users; where fewer than the minimum size are apart, they are the same."""

    a: str
    b: str
    users_a: Count
    users_b: Count
    both: Count
    either: Count
    jaccard: float | None = Field(
        description="both over either, from tens where one of the counts would be small; null where it is withheld"
    )


class Comparison(Record):
    """Every pair of the audiences asked about."""

    overlaps: tuple[Overlap, ...]


class SavedAudience(Record):
    """One version of a saved audience: a snapshot with its date."""

    id: str
    name: str
    version: int
    spec: AudienceSpec | None = Field(description="None for a combination of saved audiences")
    definition: str = Field(description="the audience in words")
    users: Count
    holdout: Count = Field(description="users held out; null where the audience is below the minimum size")
    as_of: date
    model_version: str
    data_version: str
    created: datetime
    approved_by: str
    forecast: Interval | None = Field(None, description="responders expected among its users when it was saved")
    detects: float | None = Field(
        None,
        description="the smallest difference in the share of responders that its holdout will show, 0..1; null where "
        "nobody is held out, nothing was forecast, or too few are held out for any difference",
    )
    notes: tuple[str, ...] = Field((), description="who was left out of it, or will be of its files, and why")
    archived: datetime | None = Field(None, description="when the audience was put away; null while it is in use")


class LeftOut(Record):
    """Users of an audience who are not in its file, for one reason; each user has one reason."""

    reason: Literal[
        "forgotten", "not in the data", "control group", "held out elsewhere", "shared contact", "repeated contact"
    ]
    users: int | None = Field(description="how many; None below the minimum size, for callers who see no single user")
    detail: str = Field(description="the reason in words, with the number")


class ExportPlan(Record):
    """What an export would write: nothing has left yet."""

    audience_id: str
    version: int
    rows: int
    held_out: int
    columns: tuple[str, ...]
    platform: str = Field("", description="the destination it would be written for; empty for none in particular")
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = Field((), description="who else would not be in it, by reason")


class ExportFile(Record):
    """A file that was written, and how to check it."""

    audience_id: str
    version: int
    path: str
    format: Literal["csv", "parquet"]
    rows: int
    held_out: int
    columns: tuple[str, ...]
    sha256: str
    platform: str = Field("", description="the destination it was written for; empty for none in particular")
    batches: int = Field(0, description="in how many batches it was sent there; 0 where a person has to upload it")
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = Field((), description="who else is not in it, by reason; 'warnings' says so, too")
    expires: date | None = Field(None, description="the day on which the file is deleted")

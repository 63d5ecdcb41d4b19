"""What operations answer about the effect of campaigns: what a holdout will show, and who may be moved."""

from typing import Literal

from pydantic import Field

from encoders.records import Record
from tools.operation_types import Estimate, Kind
from tools.types import Count, Interval

Verdict = Literal["would come anyway", "may be moved", "unknown"]


class EffectGroup(Record):
    """Users who were alike before the campaigns, over all campaigns that were measured."""

    kind: Kind
    low: float = Field(description="the lowest forecast of theirs, 0..1")
    high: float = Field(description="the highest, 0..1")
    habitual: bool = Field(description="whether they had done before what was asked for")
    campaigns: int
    contacted: Count
    contacted_responders: Count
    held_out: Count
    held_out_responders: Count
    effect: Estimate = Field(description="share that responds because of a campaign, with its 95 % interval, pooled")
    verdict: Verdict


class UpliftPart(Record):
    """The users of an audience of whom the same is known."""

    verdict: Verdict
    users: Count


class UpliftAnswer(Record):
    """What contacting an audience would change."""

    audience: str
    users: Count
    verdict: Verdict = Field(
        description="'may be moved': the 99 % interval of the effect lies above zero; 'would come anyway': of 100 "
        "responders, 80 or more would have responded without us, by the 95 % interval; 'unknown': neither can be said"
    )
    effect: Estimate | None = Field(
        description="share of the audience that responds because of a campaign, 0..1, with its 95 % interval; null: "
        "nothing was measured, or the audience is too small"
    )
    anyway: Estimate | None = Field(description="share of its responders who would have responded without us, 0..1")
    parts: tuple[UpliftPart, ...] = Field(description="how many of its users are in groups of each verdict")
    more_campaigns: int | None = Field(
        description="about so many more campaigns like this one would decide, if the effect is what it seems; 0: it is "
        "decided; null: more than 200, or nothing was measured"
    )


class IncrementalCut(Record):
    """Where an audience should end, by the profit that comes because of us alone."""

    cut: float = Field(description="share of the eligible users, the likeliest first")
    users: Count
    incremental: Estimate = Field(description="responders who come because of us, with the 95 % interval")
    profit: Estimate = Field(description="their value less the cost of all contacts, with the 95 % interval")


class QiniPoint(Record):
    """The responders gained by contacting the best part of everybody who was in a campaign."""

    share: float
    gained: float = Field(description="for each user of all campaigns")


class Qini(Record):
    """How well an order of users puts those first who change because of us, over all measured campaigns."""

    ranking: Literal["effect", "forecast"] = Field(
        description="'effect': by the pooled effect, told from other campaigns; 'forecast': by the chance to respond"
    )
    points: tuple[QiniPoint, ...]
    area: Estimate = Field(
        description="between the curve and that of a random order (Qini coefficient, per user), with its 95 % interval "
        "by resampling campaigns; above zero: better than chance"
    )
    total: float = Field(description="AUUC: the area under the curve, per user")


class UpliftReport(Record):
    """What all campaigns with a holdout say together, and what that means for one audience."""

    campaigns: int = Field(description="versions of audiences with a holdout whose outcome was recorded user by user")
    groups: tuple[EffectGroup, ...]
    answer: UpliftAnswer | None = Field(description="of the audience asked about; null where none was")
    cut: IncrementalCut | None = Field(
        description="null where no value and cost were given, or where it is not sure that any cut would pay"
    )
    qini: tuple[Qini, ...] = Field(description="null campaigns say nothing; from three campaigns on")
    notes: tuple[str, ...]


# --- What a holdout will show, before it is kept ---------------------------------------------------


class HoldoutPower(Record):
    """What difference between those contacted and those held out will be told from chance, for one share."""

    share: float = Field(description="of the audience that is held out, 0..1, the control group included")
    held_out: Count
    contacted: Count
    detects: float | None = Field(
        description="the smallest difference in the share of responders that will be seen in 4 of 5 campaigns, by the "
        "95 % interval, 0..1; null: none would"
    )


class HoldoutPlan(Record):
    """What the outcome of an audience will show, by the share that is held out."""

    users: Count
    rate: Interval | None = Field(description="share of them expected to respond; null where they are too few")
    control: float = Field(description="share of all users in the control group that lasts, 0..1")
    options: tuple[HoldoutPower, ...] = Field(description="from the smallest share to the largest")

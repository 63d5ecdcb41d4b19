"""What is known of a saved audience after it was saved: how it did, and who came and left when it was refreshed."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from encoders.records import Record
from tools.types import Count, Interval, SampleUser, SavedAudience


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
    came_samples: tuple[SampleUser, ...] = Field(description="a few of those who came, masked")
    left_samples: tuple[SampleUser, ...] = Field(description="a few of those who left, masked, as of the new date")


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


class UncheckedAudience(Record):
    """A saved audience that cannot be asked again, and why."""

    name: str
    why: str


class DriftReport(Record):
    """Every saved audience, as far as it can be asked again."""

    audiences: tuple[Drift, ...]
    unchecked: tuple[UncheckedAudience, ...]

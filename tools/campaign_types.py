"""What is known of a saved audience after it was saved: how it did, and who came and left when it was refreshed."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.types import Interval, SampleUser, SavedAudience


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Estimate(_Model):
    """A measured figure with its 95 % interval."""

    low: float
    mid: float
    high: float


class Side(_Model):
    """One side of the comparison: the users contacted, or those held out."""

    users: int
    responders: int
    rate: Estimate | None = Field(description="share of responders among its users; None for no users")
    value: float | None = Field(None, description="sum of the values that came with the outcome, if any")


class CampaignOutcome(_Model):
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
    def responders(self) -> int:
        """Responders on both sides."""
        return self.contacted.responders + self.held_out.responders


class Refreshed(_Model):
    """A new version of a saved audience at a later date, beside the one before."""

    saved: SavedAudience
    before: SavedAudience
    stayed: int
    came: int
    left: int
    came_samples: tuple[SampleUser, ...] = Field(description="a few of those who came, masked")
    left_samples: tuple[SampleUser, ...] = Field(description="a few of those who left, masked, as of the new date")

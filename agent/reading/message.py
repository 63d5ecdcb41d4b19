"""What one message says, as a value: read once, and then looked at by every step of the turn."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.reading.intents import Intent
from agent.steps import Step
from tools.goals import Goal
from tools.types import Filter

Newness = Literal["everyone", "first time"]
Life = Literal["", "lapsed", "lapsing", "loyal", "new", "spend", "heavy", "inactive", "coupons"]


class PastCondition(BaseModel):
    """Something the people must (not) have done before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    did: bool = True
    phrases: tuple[str, ...] = Field((), description="the things; none: what the demand itself is about")
    anything: bool = Field(False, description="whatever it was: 'haven't bought anything'")
    days: int | None = Field(None, description="how far back; None: at any time")
    ago: bool = Field(False, description="the last time was more than `days` ago")
    times: int | None = Field(None, description="at least so often")
    amount: float | None = Field(None, description="for at least so much money")
    life: Life = Field("", description="a stage of the life cycle instead of an act")


class ParsedMessage(BaseModel):
    """One message, read once. Words are the message's own; nothing in it has been held against the data but fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field("", description="the message; orders, times and people in the English that the rules read")
    language: str = "English"
    intent: Intent = "chatter"
    probability: float = Field(1.0, description="of the intent; 1 where it is told by its form")
    order: Step | None = Field(None, description="what it tells the assistant to do, with its arguments")
    wants: tuple[str, ...] = Field((), description="the words that name what is wanted")
    join: Literal["any", "all"] = Field("any", description="all: each of the wants is required of the same user")
    excluded: tuple[str, ...] = Field((), description="things the people must never have done")
    past: tuple[PastCondition, ...] = ()
    filters: tuple[Filter, ...] = ()
    people: tuple[str, ...] = Field((), description="the words of conditions on people, in that English")
    missing: tuple[str, ...] = Field((), description="those of `people` that the data knows nothing about")
    ahead_days: int | None = Field(None, description="days ahead, as they were said; the model may serve fewer")
    newness: Newness | None = None
    users: int | None = None
    percent: float | None = None
    direction: Literal["broader", "narrower"] | None = None
    goal: Goal | None = None
    holdout: float | None = Field(None, description="percent to keep back")
    count: int | None = Field(None, description="segments: so many")
    wish: bool = Field(False, description="a wish to sell something, rather than a description of people")
    picked: tuple[str, ...] | None = Field(None, description="options of the open question that it picks")
    skipped: bool = Field(False, description="it leaves the choice to the assistant")

    @property
    def foreign(self) -> str:
        """The language, when it is not English."""
        return "" if self.language == "English" else self.language

    @property
    def ordered_anew(self) -> bool:
        """Whether it is long enough to be a request of its own rather than the name of something."""
        return len(self.text.split()) > 3

    @property
    def looked_up(self) -> tuple[str, ...]:
        """Every phrase that has to be found in the data."""
        return tuple(dict.fromkeys((*self.wants, *self.excluded, *(one for each in self.past for one in each.phrases))))

    @property
    def limits(self) -> bool:
        """Whether it says anything about an audience beside the things wanted."""
        said = (self.past, self.excluded, self.filters, self.ahead_days, self.newness, self.users, self.goal)
        return any(said) or self.percent is not None or self.direction is not None

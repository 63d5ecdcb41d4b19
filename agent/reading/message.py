"""What one message says, as a value, and the conditions on the past in it."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from agent.reading.intents import Intent
from agent.steps import Step
from tools.operation_types import Goal
from tools.sentences.clauses import read_memberships, read_source_users, read_stages
from tools.sentences.past import IT, PastReader
from tools.types import ANYTHING, Behaviour, DataCard, Filter, LifeCycle, Membership

MOST = 6
"""Conditions of one kind that are read from one message."""


class PastConditions(NamedTuple):
    """The conditions on the past in a message, and its text without them."""

    behaviours: tuple[Behaviour, ...]
    life_cycle: tuple[LifeCycle, ...]
    memberships: tuple[Membership, ...]
    rest: str


def take_past(text: str, card: DataCard, saved: Sequence[str]) -> PastConditions:
    """The conditions on the past that ``text`` states, and the text without them."""
    memberships, rest = read_memberships(text, saved)
    found, rest = read_source_users(rest, card)
    stages, rest = read_stages(rest, card.as_of)
    reader = PastReader(card)
    while len(found) < MOST and (spotted := reader.next(rest)):
        found += spotted.behaviours
        rest = f"{rest[: spotted.start]} , {rest[spotted.end :]}"
    named = next((each.what for each in found if each.did and each.what != IT), IT)
    same = (each.model_copy(update={"what": named}) if each.what == IT else each for each in found)
    return PastConditions(tuple(dict.fromkeys(same))[:MOST], stages[:MOST], memberships[:MOST], rest)


Newness = Literal["everyone", "first time"]


class ParsedMessage(BaseModel):
    """One message, read once. Words are the message's own; nothing in it has been held against the data but fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field("", description="the message; orders, times and people in the English that the rules read")
    language: str = "English"
    intent: Intent = "chatter"
    probability: float = Field(1.0, description="of the intent; 1 where it is told by its form")
    order: Step | None = Field(None, description="what it tells the assistant to do, with its arguments")
    wants: tuple[str, ...] = Field((), description="the words that name what is wanted")
    rest: str = Field("", description="the message without what is left out, conditions, times and numbers")
    join: Literal["any", "all"] = Field("any", description="all: each of the wants is required of the same user")
    excluded: tuple[str, ...] = Field((), description="things the people must never have done")
    refused: tuple[str, ...] = Field((), description="clauses of a request that say what it does not mean")
    behaviours: tuple[Behaviour, ...] = Field((), description="the past; a thing that is not named is ``IT``")
    life_cycle: tuple[LifeCycle, ...] = ()
    memberships: tuple[Membership, ...] = ()
    filters: tuple[Filter, ...] = ()
    people: tuple[str, ...] = Field((), description="the words of conditions on people, in that English")
    missing: tuple[str, ...] = Field((), description="those of `people` that the data knows nothing about")
    ahead_days: int | None = Field(None, description="days ahead, as they were said; the model may serve fewer")
    newness: Newness | None = None
    users: int | None = None
    percent: float | None = None
    direction: Literal["broader", "narrower"] | None = None
    goal: Goal | None = None
    holdout: float | None = Field(None, description="percent to hold out")
    count: int | None = Field(None, description="segments: so many")
    wish: bool = Field(False, description="a wish to sell something, rather than a description of people")
    picked: tuple[str, ...] | None = Field(None, description="options of the open question that it picks")
    meant: tuple[str, ...] = Field((), description="what an answer in own words means, as the reader of the data finds")
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
        return tuple(dict.fromkeys((*self.wants, *self.excluded, *self.done)))

    @property
    def done(self) -> tuple[str, ...]:
        """The words of things in conditions on the past."""
        things = [*(each.what for each in self.behaviours), *(each.what for each in self.life_cycle)]
        return tuple(dict.fromkeys(each for each in things if each not in (IT, ANYTHING)))

    @property
    def past(self) -> bool:
        """Whether it states a condition on the past."""
        return bool(self.behaviours or self.life_cycle or self.memberships)

    @property
    def limited(self) -> bool:
        """Whether it states conditions on people or on the past."""
        return bool(self.past or self.filters)

    @property
    def missing_alone(self) -> bool:
        """Whether all it says is a condition on people that the data knows nothing about."""
        return bool(self.missing) and not (self.wants or self.limits or self.picked)

    @property
    def sized(self) -> bool:
        """Whether it says how many there shall be."""
        return bool(self.users or self.direction or self.goal) or self.percent is not None

    @property
    def limits(self) -> bool:
        """Whether it says anything about an audience beside the things wanted."""
        said = (self.past, self.excluded, self.filters, self.ahead_days, self.newness, self.sized)
        return any(said)

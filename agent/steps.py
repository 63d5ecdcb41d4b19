"""The next step of a conversation, as the rules or a language model decide it, and the fixed answers of questions."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tools.operation_types import Goal
from tools.types import Behaviour, LifeCycle, Membership

# --- The next step of a conversation, as the rules or a language model decide it ------------------


Action = Literal[
    "ask", "propose", "adjust", "filter", "exclude", "compare", "explain", "skew",
    "save", "export", "answer", "decline", "undo", "restart",
    "hold_back", "outcome", "refresh", "like", "combine", "angles", "rename", "segments",
]  # fmt: skip
Topic = Literal[
    "meaning", "horizon", "newness", "exclusion", "data", "help", "hello", "unknown", "accuracy", "lift", "cost",
    "size", "people", "saved", "difference", "unclear", "none", "decide", "chatter", "segment",
    "contacts", "anyway", "delete", "forecasts", "approval", "places", "unanswered", "no_draft",
]  # fmt: skip


ABOUT_AUDIENCE: frozenset[Topic] = frozenset({"accuracy", "lift", "cost", "size", "people"})
"""What is asked about an audience, and about the answers of a question where no audience stands yet."""
ABOUT_OPTIONS = ABOUT_AUDIENCE | {"difference"}

Said = Annotated[str, Field(max_length=600)]
Names = Annotated[list[str], Field(max_length=30)]


class Step(BaseModel):
    """What to do next. Everything but the action may be null; names are checked against the data before use."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    action: Action
    say: Said | None = Field(None, description="answer, decline: one or two plain sentences")
    topic: Topic | None = Field(None, description="ask: what the question settles; answer: what it is about")
    question: Said | None = Field(None, description="ask: one short question")
    options: Names | None = Field(None, description="ask: two to four groups of the data")
    groups: Names | None = Field(None, description="propose, adjust: all the groups they will act on")
    verb: str | None = Field(None, description="propose: if not the usual action")
    newness: Literal["everyone", "first time"] | None = Field(None, description="only if said")
    horizon_days: int | None = Field(None, description="days ahead, if said")
    filters: Names | None = Field(None, description="propose, filter: 'field = value | value' or 'field != value'")
    unfilter: Names | None = Field(None, description="filter: fields whose filter goes away")
    behaviours: list[Behaviour] | None = Field(None, description="propose, exclude: conditions, each with its time")
    life_cycle: list[LifeCycle] | None = Field(None, description="propose, exclude: where they have to stand")
    memberships: list[Membership] | None = Field(None, description="propose, exclude: saved audiences as a part")
    direction: Literal["broader", "narrower"] | None = Field(None, description="adjust: the audience, in size")
    users: int | None = Field(None, description="adjust: people, if said")
    percent: float | None = Field(None, description="adjust: best percent, if said")
    audience: Names | None = Field(None, description="saved audiences")
    operation: Literal["and", "or", "not"] | None = Field(None, description="combine: all, any, the first alone")
    goal: Goal | None = Field(None, description="propose, adjust: what it is for, where the person named it")
    holdout: float | None = Field(None, description="hold_back, save: percent held out")
    name: str | None = Field(None, description="save, rename: if the person gave one")
    user_id: str | None = Field(None, description="explain: the user asked about")
    format: Literal["csv", "parquet"] | None = Field(None, description="export")
    steps: int | None = Field(None, description="undo: how many")
    join: Literal["any", "all"] | None = Field(None, description="propose, adjust: all where each group is required")
    new_request: bool | None = Field(None, description="subject changed")
    note: Said | None = Field(None, description="propose: how it was read, in one sentence")


class StepError(ValueError):
    """A decision cannot be used; the text says what is wrong with it, for a model's second try."""


# --- The fixed answers a question offers ----------------------------------------------------------


ALL = "All of them"
DECIDE = "You decide"
NEWNESS = ("Everyone", "Only for the first time")
HORIZONS = ("The next 7 days", "The next 28 days", "The next 91 days")

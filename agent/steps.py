"""The one flat JSON object that every model answers with, and how it is read."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.goals import Goal
from tools.types import Behaviour

Action = Literal[
    "ask", "propose", "adjust", "filter", "exclude", "compare", "explain", "skew",
    "save", "export", "answer", "decline", "undo", "restart",
    "hold_back", "outcome", "refresh", "like", "combine", "angles", "rename", "segments",
]  # fmt: skip
Topic = Literal[
    "meaning", "horizon", "newness", "exclusion", "data", "help", "hello", "unknown", "accuracy", "lift", "cost",
    "size", "saved", "difference", "unclear", "none", "chatter", "segment",
]  # fmt: skip


Said = Annotated[str, Field(max_length=600)]
Names = Annotated[list[str], Field(max_length=30)]


class Step(BaseModel):
    """What to do next. Everything but the action may be null; names are checked against the data before use."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    action: Action
    say: Said | None = Field(None, description="answer, decline: one or two plain sentences for the person")
    topic: Topic | None = Field(None, description="ask: what the question settles; answer: what it is about")
    question: Said | None = Field(None, description="ask: one short question")
    options: Names | None = Field(None, description="ask: two to four groups of the data, as they are written there")
    groups: Names | None = Field(None, description="propose, adjust: the groups the people will act on, all of them")
    verb: str | None = Field(None, description="propose: an action of the data; null for the usual one")
    newness: Literal["everyone", "first time"] | None = Field(None, description="null: the person said nothing of it")
    horizon_days: int | None = Field(None, description="days ahead, only where the person named a time")
    filters: Names | None = Field(None, description="propose, filter: 'field = value | value' or 'field != value'")
    unfilter: Names | None = Field(None, description="filter: fields whose filter goes away")
    without: Names | None = Field(None, description="propose, exclude: groups they must not have bought")
    within: Names | None = Field(None, description="propose, exclude: groups they must have bought")
    past_days: int | None = Field(None, description="how far back without and within look; null: at any time")
    direction: Literal["broader", "narrower"] | None = Field(None, description="adjust: the audience, in size")
    users: int | None = Field(None, description="adjust: so many people, where the person named a number")
    percent: float | None = Field(None, description="adjust: the best so many percent, where the person named them")
    audience: Names | None = Field(None, description="saved audiences by name, where the action is about any")
    operation: Literal["and", "or", "not"] | None = Field(None, description="combine: all, any, the first alone")
    goal: Goal | None = Field(None, description="propose, adjust: what it is for, where the person named it")
    holdout: float | None = Field(None, description="hold_back, save: so many percent kept back, as the person said")
    name: str | None = Field(None, description="save, rename: the name the person gave")
    user_id: str | None = Field(None, description="explain: the user asked about")
    format: Literal["csv", "parquet"] | None = Field(None, description="export")
    steps: int | None = Field(None, description="undo: so many changes; null: one")
    join: Literal["any", "all"] | None = Field(None, description="propose, adjust: all where each group is required")
    behaviours: list[Behaviour] | None = Field(None, description="propose, exclude: conditions, each with its time")
    new_request: bool | None = Field(None, description="true when the person has changed the subject")
    note: Said | None = Field(None, description="propose: how the request was read, in one sentence")


class StepError(ValueError):
    """A model's answer is not a step; the text says what is wrong with it, for the model's second try."""


def step_schema() -> dict[str, Any]:
    """The JSON schema a server holds an answer to. Only the action is required: nulls take time to write."""
    return {**Step.model_json_schema(), "additionalProperties": False}


def parse_step(text: str) -> Step:
    """Read the first JSON object in ``text``.

    Raises:
        StepError: there is none, or it is not a step.
    """
    start = text.find("{")
    if start < 0:
        raise StepError("the answer holds no JSON object")
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
        return Step.model_validate(found)
    except json.JSONDecodeError as error:
        raise StepError(f"the answer is not valid JSON: {error.msg} at character {error.pos}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise StepError(f"{'.'.join(map(str, first['loc'])) or 'the object'}: {first['msg']}") from error

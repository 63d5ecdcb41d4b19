"""The typed, serialisable things a conversation is made of."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agent.guard.verdict import JudgedTalk
from agent.models.usage import ModelConduct, Usage
from agent.reading.message import ParsedMessage
from agent.reading.wording import Parts
from tools.operation_types import CampaignOutcome, Goal, Refreshed
from tools.types import AudienceSpec, Comparison, Explanation, ExportFile, SavedAudience, SizeEstimate

Join = Literal["any", "all"]
"""Whether any of several things is enough, or each is required of the same user."""


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clarification(_State):
    """One question whose answers would change the audience; every option exists in the data."""

    topic: str = Field(description="what the question settles: 'meaning', 'horizon', 'newness', 'exclusion', ...")
    question: str
    options: tuple[str, ...] = Field(min_length=2)


class Thing(_State):
    """A thing that the demand names, or named until the person struck it out."""

    name: str = Field(description="as the demand names it")
    because: str = Field("", description="the entry of the knowledge, or the words, it was found by; empty: its name")
    struck: bool = Field(False, description="left out by the person, who may take it back")


class AudienceDraft(_State):
    """The audience as it stands in the conversation."""

    request: str = Field(description="what the marketer typed first")
    language: str = Field("en", description="code of the language it was typed in")
    spec: AudienceSpec
    assumptions: tuple[str, ...] = ()
    goal: Goal | None = Field(None, description="what the audience is for, where the person said so")
    holdout: float | None = Field(None, description="share to hold out when it is saved; None for the usual one")
    name: str = Field("", description="what the person calls it; empty: nothing yet")
    things: tuple[Thing, ...] = Field((), description="what its demand is made of; none for a sentence by hand")
    join: Join = Field("any", description="all: each of the things is required of the same user")
    days: int | None = Field(None, description="the horizon that its sentence names; None for a sentence by hand")
    saved: SavedAudience | None = None


PendingAction = Literal["save", "export", "combine", "outcome", "refresh", "rename"]


class Pending(_State):
    """A side effect that waits for the person's yes."""

    action: PendingAction
    text: str
    key: str = Field(description="idempotency key: running the same pending action twice has one effect")
    arguments: dict[str, str] = {}


class Reply(_State):
    """What one turn gives back to the page, the command line, or whoever else asked."""

    text: str = Field(description="markdown")
    options: tuple[str, ...] = Field((), description="clickable answers, best first")
    question: Clarification | None = None
    draft: AudienceDraft | None = None
    size: SizeEstimate | None = Field(None, description="the draft as sized; None while there is no draft")
    pending: Pending | None = None
    explanation: Explanation | None = None
    comparison: Comparison | None = None
    file: ExportFile | None = None
    outcome: CampaignOutcome | None = None
    refreshed: Refreshed | None = None
    refused: str = Field("", description="why the request was declined; empty when it was not")
    talking: str = Field(description="which model is talking, for people")
    usage: Usage | None = Field(None, description="what the language model has cost so far; None: none was asked")


# --- what the conversation remembers between two turns ----------------------------------------------


class Answer(_State):
    """A question that was asked, and what the person said to it."""

    question: Clarification
    text: str
    parsed: ParsedMessage | None = Field(None, description="the text as it was read; None in older conversations")


class Version(_State):
    """One state of the audience; ``parts`` is what its sentence was written from, None for a sentence by hand."""

    draft: AudienceDraft
    parts: Parts | None = None


class Memory(_State):
    """Everything a thread knows; it outlives the process."""

    request: str = ""
    reading: ParsedMessage | None = Field(None, description="the request as it was read")
    language: str = Field("", description="code of the language the person writes in, where there are replies in it")
    answers: tuple[Answer, ...] = ()
    talk: JudgedTalk = Field(JudgedTalk(), description="what still counts when the guard judges the next message")
    question: Clarification | None = Field(None, description="the question that is open")
    asked: int = 0
    now: Version | None = None
    before: tuple[Version, ...] = Field((), description="for undo, latest last")
    pending: Pending | None = None
    said: tuple[str, ...] = Field((), description="the last lines of the conversation, for the model")
    model: ModelConduct = Field(ModelConduct(), description="what the language model has used and how it behaved")

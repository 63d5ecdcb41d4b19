"""What every way of thinking is given, before it decides, and what it gives back."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from agent.models.usage import ModelConduct
from agent.reading.grounding import FLOOR, KINDRED
from agent.reading.message import ParsedMessage
from agent.reading.wording import Parts
from agent.state import Answer, Clarification
from agent.steps import Step
from encoders.reader import WholeReading
from tools.types import AudienceSpec, GroupHit, Interval

# --- What a model is shown before it decides: what was said, how the talk stands, and what the data has
#     to do with it ---


class SearchHits(BaseModel):
    """What the data has near some words, best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: str
    hits: tuple[GroupHit, ...]


class WeighedAnswer(BaseModel):
    """One answer to an open question, as the encoder sees the audience behind it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str
    users: int
    responders: Interval
    """Inside the audience."""
    lift: float
    """How many times as many do it as among the same number picked at random."""


class OpenQuestion(BaseModel):
    """Something that could be asked, and how much it matters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str
    question: str
    options: tuple[WeighedAnswer, ...]
    change: float
    """How much the set of users is expected to change by asking: 0 not at all, 1 altogether."""


class DraftView(BaseModel):
    """The audience as it stands, for a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentence: str
    conditions: tuple[str, ...]
    filters: tuple[str, ...]
    parts: Parts | None
    spec: AudienceSpec | None = None


class Context(BaseModel):
    """What the rules read, and what a language model is briefed from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    parsed: ParsedMessage = ParsedMessage()
    """The message, read once; nothing reads ``text`` again."""
    request: str
    request_parsed: ParsedMessage = ParsedMessage()
    answers: tuple[Answer, ...]
    question: Clarification | None
    questions_left: int
    draft: DraftView | None
    conversation: tuple[str, ...]
    saved_audiences: tuple[str, ...]
    unit: str
    unit_plural: str
    actions: dict[str, str]
    """Per source, what users do there."""
    main_source: str
    horizon_days: int
    fields: dict[str, tuple[str, ...]]
    searches: tuple[SearchHits, ...]
    examples: tuple[str, ...]
    whole: WholeReading | None = None
    """What the request as a whole means, see ``encoders.reader``; None where an audience is being changed."""
    open_questions: tuple[OpenQuestion, ...] = ()
    """What could be asked, and changes the audience; what changes it most first."""

    @property
    def action(self) -> str:
        """What users do in the main source."""
        return self.actions.get(self.main_source, "do")

    def near(self) -> set[str]:
        """The groups that may be meant, see ``near_first``."""
        return set(self.near_first())

    def near_first(self, share: float = KINDRED) -> tuple[str, ...]:
        """The groups that may be meant, nearest first: those with so much of the best similarity of their search."""
        tops = [(each.hits, max(hit.similarity for hit in each.hits)) for each in self.searches if each.hits]
        near = [hit for hits, top in tops if top >= FLOOR for hit in hits if hit.similarity >= share * top]
        return tuple(dict.fromkeys(hit.group for hit in sorted(near, key=lambda hit: -hit.similarity)))

    def weighed(self, answers: Sequence[str]) -> tuple[WeighedAnswer, ...]:
        """Those of the answers whose audiences were sized, each once."""
        known = {option.answer: option for each in self.open_questions for option in each.options}
        return tuple(known[answer] for answer in answers if answer in known)

    def hits(self, words: str) -> tuple[GroupHit, ...]:
        """What the search for ``words`` found."""
        return next((search.hits for search in self.searches if search.words == words.strip()), ())


# --- What every way of thinking gives back, and what it is asked through --------------------------


class Decision(NamedTuple):
    """The next step, checked against the data."""

    step: Step
    notes: tuple[str, ...]
    """What has to be said about what was dropped from it."""
    conduct: ModelConduct
    """How the language model has behaved so far."""
    fell_back: str = ""
    """One sentence where a language model failed and the rules decided."""
    context: Context | None = None
    """What the step is carried out in the light of, where that is not what the rules found."""


class Thinker(Protocol):
    """Decides the next step; ``name`` is what people see."""

    name: str

    def decide(self, context: Context, conduct: ModelConduct) -> Decision:
        """Decide what to do about the message in ``context``.

        Args:
            context: what was said, how the talk stands, and what the data has to do with it.
            conduct: what the language model has used and how it behaved in this conversation.
        """
        ...

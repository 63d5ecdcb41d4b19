"""What a model is shown before it decides: what was said, how the talk stands, and what the data has to do with it."""

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from agent.rules.grounding import FLOOR, KINDRED
from agent.rules.wording import Parts
from agent.state import Answer, Clarification
from encoders.reader import Understood
from tools.types import GroupHit, Interval


class Search(BaseModel):
    """What the data has near some words, best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: str
    hits: tuple[GroupHit, ...]


class Weighed(BaseModel):
    """One answer to an open question, as the encoder sees the audience behind it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str
    users: int
    responders: Interval
    """Of all eligible users."""
    lift: float
    """How much better than by chance the audience is told apart: its precision over that of everyone."""


class OpenQuestion(BaseModel):
    """Something that could be asked, and how much it matters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str
    question: str
    options: tuple[Weighed, ...]
    change: float
    """How much the set of users is expected to change by asking: 0 not at all, 1 altogether."""


class DraftView(BaseModel):
    """The audience as it stands, for a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentence: str
    conditions: tuple[str, ...]
    filters: tuple[str, ...]
    parts: Parts | None


class Context(BaseModel):
    """What the rules read, and, as JSON, a language model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    request: str
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
    searches: tuple[Search, ...]
    examples: tuple[str, ...]
    whole: Understood | None = None
    """What the request as a whole means, see ``encoders.reader``; None where an audience is being changed."""
    open_questions: tuple[OpenQuestion, ...] = ()
    """What could be asked, and changes the audience; what changes it most first."""

    def brief(self) -> str:
        """The same as JSON for a language model, which reads every token: names without figures, nothing twice."""
        kept = self.model_dump(
            exclude={"searches", "examples", "actions", "main_source", "horizon_days", "unit", "whole"}
        )
        kept["searches"] = {each.words: [hit.group for hit in each.hits] for each in self.searches}
        kept["answers"] = {each.question.question: each.text for each in self.answers}
        kept["question"] = self.question.question if self.question else None
        kept["open_questions"] = [
            {"topic": each.topic, "options": {one.answer: round(one.responders.mid) for one in each.options}}
            for each in self.open_questions
        ]
        kept["fields"] = {name: " | ".join(values) for name, values in self.fields.items()}
        if self.draft:
            kept["draft"] = {"sentence": self.draft.sentence, "conditions": self.draft.conditions}
        return json.dumps({name: value for name, value in kept.items() if value}, ensure_ascii=False)

    def near(self) -> set[str]:
        """The groups that may be meant, see ``near_first``."""
        return set(self.near_first())

    def near_first(self, share: float = KINDRED) -> tuple[str, ...]:
        """The groups that may be meant, nearest first: those with so much of the best similarity of their search."""
        tops = [(each.hits, max(hit.similarity for hit in each.hits)) for each in self.searches if each.hits]
        near = [hit for hits, top in tops if top >= FLOOR for hit in hits if hit.similarity >= share * top]
        return tuple(dict.fromkeys(hit.group for hit in sorted(near, key=lambda hit: -hit.similarity)))

    def weighed(self, answers: Sequence[str]) -> tuple[Weighed, ...]:
        """Those of the answers whose audiences were sized, each once."""
        known = {option.answer: option for each in self.open_questions for option in each.options}
        return tuple(known[answer] for answer in answers if answer in known)

    def hits(self, words: str) -> tuple[GroupHit, ...]:
        """What the search for ``words`` found."""
        return next((search.hits for search in self.searches if search.words == words.strip()), ())

"""What a model is shown before it decides: the request, the state of the talk, and what the data has to do with it."""

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from agent.rules.attributes import write_filter
from agent.rules.grounding import FLOOR, KINDRED, framed, short_first
from agent.rules.hearing import hear
from agent.rules.wording import Parts, conditions
from agent.state import Answer, Clarification, Memory
from tools.types import DataCard, GroupHit

if TYPE_CHECKING:
    from tools.service import AudienceService

MOST_QUESTIONS = 2
"""Questions a person is asked before a proposal, whatever else is said in between."""

_GROUPS = 8
"""Groups of the main source that a search shows; the search is deeper, for other sources take places too."""

_SEARCHES = 8


class Search(BaseModel):
    """What the data has near some words, best first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    words: str
    hits: tuple[GroupHit, ...]


class DraftView(BaseModel):
    """The audience as it stands, for a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sentence: str
    conditions: tuple[str, ...]
    filters: tuple[str, ...]
    parts: Parts | None


class Context(BaseModel):
    """The JSON block in the prompt. The embedded model reads it; every other model reads it as text."""

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

    def brief(self) -> str:
        """The same as JSON for a language model, which reads every token: names without figures, nothing twice."""
        kept = self.model_dump(exclude={"searches", "examples", "actions", "main_source", "horizon_days", "unit"})
        kept["searches"] = {each.words: [hit.group for hit in each.hits] for each in self.searches}
        kept["answers"] = {each.question.question: each.text for each in self.answers}
        kept["question"] = self.question.question if self.question else None
        kept["fields"] = {name: " | ".join(values) for name, values in self.fields.items()}
        if self.draft:
            kept["draft"] = {"sentence": self.draft.sentence, "conditions": self.draft.conditions}
        return json.dumps({name: value for name, value in kept.items() if value}, ensure_ascii=False)

    def near(self) -> set[str]:
        """The groups that may be meant: those nearly as near as the best of their search."""
        tops = [(each.hits, max(hit.similarity for hit in each.hits)) for each in self.searches if each.hits]
        return {hit.group for hits, top in tops if top >= FLOOR for hit in hits if hit.similarity >= KINDRED * top}

    def hits(self, words: str) -> tuple[GroupHit, ...]:
        """What the search for ``words`` found."""
        return next((search.hits for search in self.searches if search.words == words.strip()), ())


def look(service: "AudienceService", card: DataCard, memory: Memory, text: str) -> Context:
    """Ground what was said in the data, and gather the state of the talk."""
    fields = {each.field: tuple(value.value for value in each.values) for each in card.fields}
    draft = None
    said = [text] if memory.now else [text, memory.request, *(answer.text for answer in memory.answers)]
    if memory.now:
        spec = memory.now.draft.spec
        draft = DraftView(
            sentence=spec.demand,
            conditions=tuple(conditions(spec)),
            filters=tuple(write_filter(each) for each in spec.filters),
            parts=memory.now.parts,
        )
    main_source = max(card.sources, key=lambda each: each.events).source if card.sources else ""
    phrases = dict.fromkeys(phrase for line in said for phrase in hear(line, fields).looked_up)
    wanted = {line.strip(): line.strip() for line in said[:2]} | {phrase: framed(phrase) for phrase in phrases}
    searches = [
        Search(words=words, hits=_search(service, sentence, main_source))
        for words, sentence in list(wanted.items())[:_SEARCHES]
        if words
    ]
    return Context(
        text=text,
        request=memory.request,
        answers=memory.answers,
        question=memory.question,
        questions_left=max(0, MOST_QUESTIONS - memory.asked),
        draft=draft,
        conversation=memory.said,
        saved_audiences=tuple(each.name for each in service.list_audiences()),
        unit=card.unit,
        unit_plural=card.unit_plural,
        actions={each.source: each.actions[0] for each in card.sources if each.actions},
        main_source=main_source,
        horizon_days=card.horizon_days,
        fields=fields,
        searches=tuple(searches),
        examples=short_first(card.top_groups)[:6],
    )


def _search(service: "AudienceService", words: str, main_source: str) -> tuple[GroupHit, ...]:
    """Groups near the words in what users do most, or anywhere where that has none."""
    found = service.search_groups(words, 4 * _GROUPS)
    main = [hit for hit in found if hit.source == main_source]
    return tuple(main or found)[:_GROUPS]

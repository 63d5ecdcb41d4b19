"""Looks before anything is decided: grounds every word in the data, and weighs what could be asked."""

from typing import TYPE_CHECKING

from agent.context import Context, DraftView, Search
from agent.reading.whole import read_whole
from agent.rules.attributes import write_filter
from agent.rules.grounding import framed, short_first
from agent.rules.hearing import hear
from agent.rules.languages import into_english, language
from agent.rules.understanding import read_request
from agent.rules.wording import conditions
from agent.state import Memory
from agent.weighing import weigh_questions
from tools.types import DataCard, GroupHit

if TYPE_CHECKING:
    from tools.service import AudienceService

MOST_QUESTIONS = 2
"""Questions a person is asked before a proposal, whatever else is said in between."""

_GROUPS = 8
"""Groups of the main source that a search shows; the search is deeper, for other sources take places too."""

_SEARCHES = 8


def look(service: "AudienceService", card: DataCard, memory: Memory, text: str) -> Context:
    """Ground what was said in the data, and gather the state of the talk."""
    if language(text) == "English":
        text = into_english(text, memory.language)
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
    main_source = max(card.sources, key=lambda each: each.events or 0).source if card.sources else ""
    phrases = dict.fromkeys(phrase for line in said for phrase in hear(line, fields).looked_up)
    answer = framed(text) if memory.question else text
    wanted = (
        {text: answer}
        | {line.strip(): line.strip() for line in said[1:2]}
        | {phrase: framed(phrase) for phrase in phrases}
    )
    searches = [
        Search(words=words, hits=_search(service, sentence, main_source))
        for words, sentence in list(wanted.items())[:_SEARCHES]
        if words
    ]
    context = Context(
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
        whole=read_whole(service, memory, text),
        examples=short_first(card.top_groups)[:6],
    )
    reading = read_request(context)
    if reading is None or not context.questions_left:
        return context
    return context.model_copy(update={"open_questions": weigh_questions(service, context, reading.understood)})


def _search(service: "AudienceService", words: str, main_source: str) -> tuple[GroupHit, ...]:
    """Groups near the words in what users do most, or anywhere where that has none."""
    found = service.search_groups(words, 4 * _GROUPS)
    main = [hit for hit in found if hit.source == main_source]
    return tuple(main or found)[:_GROUPS]

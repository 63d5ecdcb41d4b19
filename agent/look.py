"""Looks before anything is decided: grounds every word in the data, and weighs what could be asked."""

from typing import TYPE_CHECKING

from agent.context import Context, DraftView, Search
from agent.reading.intents import Stage
from agent.reading.message import ParsedMessage
from agent.reading.parse import parse
from agent.reading.whole import read_whole
from agent.rules.grounding import framed, short_first
from agent.rules.understanding import Understood, read_request, so_far
from agent.rules.wording import conditions
from agent.state import Answer, Memory
from agent.steps import ABOUT_OPTIONS
from agent.weighing import weigh_questions
from tools.attributes import fields_of, write_filter
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
    saved = tuple(each.name for each in service.list_audiences())
    parsed = _parsed(text, card, memory, saved)
    if parsed.order is None and not parsed.foreign and (spelled := service.spelled(text)) != text:
        parsed = _parsed(spelled, card, memory, saved)
    parsed = parsed.model_copy(update={"meant": _meant(service, memory, parsed)})
    text = parsed.text
    request = memory.reading or ParsedMessage()
    if memory.reading is None and memory.request:
        request = parse(memory.request, card, "fresh", saved=saved)
    answers = tuple(_read_answer(each, card) for each in memory.answers)
    main_source = max(card.sources, key=lambda each: each.events or 0).source if card.sources else ""
    asked = (request, memory.request) if memory.question else (parsed, text)
    context = Context(
        text=text,
        parsed=parsed,
        request=memory.request,
        request_parsed=request,
        answers=answers,
        question=memory.question,
        questions_left=max(0, MOST_QUESTIONS - memory.asked),
        draft=_draft(memory),
        conversation=memory.said,
        saved_audiences=saved,
        unit=card.unit,
        unit_plural=card.unit_plural,
        actions={each.source: each.actions[0] for each in card.sources if each.actions},
        main_source=main_source,
        horizon_days=card.horizon_days,
        fields=fields_of(card),
        searches=_searches(service, memory, (parsed, request, *answers), main_source),
        examples=short_first(card.top_groups)[:6],
    )
    context = context.model_copy(update={"whole": read_whole(service, memory, context, *asked)})
    reading = read_request(context)
    if reading is not None and reading.fresh and memory.question is not None:
        # It begins anew, so it is read by itself: nothing of the request before stands in its light.
        anew = {"question": None, "request": "", "reading": None, "answers": ()}
        return look(service, card, memory.model_copy(update=anew), text)
    about = reading.understood if reading is not None and context.questions_left else _asked_about(context)
    if about is None:
        return context
    return context.model_copy(update={"open_questions": weigh_questions(service, context, about)})


def _meant(service: "AudienceService", memory: Memory, parsed: ParsedMessage) -> tuple[str, ...]:
    """The things that an answer to the open question names in the person's own words."""
    asked = memory.question is not None and memory.question.topic == "meaning"
    if not asked or parsed.order is not None or parsed.picked is not None or parsed.foreign or not parsed.wants:
        return ()
    read = service.read(parsed.text)
    return tuple(each.group for each in read.groups) if read is not None else ()


def _asked_about(context: Context) -> Understood | None:
    """The request so far where the message asks something about the answers of the open question."""
    asks = context.parsed.order is not None and context.parsed.order.topic in ABOUT_OPTIONS
    return so_far(context) if asks and context.question is not None and context.draft is None else None


def _draft(memory: Memory) -> DraftView | None:
    """The audience on the page."""
    if memory.now is None:
        return None
    spec = memory.now.draft.spec
    return DraftView(
        sentence=spec.demand,
        conditions=tuple(conditions(spec)),
        filters=tuple(write_filter(each) for each in spec.filters),
        parts=memory.now.parts,
        spec=spec,
    )


def _searches(
    service: "AudienceService",
    memory: Memory,
    read: tuple[ParsedMessage | Answer, ...],
    main_source: str,
) -> tuple[Search, ...]:
    """What the data has near the message, and near everything that it and the request before it name."""
    first = read[0]
    assert isinstance(first, ParsedMessage)
    said = [first] if memory.now and not memory.question else [each for each in map(_reading, read) if each]
    phrases = dict.fromkeys(phrase for each in said for phrase in each.looked_up)
    wanted = (
        {first.text: framed(first.text) if memory.question else first.text}
        | ({} if memory.now else {memory.request.strip(): memory.request.strip()})
        | {phrase: framed(phrase) for phrase in phrases}
    )
    some = [(words, sentence) for words, sentence in wanted.items() if words][:_SEARCHES]
    return tuple(Search(words=words, hits=_search(service, sentence, main_source)) for words, sentence in some)


def _reading(said: ParsedMessage | Answer) -> ParsedMessage | None:
    return said.parsed if isinstance(said, Answer) else said


def _parsed(text: str, card: DataCard, memory: Memory, saved: tuple[str, ...]) -> ParsedMessage:
    """The message, read in the light of what stands and of what was asked."""
    stage: Stage = "question" if memory.question else "draft" if memory.now else "fresh"
    options = memory.question.options if memory.question else ()
    named = memory.now.parts.items if memory.now and memory.now.parts else ()
    return parse(text, card, stage, options, saved, memory.language, named, standing=memory.now is not None)


def _read_answer(answer: Answer, card: DataCard) -> Answer:
    """An answer with its reading; those of older conversations were kept without."""
    if answer.parsed is not None:
        return answer
    return answer.model_copy(update={"parsed": parse(answer.text, card, "question", answer.question.options)})


def _search(service: "AudienceService", words: str, main_source: str) -> tuple[GroupHit, ...]:
    """Groups near the words in what users do most, or anywhere where that has none."""
    found = service.search_groups(words, 4 * _GROUPS)
    main = [hit for hit in found if hit.source == main_source]
    return tuple(main or found)[:_GROUPS]

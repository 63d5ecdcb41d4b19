"""Before a step is decided: words grounded in the data, and what could be asked weighed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.context import Context, DraftView, OpenQuestion, SearchHits, WeighedAnswer
from agent.reading.grounding import NEAR, framed, short_first
from agent.reading.intents import Stage
from agent.reading.message import ParsedMessage
from agent.reading.orders import without_refused
from agent.reading.parse import parse
from agent.reading.wording import Parts, conditions, each_condition, keep_conditions
from agent.replies import count, nobody_expected
from agent.state import Answer, Memory, Version
from agent.steps import ABOUT_OPTIONS
from agent.thinking.refining import behaviours_of
from agent.thinking.things import read_whole
from agent.thinking.understanding import (
    CandidateQuestion,
    UnderstoodRequest,
    questions_about,
    read_request,
    so_far,
)
from encoders.text.words import stems
from prompts.loader import reply
from tools.sentences.attributes import fields_of, write_filter
from tools.types import AudienceSpec, DataCard, GroupHit, SizeEstimate

if TYPE_CHECKING:
    from tools.service import AudienceService

_WHOLE = 100

_LOOSENED = 3
"""Conditions whose removal is offered."""

_LOOKED_AT, _OFFERED = 3, 2
"""Other readings that are sized, and those that are offered."""


def weigh_questions(
    service: "AudienceService", context: Context, understood: UnderstoodRequest
) -> tuple[OpenQuestion, ...]:
    """What could be asked about a request, what changes the audience most first."""
    weighed = [_weigh(service, context, understood, each) for each in questions_about(context, understood)]
    return tuple(sorted((each for each in weighed if len(each.options) > 1), key=lambda each: -each.change))


def alternatives(service: "AudienceService", context: Context, version: Version) -> tuple[WeighedAnswer, ...]:
    """The best other readings of a request beside the one that is proposed, each with its size.

    They are groups nearly as near to what was said, of another name; where only conditions were said, what is common.
    One that would reach nobody is left out.
    """
    parts, spec = version.parts, version.draft.spec
    if parts is None or (spec.cut == 1 and not parts.anything):  # all who meet conditions on a thing: it was named
        return ()
    found = []
    read = context.whole.beside if context.whole is not None and context.whole.groups else None
    near = context.examples if parts.anything else context.near_first(NEAR) if read is None else read
    others = [group for group in near if not any(stems(group) & stems(item) for item in parts.items)]
    kept = tuple(each for each in spec.behaviours if each not in parts.newcomers())
    for group in others[:_LOOKED_AT]:
        other = spec_of(parts.model_copy(update={"items": (group,), "asked": ""}), context.unit_plural)
        limits = {"demand": other.demand, "behaviours": (*other.behaviours, *kept)}
        size = service.size(spec.model_copy(update=limits))
        if _somebody(size):
            found.append(_weighed(group, size))
    return tuple(found[:_OFFERED])


def loosened(service: "AudienceService", version: Version, unit_plural: str) -> tuple[str, ...]:
    """What makes an audience that is too small to be counted large enough: each condition whose removal does.

    As clickable answers with the size that each gives, the smallest change first.
    """
    spec, found = version.draft.spec, []
    words = each_condition(spec)
    for one in words:
        size = service.size(keep_conditions(spec, [each for each in words if each != one]))
        if size.users is not None:
            found.append(
                (size.users, reply("without", condition=one, users=count(size.users), unit_plural=unit_plural))
            )
    return tuple(text for _, text in sorted(found)[:_LOOSENED])


def weigh_answers(service: "AudienceService", context: Context, answers: Sequence[str]) -> tuple[WeighedAnswer, ...]:
    """Groups that a question offers, each with the audience that choosing it gives; those that reach nobody are not."""
    action = context.action
    parts = {each: Parts(items=(each,), action=action, days=context.horizon_days) for each in answers}
    sized = {each: service.size(spec_of(those, context.unit_plural)) for each, those in parts.items()}
    return tuple(_weighed(answer, size) for answer, size in sized.items() if _somebody(size))


def spec_of(parts: Parts, unit_plural: str) -> AudienceSpec:
    """The audience that parts stand for, without further conditions."""
    return AudienceSpec(demand=parts.sentence(unit_plural), behaviours=parts.newcomers())


def _weigh(
    service: "AudienceService", context: Context, understood: UnderstoodRequest, asked: CandidateQuestion
) -> OpenQuestion:
    def limited(parts: Parts) -> AudienceSpec:
        """What choosing an answer gives: with the conditions and the share that were said along with the wish."""
        heard, spec = understood.heard, spec_of(parts, context.unit_plural)
        held = behaviours_of(heard, context, parts.items)
        cut = heard.percent / 100 if heard.percent and 0 < heard.percent <= _WHOLE else None
        limits = {
            "filters": heard.filters,
            "behaviours": tuple(dict.fromkeys((*spec.behaviours, *held.behaviours))),
            "life_cycle": held.life_cycle,
            "memberships": held.memberships,
            "cut": cut,
        }
        return spec.model_copy(update=limits)

    assumed = limited(asked.assumed)
    specs = {answer: limited(parts) for answer, parts in asked.answers.items()}
    sized = {answer: service.size(spec) for answer, spec in specs.items()}
    kept = [answer for answer, size in sized.items() if _somebody(size)]
    others = [specs[answer] for answer in kept if specs[answer] != assumed]
    change = 0.0
    if others:
        overlaps = service.compare([assumed, *others]).overlaps[: len(others)]
        change = asked.likely * float(1.0 - np.mean([each.jaccard or 0.0 for each in overlaps]))
    return OpenQuestion(
        topic=asked.topic,
        question=asked.question,
        options=tuple(_weighed(answer, sized[answer]) for answer in kept),
        change=change,
    )


def _somebody(size: SizeEstimate) -> bool:
    """Whether an audience is large enough to be offered, and some of it will respond."""
    told = size.users is not None and size.responders is not None and size.lift is not None
    return told and not nobody_expected(size)


def _weighed(answer: str, size: SizeEstimate) -> WeighedAnswer:
    assert size.users is not None
    assert size.responders is not None
    assert size.lift is not None
    return WeighedAnswer(answer=answer, users=size.users, responders=size.responders, lift=size.lift)


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
    taken, refused = without_refused(parsed.text)
    read, out = service.read(taken), stems(refused)
    return tuple(each.group for each in read.groups if not out & stems(each.group)) if read is not None else ()


def _asked_about(context: Context) -> UnderstoodRequest | None:
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
) -> tuple[SearchHits, ...]:
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
    return tuple(SearchHits(words=words, hits=_search(service, sentence, main_source)) for words, sentence in some)


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

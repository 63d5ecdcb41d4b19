"""Weighs what could be asked: the encoder sizes the audience behind every answer, and says how much it changes.

The change is that of the set of users, against what would be assumed without asking, as an expectation over the
answers. The question that changes most comes first; an answer that would reach nobody is not offered.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agent.context import Context, OpenQuestion, Weighed
from agent.reading.behaviours import behaviours_of
from agent.replies import count, nobody_expected
from agent.rules.grounding import NEAR
from agent.rules.questions import Answering, questions_about
from agent.rules.understanding import Understood
from agent.rules.wording import Parts, each_condition, keep_conditions
from agent.state import Version
from encoders.language.naming import stems
from prompts.loader import reply
from tools.types import AudienceSpec, SizeEstimate

if TYPE_CHECKING:
    from tools.service import AudienceService

_WHOLE = 100

_LOOSENED = 3
"""Conditions whose removal is offered."""

_LOOKED_AT, _OFFERED = 3, 2
"""Other readings that are sized, and those that are offered."""


def weigh_questions(service: "AudienceService", context: Context, understood: Understood) -> tuple[OpenQuestion, ...]:
    """What could be asked about a request, what changes the audience most first."""
    weighed = [_weigh(service, context, understood, each) for each in questions_about(context, understood)]
    return tuple(sorted((each for each in weighed if len(each.options) > 1), key=lambda each: -each.change))


def alternatives(service: "AudienceService", context: Context, version: Version) -> tuple[Weighed, ...]:
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


def weigh_answers(service: "AudienceService", context: Context, answers: Sequence[str]) -> tuple[Weighed, ...]:
    """Groups that a question offers, each with the audience that choosing it gives; those that reach nobody are not."""
    action = context.actions.get(context.main_source, "buy")
    parts = {each: Parts(items=(each,), action=action, days=context.horizon_days) for each in answers}
    sized = {each: service.size(spec_of(those, context.unit_plural)) for each, those in parts.items()}
    return tuple(_weighed(answer, size) for answer, size in sized.items() if _somebody(size))


def spec_of(parts: Parts, unit_plural: str) -> AudienceSpec:
    """The audience that parts stand for, without further conditions."""
    return AudienceSpec(demand=parts.sentence(unit_plural), behaviours=parts.newcomers())


def _weigh(service: "AudienceService", context: Context, understood: Understood, asked: Answering) -> OpenQuestion:
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
        change = asked.likely * float(1.0 - np.mean([each.jaccard for each in overlaps]))
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


def _weighed(answer: str, size: SizeEstimate) -> Weighed:
    assert size.users is not None
    assert size.responders is not None
    assert size.lift is not None
    return Weighed(answer=answer, users=size.users, responders=size.responders, lift=size.lift)

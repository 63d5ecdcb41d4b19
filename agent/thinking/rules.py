"""Decides without a language model."""

from agent.context import Context, Decision
from agent.models.usage import ModelConduct
from agent.reading.grounding import ground
from agent.reading.wording import listed, plain, verb
from agent.steps import Step, StepError
from agent.thinking.checks import Searching, check_step
from agent.thinking.refining import behaviours_of, missing_text, refine
from agent.thinking.things import chosen_by_reader, nothing_near, stands_for
from agent.thinking.understanding import UnderstoodRequest, read_request
from encoders.text.words import stems
from prompts.loader import reply, spoken
from tools.sentences.attributes import write_filter
from tools.sentences.past import IT
from tools.types import ANYTHING

LEAST_CHANGE = 0.15
"""A question is worth a person's time when so large a share of the users depends on the answer."""

_ALL = 100
"""Percent of those who fit: whoever is meant by conditions alone is in, however likely."""

SEGMENTS = 6
"""Audiences that are proposed beside each other at most."""


def decide(context: Context) -> Step:
    """Decide the next step; the same context always gives the same step."""
    parsed = context.parsed
    if parsed.order is not None:
        return parsed.order
    if context.question is not None and context.question.topic == "segment" and parsed.picked:
        return Step(action="propose", groups=list(parsed.picked), new_request=True)
    if parsed.intent == "segments":
        return _segments(context)
    if (said := _cannot_be_limited(context)) is not None:
        return said
    reading = read_request(context)
    if reading is not None:
        return _next(context, reading.understood, reading.fresh)
    changed = refine(context) if context.draft is not None else None
    return changed or Step(action="answer", topic="unknown")


def _cannot_be_limited(context: Context) -> Step | None:
    """What is said to a limit that cannot be set: nothing stands that it could cut, or the data does not know it."""
    parsed = context.parsed
    things = parsed.wants or parsed.limited or parsed.excluded
    if context.question is None and context.draft is None and not things and parsed.sized:
        return Step(action="answer", topic="no_draft")
    if context.question is not None and parsed.missing_alone:
        return Step(action="answer", say=missing_text(context, parsed))
    return None


def _next(context: Context, understood: UnderstoodRequest, fresh: bool) -> Step:
    """Ask what would change the audience most, or propose."""
    heard, left = understood.heard, context.questions_left
    read = chosen_by_reader(context)
    conditions = bool(heard.filters or heard.past or heard.excluded)
    if fresh and not understood.guessed and any(each.what == IT for each in heard.behaviours):
        return Step(action="answer", say=reply("which_it"))
    if not (understood.items or conditions) and (said := nothing_near(context)):
        return Step(action="answer", say=said)
    if not understood.guessed and not read:
        return _propose(context, understood, (ANYTHING,), fresh) if conditions else _nothing_found(context, understood)
    asked = next(iter(context.open_questions), None)
    if asked is not None and asked.change >= LEAST_CHANGE and left and len(asked.options) > 1:
        options = [option.answer for option in asked.options]
        note = _unheard(context, understood) or None
        return Step(
            action="ask", topic=asked.topic, question=asked.question, options=options, new_request=fresh, note=note
        )
    wider = set(read) <= set(understood.guessed)
    return _propose(context, understood, understood.guessed if wider else read, fresh)


def _unheard(context: Context, understood: UnderstoodRequest) -> str:
    """What of a request a question about it leaves unsaid: conditions on things and people that the data lacks."""
    nowhere = behaviours_of(understood.heard, context, understood.guessed).nowhere
    notes = [reply("left_out", words=plain(listed(list(nowhere), "and")))] if nowhere else []
    notes += [missing_text(context, understood.heard)] if understood.heard.missing else []
    return " ".join(notes)[:600]


def _nothing_found(context: Context, understood: UnderstoodRequest) -> Step:
    if understood.heard.missing and not understood.heard.wants:
        return Step(action="answer", say=missing_text(context, understood.heard))
    return Step(action="answer", topic="unknown")


def _propose(context: Context, understood: UnderstoodRequest, items: tuple[str, ...], fresh: bool) -> Step:
    heard = understood.heard
    reading = chosen_by_reader(context) == items
    conditions_alone = understood.about_the_past and items != (ANYTHING,)
    notes = [] if conditions_alone else stands_for(context, items) if reading else list(understood.notes)
    held = behaviours_of(heard, context, items)
    if heard.foreign and not spoken():
        notes.append(reply("foreign", language=heard.foreign))
    left_out = (*(() if reading else understood.unknown), *held.nowhere)
    if left_out:
        notes.append(reply("left_out", words=plain(listed(list(dict.fromkeys(left_out)), "and"))))
    if heard.refused:
        notes.append(reply("set_aside", words=plain(listed(list(heard.refused), "and"))))
    if heard.missing:
        notes.append(missing_text(context, heard))
    if items == (ANYTHING,) and understood.unknown and not heard.past:
        notes = [reply("only_left", words=plain(listed(list(dict.fromkeys(understood.unknown)), "and")))]
    if items == (ANYTHING,):
        action = _verb(context, fresh) or context.action
        notes.append(reply("anything_offered", verb=verb(action)))
    elif conditions_alone:
        notes.append(reply("past_offered", items=plain(listed(list(items), "or"))))
    return Step(
        action="propose",
        verb=_verb(context, fresh),
        groups=list(dict.fromkeys(items)),
        join=heard.join if len(heard.wants) > 1 else None,
        newness=heard.newness,
        horizon_days=heard.ahead_days,
        filters=[write_filter(each) for each in heard.filters] or None,
        behaviours=list(held.behaviours) or None,
        life_cycle=list(held.life_cycle) or None,
        memberships=list(held.memberships) or None,
        users=heard.users,
        percent=heard.percent or (_ALL if conditions_alone and not (heard.users or heard.goal) else None),
        goal=heard.goal,
        new_request=fresh,
        note=" ".join(notes)[:600] or None,
    )


def _segments(context: Context) -> Step:
    """Different things near what was named, each of which makes an audience of its own."""
    wants = context.parsed.wants
    grounded = [ground(phrase, context.hits(phrase)) for phrase in wants]
    named = [group for each in grounded if each.kind != "unknown" for group in each.groups]
    near = [hit.group for phrase in wants for hit in context.hits(phrase)] if named else []
    groups = list(dict.fromkeys((*named, *near))) or list(context.examples)
    return Step(action="segments", groups=groups[:SEGMENTS])


def _verb(context: Context, fresh: bool) -> str | None:
    """The action a request names beside the usual one ("who will redeem coupons for cereal")."""
    said = stems(context.text if fresh else context.request)
    return next((action for source, action in context.actions.items() if said & stems(f"{source} {action}")), None)


class RuleThinker:
    """Rules over what the data has; no language model, no network."""

    def __init__(self, name: str, search: Searching) -> None:
        """Decide with ``search``, which gives the groups near some words, best first."""
        self.name, self._search = name, search

    def decide(self, context: Context, conduct: ModelConduct) -> Decision:
        """Decide by rules; ``conduct`` stays as it is."""
        decided = decide(context)
        try:
            step, notes = check_step(decided, context, self._search)
        except StepError:
            return Decision(_instead(decided), (), conduct)
        return Decision(step, notes, conduct)


def _instead(step: Step) -> Step:
    """What is done where nothing usable is left of a step: a question with one answer is that answer."""
    if step.action == "ask" and len(step.options or ()) == 1 and step.topic == "meaning":
        return Step(action="propose", groups=step.options, new_request=step.new_request)
    return Step(action="answer", topic="unknown")

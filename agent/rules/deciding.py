"""The next step of the conversation, decided by rules from what was said and what the data has."""

from agent.context import Context
from agent.reading.whole import chosen_by_reader, nothing_near, stands_for
from agent.rules.attributes import write_filter
from agent.rules.commands import command
from agent.rules.hearing import Condition, hear
from agent.rules.refining import refine
from agent.rules.understanding import Understood, read_request
from agent.rules.wording import listed, plain, verb
from agent.steps import Step
from encoders.language.naming import stems
from prompts.loader import reply, spoken

LEAST_CHANGE = 0.15
"""A question is worth a person's time when so large a share of the users depends on the answer."""


def decide(context: Context) -> Step:
    """Decide the next step; the same context always gives the same step."""
    order = command(context.text, context.draft is not None, context.saved_audiences)
    if order is not None:
        return order
    reading = read_request(context)
    if reading is None:
        changed = refine(context, hear(context.text, context.fields))
        assert changed is not None
        return changed
    return _next(context, reading.understood, reading.fresh)


def _next(context: Context, understood: Understood, fresh: bool) -> Step:
    """Ask what would change the audience most, or propose."""
    heard, left = understood.heard, context.questions_left
    read = chosen_by_reader(context)
    if not understood.items and not heard.filters and not heard.within and (said := nothing_near(context)):
        return Step(action="answer", say=said)
    if not understood.guessed and not read:
        if not heard.filters and not heard.within:
            return Step(action="answer", topic="unknown")
        if left and "meaning" not in understood.settled:
            return _ask_anything(context, fresh)
    asked = next(iter(context.open_questions), None)
    if asked is not None and asked.change >= LEAST_CHANGE and left:
        options = [option.answer for option in asked.options]
        return Step(action="ask", topic=asked.topic, question=asked.question, options=options, new_request=fresh)
    return _propose(context, understood, read or understood.guessed or context.examples[:1], fresh)


def _propose(context: Context, understood: Understood, items: tuple[str, ...], fresh: bool) -> Step:
    heard = understood.heard
    reading = chosen_by_reader(context) == items
    notes = stands_for(context, items) if reading else list(understood.notes)
    if heard.foreign and not spoken():
        notes.append(reply("foreign", language=heard.foreign))
    if understood.unknown and not reading:
        notes.append(reply("left_out", words=plain(listed(understood.unknown, "and"))))
    return Step(
        action="propose",
        verb=_verb(context, fresh),
        groups=list(dict.fromkeys(items)),
        newness=heard.newness,
        horizon_days=heard.horizon_days,
        filters=[write_filter(each) for each in heard.filters] or None,
        without=_conditioned(heard.without, items),
        within=_conditioned(heard.within, items),
        past_days=next((each.days for each in (heard.without, heard.within) if each and each.days), None),
        users=heard.users,
        percent=heard.percent,
        goal=heard.goal,
        new_request=fresh,
        note=" ".join(notes) or None,
    )


def _verb(context: Context, fresh: bool) -> str | None:
    """The action a request names beside the usual one ("who will redeem coupons for cereal")."""
    said = stems(context.text if fresh else context.request)
    return next((action for source, action in context.actions.items() if said & stems(f"{source} {action}")), None)


def _conditioned(condition: Condition | None, items: tuple[str, ...]) -> list[str] | None:
    return None if condition is None else list(condition.phrases or items)


def _ask_anything(context: Context, fresh: bool) -> Step:
    action = verb(context.actions.get(context.main_source, "buy"))
    question = reply("ask_anything", unit_plural=context.unit_plural, verb=action)
    return Step(action="ask", topic="meaning", question=question, options=list(context.examples[:4]), new_request=fresh)

"""What a message changes about the audience that is on the page."""

import re

from agent.context import Context
from agent.reading.grounding import ground
from agent.reading.message import ParsedMessage
from agent.reading.wording import listed, plain
from agent.steps import Action, Step
from agent.thinking.behaviours import behaviours_of
from encoders.text.words import stems
from prompts.loader import reply, table
from tools.sentences.attributes import write_filter
from tools.types import ANYTHING

_PEOPLE = r"\b(?:buyers?|people|anyone|those|households|customers|users|viewers|who|that)\b"
"""Words that make a thing that is left out a condition on the people who did it."""

_AMENDING = frozenset({"people", "past", "time", "size", "goal", "exclude"})


def refine(context: Context) -> Step | None:
    """The change a message asks for; None when it is a new request."""
    assert context.draft is not None
    parsed, parts = context.parsed, context.draft.parts
    items, newcomers = (parts.items, parts.first_time) if parts else ((), False)
    match = re.search(table("commands")["clauses"]["drop"], parsed.text, re.IGNORECASE)
    if match and (step := _drop(context, match["what"], items)):
        return step
    if (step := _without_items(parsed, items)) is not None:
        return step
    if not parsed.wants and re.search(table("choosing")["both"], parsed.text, re.IGNORECASE) and parts is not None:
        return _both(items, parts.struck)
    if parsed.intent in ("add", "replace"):
        return _other_things(context, items)
    if parsed.newness == "everyone" and context.draft.filters and not (parsed.wants or parsed.limited or newcomers):
        return Step(action="filter", unfilter=[])  # whoever they are: what they did before was not meant
    amends = parsed.intent in _AMENDING or (parsed.limits and not parsed.wants)
    if not amends:
        return None
    return _amended(context, parsed, items)


def _without_items(parsed: ParsedMessage, items: tuple[str, ...]) -> Step | None:
    """The demand without those of its things that are left out by name; such people are still welcome."""
    if not parsed.excluded or parsed.wants or parsed.limited or re.search(_PEOPLE, parsed.text, re.IGNORECASE):
        return None
    out = [stems(each) for each in parsed.excluded]
    kept = [item for item in items if not any(words <= stems(item) or stems(item) <= words for words in out)]
    each_is_there = all(any(words <= stems(item) for item in items) for words in out)
    return Step(action="adjust", groups=kept) if kept and each_is_there else None


def _both(items: tuple[str, ...], struck: tuple[str, ...]) -> Step | None:
    """Each of the things at once; where only one is left, that and what it took the place of."""
    named = tuple(each for each in struck if each != ANYTHING)
    if len(items) > 1:
        return Step(action="adjust", groups=list(items), join="all")
    return Step(action="adjust", groups=[*named[-1:], *items]) if named else None


def _other_things(context: Context, items: tuple[str, ...]) -> Step | None:
    """The things of the demand, with others beside them or in their place."""
    parsed = context.parsed
    if not parsed.wants:
        return _amended(context, parsed, items) if parsed.limits else None
    named = _grounded(context, parsed.wants)
    if not named:
        return nothing_such(context, parsed.wants)
    kept = items if parsed.intent == "add" and items != (ANYTHING,) else ()
    return _amended(context, parsed, items).model_copy(
        update={"action": "adjust", "groups": list(dict.fromkeys((*kept, *named))), "join": parsed.join}
    )


def _amended(context: Context, parsed: ParsedMessage, items: tuple[str, ...]) -> Step:
    held = behaviours_of(parsed, context, items)
    if held.nowhere and not held:
        return nothing_such(context, held.nowhere)
    notes: list[str] = []
    if parsed.missing:
        notes.append(missing_text(context, parsed))
    changed = Step(
        action="adjust",
        newness=parsed.newness,
        horizon_days=parsed.ahead_days,
        users=parsed.users,
        percent=parsed.percent,
        direction=parsed.direction,
        goal=parsed.goal,
        filters=[write_filter(each) for each in parsed.filters] or None,
        behaviours=list(held.behaviours) or None,
        life_cycle=list(held.life_cycle) or None,
        memberships=list(held.memberships) or None,
        note=" ".join(notes) or None,
    )
    if changed == Step(action="adjust", note=changed.note):
        return _unclear(parsed, notes)
    return changed.model_copy(update={"action": _action(changed)})


def _unclear(parsed: ParsedMessage, notes: list[str]) -> Step:
    """A change was meant, but nothing that can be done is in it."""
    if notes:
        return Step(action="answer", say=" ".join(notes))
    if parsed.intent == "time":
        return Step(action="answer", topic="horizon")
    return Step(action="answer", topic="cost" if parsed.intent == "goal" else "unclear")


def nothing_such(context: Context, phrases: tuple[str, ...]) -> Step:
    """Say that the data has no such thing, and what is nearest."""
    hits = next((context.hits(each) for each in phrases if context.hits(each)), ())
    nearest = listed([plain(hit.group) for hit in hits[:2]], "or") or reply("nothing")
    return Step(action="answer", say=reply("no_group", words=plain(listed(list(phrases), "or")), nearest=nearest))


def missing_text(context: Context, parsed: ParsedMessage) -> str:
    """That the data does not know such things of people, and what it knows."""
    named = [field for field in context.fields if any(stems(each) == stems(field) for each in parsed.missing)]
    if named:
        values = listed([plain(each) for each in context.fields[named[0]]], "or")
        return reply("which_value", field=plain(named[0]), values=values)
    known = listed(list(context.fields), "and") or reply("nothing")
    return reply("no_attribute", words=plain(listed(list(parsed.missing), "or")), fields=known)


def _action(changed: Step) -> Action:
    if changed.behaviours:
        return "exclude"
    return "filter" if changed.filters else "adjust"


def _drop(context: Context, what: str, items: tuple[str, ...]) -> Step | None:
    """Leave out one of the items the sentence names, or the filter on a field that is named."""
    assert context.draft is not None
    words = stems(what)
    kept = [item for item in items if not (words <= stems(item) or stems(item) <= words)]
    if kept and len(kept) < len(items):
        return Step(action="adjust", groups=kept)
    named = [each for each in context.draft.filters if words & stems(each)]
    if named and not context.parsed.filters:
        return Step(action="filter", unfilter=[re.split(r" !?= ", each)[0] for each in named])
    return None


def _grounded(context: Context, phrases: tuple[str, ...]) -> list[str]:
    found = [ground(phrase, context.hits(phrase)) for phrase in phrases]
    return [each.item or each.groups[0] for each in found if each.kind != "unknown"]

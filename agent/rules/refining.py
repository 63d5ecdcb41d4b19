"""What a message changes about the audience that is on the page."""

import re

from agent.context import Context
from agent.rules.grounding import ground
from agent.rules.hearing import Condition, Heard, hear
from agent.steps import Action, Step
from encoders.language.naming import stems
from prompts.loader import table
from tools.attributes import write_filter


def refine(context: Context, heard: Heard) -> Step | None:
    """The change a message asks for; None when it is a new request."""
    assert context.draft is not None
    parts = context.draft.parts
    items = parts.items if parts else ()
    clauses = table("commands")["clauses"]
    match = re.search(clauses["drop"], context.text, re.IGNORECASE)
    if match and (step := _drop(context, match["what"], items)):
        return step
    if match := re.search(clauses["add"], context.text, re.IGNORECASE):
        added = _grounded(context, hear(match["what"] or match["what2"], context.fields).phrases)
        if added:
            return Step(action="adjust", groups=list(dict.fromkeys((*items, *added))))
    if heard.phrases and not (heard.filters and not _grounded(context, heard.phrases)):
        return None
    if not heard.says_something:
        return None
    changed = Step(
        action="adjust",
        newness=heard.newness,
        horizon_days=heard.horizon_days,
        users=heard.users,
        percent=heard.percent,
        goal=heard.goal,
        filters=[write_filter(each) for each in heard.filters] or None,
        without=_conditioned(heard.without, items),
        within=_conditioned(heard.within, items),
        past_days=next((each.days for each in (heard.without, heard.within) if each and each.days), None),
    )
    return changed.model_copy(update={"action": _action(changed)})


def _action(changed: Step) -> Action:
    if changed.without or changed.within:
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
    if named:
        return Step(action="filter", unfilter=[re.split(r" !?= ", each)[0] for each in named])
    return None


def _conditioned(condition: Condition | None, items: tuple[str, ...]) -> list[str] | None:
    return None if condition is None else list(condition.phrases or items)


def _grounded(context: Context, phrases: tuple[str, ...]) -> list[str]:
    found = [ground(phrase, context.hits(phrase)) for phrase in phrases]
    return [each.item or each.groups[0] for each in found if each.kind != "unknown"]

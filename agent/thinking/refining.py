"""What a message changes about the audience on the page, and conditions on the past as the audience holds them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent.context import Context
from agent.reading.grounding import ground, names_a_thing
from agent.reading.message import ParsedMessage
from agent.reading.wording import listed, plain
from agent.steps import Action, Step
from encoders.reader.targets import spoken_name
from encoders.text.words import stems
from prompts.loader import reply, table
from tools.sentences.attributes import write_filter
from tools.sentences.past import IT
from tools.types import ANYTHING, Behaviour, LifeCycle, Membership

# --- Conditions on the past as the audience holds them, from what a message says and from what the data
#     has ---


class HeldConditions(NamedTuple):
    """Conditions that can be held, and what the data does not have."""

    behaviours: tuple[Behaviour, ...]
    life_cycle: tuple[LifeCycle, ...]
    memberships: tuple[Membership, ...]
    nowhere: tuple[str, ...]
    """Words of things that the data does not have."""

    def __bool__(self) -> bool:
        """Whether there is any condition to hold."""
        return bool(self.behaviours or self.life_cycle or self.memberships)


def behaviours_of(parsed: ParsedMessage, context: Context, items: Sequence[str]) -> HeldConditions:
    """The conditions of ``parsed``; those without words of their own are about ``items``."""
    never = [Behaviour(did=False, what=phrase) for phrase in parsed.excluded]
    nowhere: list[str] = []
    behaviours = [
        each.model_copy(update={"what": thing})
        for each in (*parsed.behaviours, *never)
        for thing in _things(each.what, context, items, nowhere)
    ]
    stages = [
        each.model_copy(update={"what": thing})
        for each in parsed.life_cycle
        for thing in _things(each.what, context, items, nowhere)
    ]
    return HeldConditions(
        tuple(dict.fromkeys(behaviours)),
        tuple(dict.fromkeys(stages)),
        parsed.memberships,
        tuple(dict.fromkeys(nowhere)),
    )


def _things(what: str, context: Context, items: Sequence[str], nowhere: list[str]) -> Iterator[str]:
    """What the data calls a thing; words that it has nothing for go to ``nowhere``."""
    if what == IT:
        yield from dict.fromkeys(items)
        return
    if what == ANYTHING:
        yield what
        return
    if title := _title(what, context):
        yield title
        return
    meant = ground(what, context.hits(what))
    distant = meant.kind == "unclear" and not (context.parsed.foreign or names_a_thing(meant, context.hits(what)))
    if meant.kind == "unknown" or distant:
        nowhere.append(what)
        return
    # A word for several groups is one condition about all of them, as the demand has them where it is about the same.
    several = tuple(item for item in items if item in meant.groups) or meant.guess
    yield meant.item or (what if meant.kind == "broad" else listed(several, "or"))


def _title(what: str, context: Context) -> str:
    """The single item that some words are the name of, as the data calls it; empty where they name none, or a group."""
    hits, said = context.hits(what), stems(what)
    if any(stems(hit.group) == said for hit in hits):
        return ""
    named = (spoken_name(item, hit.group) for hit in hits for item in hit.items)
    return next((name for name in named if said and stems(name) == said), "")


# --- What a message changes about the audience that is on the page --------------------------------


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

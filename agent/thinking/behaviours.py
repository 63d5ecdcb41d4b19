"""Conditions on the past as the audience holds them, from what a message says and from what the data has."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agent.context import Context
from agent.reading.grounding import ground, names_a_thing
from agent.reading.message import ParsedMessage
from agent.reading.wording import listed
from encoders.reader.targets import spoken_name
from encoders.text.words import stems
from tools.sentences.past import IT
from tools.types import ANYTHING, Behaviour, LifeCycle, Membership


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

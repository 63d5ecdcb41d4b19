"""The things that a demand names, each with what it was found by, so that a person can strike some out again."""

from collections.abc import Iterable, Sequence

from agent.context import Context
from agent.rules.grounding import ground
from agent.state import Thing
from encoders.language.naming import stems


def things_of(context: Context, items: Sequence[str]) -> tuple[Thing, ...]:
    """Where the things of a new demand come from.

    Args:
        context: what was said and what the data has near it.
        items: the things, as the demand names them.
    """
    found = _by_words(context) | _by_reader(context)
    return tuple(Thing(name=item, because=_unless_named(found.get(item, ""), item)) for item in dict.fromkeys(items))


def with_items(things: Iterable[Thing], items: Sequence[str], context: Context | None = None) -> tuple[Thing, ...]:
    """The things once the demand names ``items``: others are struck out, and may be taken back.

    Args:
        things: those before.
        items: what the demand names now.
        context: what was said, which says where things come from that were not there before.
    """
    there = tuple(each.model_copy(update={"struck": each.name not in items}) for each in things)
    known = {each.name for each in there}
    fresh = [item for item in items if item not in known]
    return there + (things_of(context, fresh) if context else tuple(Thing(name=item) for item in fresh))


def taken_back(things: Iterable[Thing], items: Iterable[str]) -> tuple[str, ...]:
    """The items, where those that name something struck out mean it: "and turkey too" takes fresh turkey back."""
    struck = [each.name for each in things if each.struck]
    meant = (next((name for name in struck if stems(item) and stems(item) <= stems(name)), item) for item in items)
    return tuple(dict.fromkeys(meant))


def _by_reader(context: Context) -> dict[str, str]:
    """The entry of the knowledge, or the words, by which the reader of whole requests found each thing."""
    return {each.group: each.because for each in context.whole.groups} if context.whole else {}


def _by_words(context: Context) -> dict[str, str]:
    """The words whose search found each thing."""
    said = (context.parsed, context.request_parsed, *(each.parsed for each in context.answers if each.parsed))
    found: dict[str, str] = {}
    for phrase in dict.fromkeys(phrase for each in said for phrase in each.wants):
        grounded = ground(phrase, context.hits(phrase))
        if grounded.kind != "unknown":
            for group in (*grounded.groups, grounded.item):
                found.setdefault(group, phrase)
    return found


def _unless_named(because: str, item: str) -> str:
    """No provenance where the words are the name itself."""
    return "" if stems(because) == stems(item) else because

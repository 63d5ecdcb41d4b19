"""Conditions on the past as the audience holds them, from what a message says and from what the data has."""

from collections.abc import Sequence
from typing import NamedTuple

from agent.context import Context
from agent.reading.message import Life, ParsedMessage, PastCondition
from agent.rules.grounding import ground
from agent.rules.wording import listed, plain
from prompts.loader import reply
from tools.types import Behaviour

_QUIET = 91
"""Days without an act after which somebody who did it before counts as lapsed, until the data says better."""


_LIVES: dict[Life, str] = {
    "lapsing": "life_lapsing",
    "lapsed": "life_lapsed",
    "inactive": "life_inactive",
    "loyal": "life_loyal",
    "new": "life_new",
    "spend": "life_spend",
    "heavy": "life_heavy",
    "coupons": "life_coupons",
}


class Held(NamedTuple):
    """Conditions that can be held, and what has to be said of the others."""

    behaviours: tuple[Behaviour, ...]
    notes: tuple[str, ...]
    nowhere: tuple[str, ...]
    """Words of things that the data does not have."""


def behaviours_of(parsed: ParsedMessage, context: Context, items: Sequence[str]) -> Held:
    """The conditions of ``parsed``; those without words of their own are about ``items``."""
    found: list[Behaviour] = []
    notes: list[str] = []
    nowhere: list[str] = []
    never = PastCondition(did=False, phrases=parsed.excluded)
    for condition in (*parsed.past, *([never] if parsed.excluded else [])):
        things = []
        for phrase in condition.phrases:
            meant = ground(phrase, context.hits(phrase))
            if meant.kind == "unknown":
                nowhere.append(phrase)
            else:
                things.append(meant.item or (phrase if meant.kind == "broad" else meant.groups[0]))
        if not condition.phrases:
            things = list(items)
        if not things or _unheld(condition):
            notes += [] if condition.phrases and not things else [reply("no_condition", words=_words(condition))]
            continue
        for thing in dict.fromkeys(things):
            found += _acts(condition, thing)
    return Held(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(notes)), tuple(dict.fromkeys(nowhere)))


def _unheld(condition: PastCondition) -> bool:
    """Counts, money, most of the life cycle and "anything at all" are said to be missing, never bent."""
    return bool(
        (condition.life and condition.life != "lapsed")
        or (condition.times or 0) > 1
        or condition.amount
        or condition.anything
    )


def _acts(condition: PastCondition, thing: str) -> tuple[Behaviour, ...]:
    if condition.life == "lapsed":
        return Behaviour(did=True, what=thing), Behaviour(did=False, what=thing, days=_QUIET)
    if condition.ago:
        return Behaviour(did=True, what=thing), Behaviour(did=False, what=thing, days=condition.days)
    return (Behaviour(did=condition.did, what=thing, days=condition.days),)


def _words(condition: PastCondition) -> str:
    """The condition, short, for saying that it cannot be held."""
    parts = [reply(_LIVES[condition.life])] if condition.life else []
    parts += [plain(listed(list(condition.phrases), "or"))] if condition.phrases else []
    parts += [reply("at_least_times", times=condition.times)] if condition.times else []
    parts += [reply("at_least_amount", amount=f"{condition.amount:,.0f}")] if condition.amount else []
    parts += [reply("anything_at_all")] if condition.anything else []
    parts += [reply("within_days", days=condition.days)] if condition.days else []
    return ", ".join(parts) or reply("what_was_done_before")

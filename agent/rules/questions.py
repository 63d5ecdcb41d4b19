"""What could be asked about a request, with the demand behind every answer."""

from typing import Literal, NamedTuple

from agent.context import Context
from agent.rules.horizon import served
from agent.rules.replying import NEWNESS
from agent.rules.understanding import Understood
from agent.rules.wording import Parts, listed, plain, verb
from prompts.loader import reply

_ONE_OF = {"unclear": 0.9, "broad": 0.6}
_NEWCOMERS = 0.3
"""Guesses at how often people mean something narrower than what would be assumed; they only decide what is asked."""


class Answering(NamedTuple):
    """A question, the demand as it is without asking, and what it would be after each answer."""

    topic: Literal["meaning", "newness"]
    question: str
    assumed: Parts
    answers: dict[str, Parts]
    likely: float
    """How often people mean another answer than what would be assumed."""


def questions_about(context: Context, understood: Understood) -> list[Answering]:
    """The questions a request leaves open: which things are meant, and for a wish to sell, whether to newcomers."""
    heard = understood.heard
    if not understood.guessed:
        return []
    action = context.actions.get(context.main_source, "buy")
    assumed = Parts(
        items=understood.guessed,
        action=action,
        first_time=heard.newness == "first time",
        days=served(heard.ahead_days or context.horizon_days),
    )
    asked = []
    for unclear in understood.open:
        answers = {group: _naming(assumed, understood.having(unclear, [group])) for group in unclear.groups}
        text = reply("ask_meaning", phrase=plain(unclear.phrase), verb=verb(action))
        asked.append(Answering("meaning", text, assumed, answers, _ONE_OF[unclear.kind]))
    if (
        heard.wish
        and heard.newness is None
        and not (heard.past or heard.excluded)
        and "newness" not in understood.settled
    ):
        text = reply("ask_newness", unit_plural=context.unit_plural, items=plain(listed(understood.guessed, "or")))
        new = assumed.model_copy(update={"first_time": True})
        answers = dict(zip(NEWNESS, (assumed, new), strict=True))
        asked.append(Answering("newness", text, assumed, answers, _NEWCOMERS))
    return asked


def _naming(parts: Parts, understood: Understood) -> Parts:
    return parts.model_copy(update={"items": understood.guessed})

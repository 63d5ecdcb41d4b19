"""How many are kept back, so that the effect can be measured: said before the audience is saved, or with it."""

from agent import replies
from agent.context import Context
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Version
from agent.steps import Step
from prompts.loader import reply

MOST = 50
"""Percent that can be kept back at most."""


def hold_back(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Note the share in the draft; what is saved already stays as it is until it is saved again."""
    if memory.now is None:
        return speaker.say(memory, reply("no_draft"), replies.examples(speaker.card))
    if step.holdout is None or not 0 <= step.holdout <= MOST:
        return speaker.say(memory, reply("holdout_wrong", most=MOST))
    version = with_share(memory.now, step.holdout / 100)
    text = reply("held_back", percent=replies.percent(step.holdout / 100), unit_plural=speaker.card.unit_plural)
    again = reply("save_again") if memory.now.draft.saved else ""
    nobody = reply("held_nobody") if not step.holdout else ""
    before = (*memory.before, memory.now)[-20:]
    memory = memory.model_copy(update={"now": version, "before": before})
    return speaker.say(memory, " ".join(part for part in (text, nobody, again) if part))


def with_share(version: Version, share: float | None) -> Version:
    """The audience with another share to keep back, which is not saved yet; None leaves it as it is."""
    if share is None:
        return version
    return version.model_copy(update={"draft": version.draft.model_copy(update={"holdout": share, "saved": None})})


def heard_share(percent: float | None) -> tuple[float | None, tuple[str, ...]]:
    """The share in 0..1 that a message wants kept back while it says something else, and what has to be said."""
    if percent is None:
        return None, ()
    if not 0 <= percent <= MOST:
        return None, (reply("holdout_wrong", most=MOST),)
    return percent / 100, (reply("held_back_too", percent=replies.percent(percent / 100)),)

"""Several audiences beside each other, to choose among."""

from agent import replies
from agent.context import Context
from agent.rules.grounding import short_first
from agent.rules.wording import Parts, plain
from agent.speaking import Outcome, Speaker
from agent.state import Clarification, Memory
from agent.steps import Step
from agent.weighing import spec_of
from prompts.loader import reply
from tools.types import SizeEstimate

MOST = 6
_USUAL = 3


def segments(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Propose different audiences, each with its size; the next message picks one, or says something else."""
    card = speaker.card
    wanted = min(context.parsed.count or _USUAL, MOST)
    action = context.actions.get(context.main_source, "buy")
    proposed: dict[str, tuple[str, SizeEstimate]] = {}
    for group in (*(step.groups or ()), *short_first(card.top_groups)):
        parts = Parts(items=(group,), action=action, days=card.horizon_days)
        sentence = parts.sentence(card.unit_plural)
        if len(proposed) >= wanted or group in proposed:
            continue
        size = speaker.service.size(spec_of(parts, card.unit_plural))
        if size.users is not None and not replies.nobody_expected(size):
            proposed[group] = (sentence, size)
    if len(proposed) <= 1:
        return speaker.say(memory, reply("none_rephrase"), replies.examples(card))
    lines = [
        reply(
            "segment",
            sentence=plain(sentence, 300),
            users=replies.counted(size.users, card),
            unit_plural=card.unit_plural,
            low=replies.count(size.responders.low) if size.responders else "?",
            high=replies.count(size.responders.high) if size.responders else "?",
        )
        for sentence, size in proposed.values()
    ]
    question = Clarification(topic="segment", question=reply("which_segment"), options=tuple(proposed))
    memory = memory.model_copy(update={"question": question})
    text = "\n\n".join((reply("segments", number=len(proposed)), "\n".join(lines), question.question))
    return speaker.say(memory, text, question.options)

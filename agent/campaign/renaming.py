"""Another name for the audience on the page, or for one that is saved."""

from agent import replies
from agent.context import Context
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory
from agent.steps import Step
from prompts.loader import reply


def rename(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Note the name for when the audience is saved; what is saved keeps the name its exports and audit lines have.

    Raises:
        RequestError: there is no saved audience of that name.
    """
    name = plain(step.name or "")
    if step.audience:
        saved = speaker.saved(step.audience[0], memory)
        return speaker.say(memory, reply("name_kept", name=plain(saved.name)))
    if memory.now is None:
        return speaker.say(memory, reply("no_draft"), replies.examples(speaker.card))
    if not name:
        return speaker.say(memory, reply("which_name"))
    again = reply("name_again", name=plain(memory.now.draft.saved.name)) if memory.now.draft.saved else ""
    draft = memory.now.draft.model_copy(update={"name": name, "saved": None})
    before = (*memory.before, memory.now)[-20:]
    memory = memory.model_copy(update={"now": memory.now.model_copy(update={"draft": draft}), "before": before})
    return speaker.say(memory, " ".join(filter(None, (reply("renamed", name=name), again))))

"""Another name for the audience on the page, or for one that is saved."""

from agent import replies
from agent.context import Context
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Pending
from agent.steps import Step
from prompts.loader import reply


def ask_rename(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Note the name of an audience that is not saved yet; for one that is, ask whether to rename it.

    Raises:
        RequestError: there is no saved audience of that name.
    """
    name, now = plain(step.name or ""), memory.now
    if not step.audience and now is None:
        return speaker.say(memory, reply("no_draft"), replies.examples(speaker.card))
    if not name:
        return speaker.say(memory, reply("which_name"))
    saved = speaker.saved(step.audience[0], memory) if step.audience else now.draft.saved if now else None
    if saved is not None:
        text = reply("ask_rename", before=plain(saved.name), name=name)
        return speaker.wait(memory, "rename", text, {"audience": saved.id, "name": name})
    assert now is not None
    draft = now.draft.model_copy(update={"name": name})
    before = (*memory.before, now)[-20:]
    memory = memory.model_copy(update={"now": now.model_copy(update={"draft": draft}), "before": before})
    return speaker.say(memory, reply("renamed", name=name))


def rename(speaker: Speaker, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Rename what is saved; versions, files and outcomes stay as they are."""
    saved = speaker.service.rename(pending.arguments["audience"], pending.arguments["name"], approved_by)
    now = memory.now
    if now and now.draft.saved and now.draft.saved.id == saved.id:
        draft = now.draft.model_copy(update={"saved": saved, "name": saved.name})
        memory = memory.model_copy(update={"now": now.model_copy(update={"draft": draft})})
    return speaker.say(memory, reply("renamed_saved", name=plain(saved.name)))

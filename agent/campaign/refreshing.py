"""A saved audience at a later as-of date: the same spec, a new version, and who came and who left."""

from datetime import date

from agent import replies
from agent.context import Context
from agent.rules.campaign import day_in
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Pending
from agent.steps import Step
from prompts.loader import reply
from tools.campaign_types import Refreshed
from tools.types import DataCard, SampleUser


def ask_refresh(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Ask whether to save the audience as it is on a later day."""
    saved = speaker.meant(step.audience, memory)
    day = speaker.service.refresh_day(saved.id, day_in(context.text))
    text = reply(
        "ask_refresh",
        name=plain(saved.name),
        version=saved.version,
        before=saved.as_of,
        as_of=day,
    )
    return speaker.wait(memory, "refresh", text, {"audience": saved.id, "as_of": day.isoformat()})


def refresh(speaker: Speaker, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Save the new version, and say who came and who left."""
    day = date.fromisoformat(pending.arguments["as_of"])
    done = speaker.service.refresh(pending.arguments["audience"], approved_by, day, pending.key)
    now = memory.now
    if now and now.draft.saved and now.draft.saved.id == done.saved.id:
        now = now.model_copy(update={"draft": now.draft.model_copy(update={"saved": done.saved})})
        memory = memory.model_copy(update={"now": now})
    memory, shown = speaker.say(memory, refreshed_text(done, speaker.card))
    return memory, shown.model_copy(update={"refreshed": done})


def refreshed_text(done: Refreshed, card: DataCard) -> str:
    """The new version beside the one before, in words."""
    text = reply(
        "refreshed",
        name=plain(done.saved.name),
        version=done.saved.version,
        as_of=done.saved.as_of,
        users=replies.counted(done.saved.users, card),
        before=replies.counted(done.before.users, card),
        stayed=replies.counted(done.stayed, card),
        came=replies.counted(done.came, card),
        left=replies.counted(done.left, card),
        holdout=replies.counted(done.saved.holdout, card),
        unit_plural=card.unit_plural,
    )
    samples = [
        _sampled(reply("came_samples"), done.came_samples),
        _sampled(reply("left_samples"), done.left_samples),
    ]
    notes = [plain(note, 400) for note in done.saved.notes]
    return "\n\n".join([text, *notes, *(each for each in samples if each)])


def _sampled(head: str, users: tuple[SampleUser, ...]) -> str:
    if not users:
        return ""
    lines = [f"- {plain(user.masked_id)}: {plain(user.why, 300)}" for user in users]
    return "\n".join([head, "", *lines])

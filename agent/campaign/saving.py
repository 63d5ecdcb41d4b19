"""Saving the audience on the page, with the share that is to be kept back."""

from agent import replies
from agent.context import Context
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Pending
from agent.steps import Step
from encoders.errors import RequestError
from prompts.loader import reply
from tools.types import SavedAudience


def ask_save(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Ask whether to save the audience as it stands."""
    assert memory.now is not None
    spec = memory.now.draft.spec
    if replies.nobody_expected(speaker.service.size(spec)):
        return speaker.say(memory, reply("nobody_to_save", unit_plural=speaker.card.unit_plural))
    name = plain(step.name or "") or plain(memory.now.draft.name) or replies.default_name(memory.now)
    share = memory.now.draft.holdout if step.holdout is None else step.holdout / 100
    size, units = speaker.service.size(spec), speaker.card.unit_plural
    text = reply(
        "ask_save",
        name=name,
        sentence=plain(size.sentence or spec.demand, 4000),
        users=replies.counted(size.users, speaker.card),
        unit_plural=units,
        kept=kept_text(share),
    )
    return speaker.wait(memory, "save", text, {"name": name, "holdout": "" if share is None else str(share)})


def save(speaker: Speaker, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Save it, once."""
    memory, saved = save_draft(speaker, memory, pending, approved_by)
    return speaker.say(memory, saved_text(speaker, saved))


def save_draft(speaker: Speaker, memory: Memory, pending: Pending, approved_by: str) -> tuple[Memory, SavedAudience]:
    """Save the audience on the page under the name that was approved."""
    now, share = memory.now, pending.arguments.get("holdout", "")
    assert now is not None
    holdout = float(share) if share else None
    saved = speaker.service.save(now.draft.spec, pending.arguments["name"], approved_by, pending.key, holdout)
    draft = now.draft.model_copy(update={"saved": saved, "holdout": holdout})
    return memory.model_copy(update={"now": now.model_copy(update={"draft": draft})}), saved


def kept_text(share: float | None) -> str:
    """How many are kept back, where that was said; a share that cannot be is refused before anybody says yes."""
    if share is None:
        return ""
    if not 0 <= share <= 0.5:
        raise RequestError(reply("holdout_wrong", most=50))
    return " " + reply("kept_back", percent=replies.percent(share))


def saved_text(speaker: Speaker, saved: SavedAudience) -> str:
    """What was saved, in words, and who will not be reached."""
    text = reply(
        "saved",
        name=plain(saved.name),
        version=saved.version,
        users=replies.counted(saved.users, speaker.card),
        holdout=replies.counted(saved.holdout, speaker.card),
        unit_plural=speaker.card.unit_plural,
    )
    return "\n\n".join([text, *(plain(note, 400) for note in saved.notes)])

"""Writing a file of a saved audience, or the list an ad platform expects."""

from typing import Literal

from agent import replies
from agent.campaign.saving import save_draft, saved_text
from agent.context import Context
from agent.rules.campaign import platform_in
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Pending
from agent.steps import Step
from encoders.errors import AudienceError
from prompts.loader import reply
from tools.platforms import platform_named
from tools.types import ExportFile


def ask_export(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Ask whether to write a file of a saved audience, or of the one on the page, which is saved first."""
    now, wanted, key = memory.now, next(iter(step.audience or ()), ""), platform_in(context.text) or ""
    if not wanted and now is None:
        return speaker.say(memory, reply("no_draft"), replies.examples(speaker.card))
    chosen = speaker.saved(wanted, memory) if wanted else now.draft.saved if now else None
    form = "csv" if key else step.format or "csv"
    if chosen:
        name, users, share = chosen.name, chosen.users, None
    else:
        assert now is not None
        name, users = replies.default_name(now), speaker.service.size(now.draft.spec).users
        share = now.draft.holdout
    text = _question(
        chosen is None, plain(name), replies.counted(users, speaker.card), speaker.card.unit_plural, form, key
    )
    arguments = {"name": name, "format": form, "audience": chosen.id if chosen else "", "platform": key}
    arguments["holdout"] = "" if share is None else str(share)
    return speaker.wait(memory, "export", text, arguments)


def export(speaker: Speaker, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Write the file; when that fails, what was saved before it stays saved, and the reply says both."""
    audience, said = pending.arguments.get("audience", ""), []
    if not audience:
        memory, saved = save_draft(speaker, memory, pending, approved_by)
        audience, said = saved.id, [saved_text(speaker, saved)]
    form: Literal["csv", "parquet"] = "parquet" if pending.arguments["format"] == "parquet" else "csv"
    platform = pending.arguments.get("platform", "")
    try:
        written = speaker.service.export(audience, form, f"{pending.key}-file", platform)
    except AudienceError as error:
        return speaker.say(memory, "\n\n".join([*said, str(error)]))
    text = _written(written, pending.arguments["name"], speaker.card.unit_plural)
    memory, shown = speaker.say(memory, "\n\n".join([*said, text, *written.warnings]))
    return memory, shown.model_copy(update={"file": written})


def _question(save_first: bool, name: str, users: str, unit_plural: str, form: str, platform: str) -> str:
    """What is asked before a file or a list is written, and the audience saved where it is not yet."""
    if platform:
        called = platform_named(platform).name
        if not save_first:
            return reply("ask_list", name=name, platform=called)
        return reply("ask_save_list", name=name, users=users, unit_plural=unit_plural, platform=called)
    spoken = form.upper() if form == "csv" else form.capitalize()
    if save_first:
        return reply("ask_save_export", format=spoken, name=name, users=users, unit_plural=unit_plural)
    return reply("ask_export", format=spoken, name=name, users=users, unit_plural=unit_plural)


def _written(written: ExportFile, name: str, unit_plural: str) -> str:
    rows, held_out = replies.count(written.rows), replies.count(written.held_out)
    if not written.platform:
        return reply("exported", rows=rows, held_out=held_out, name=plain(name), unit_plural=unit_plural)
    return reply("list_ready", rows=rows, held_out=held_out, name=plain(name), platform=written.platform)

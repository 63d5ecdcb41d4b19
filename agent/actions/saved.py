"""What is done with saved audiences: saved with a holdout, renamed, refreshed, exported, measured."""

from datetime import date
from typing import Literal

from agent import replies
from agent.context import Context
from agent.holdout_words import power_text, saved_power_text
from agent.outcome_words import outcome_text
from agent.reading.commands import day_in, from_data, platform_in, upload_in, version_in
from agent.reading.wording import plain
from agent.reply_builder import KEPT_FOR_UNDO, Outcome, ReplyBuilder
from agent.state import Memory, Pending, Version
from agent.steps import Step
from encoders.errors import AudienceError, RequestError
from prompts.loader import reply
from tools.delivery.destinations import platform_named
from tools.operation_types import Refreshed
from tools.types import DataCard, ExportFile, SampleUser, SavedAudience


def ask_save(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Ask whether to save the audience as it stands."""
    assert memory.now is not None
    spec = memory.now.draft.spec
    if replies.nobody_expected(speaker.service.size(spec)):
        return speaker.say(memory, reply("nobody_to_save", unit_plural=speaker.card.unit_plural))
    name = plain(step.name or "") or plain(memory.now.draft.name) or replies.default_name(memory.now)
    share = memory.now.draft.holdout if step.holdout is None else step.holdout / 100
    size, units = speaker.service.size(spec), speaker.card.unit_plural
    told, version = next_version(speaker, name)
    text = told + reply(
        "ask_save",
        name=name,
        sentence=plain(size.sentence or spec.demand, 4000),
        users=replies.counted(size.users, speaker.card),
        unit_plural=units,
        kept=kept_text(speaker.service.settings.holdout if share is None else share)
        + power_text(size, share, speaker.service.settings),
    )
    arguments = {"name": name, "holdout": "" if share is None else str(share), "version": str(version)}
    return speaker.wait(memory, "save", text, arguments)


def next_version(speaker: ReplyBuilder, name: str) -> tuple[str, int]:
    """The version that a name gets next, and what is said where it exists, so that nobody saves over it unasked."""
    there = speaker.service.named(name)
    if there is None:
        return "", 1
    told = reply("becomes_version", name=plain(there.name), version=there.version + 1, as_of=there.as_of)
    return f"{told}\n\n", there.version + 1


def version_shown(pending: Pending) -> int | None:
    """The version that whoever said yes was told of; None where an earlier program asked."""
    return int(pending.arguments["version"]) if pending.arguments.get("version") else None


def save(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Save it, once."""
    memory, saved = save_draft(speaker, memory, pending, approved_by)
    return speaker.say(memory, saved_text(speaker, saved))


def save_draft(
    speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str
) -> tuple[Memory, SavedAudience]:
    """Save the audience on the page under the name that was approved."""
    now, share = memory.now, pending.arguments.get("holdout", "")
    assert now is not None
    holdout = float(share) if share else None
    name, version = pending.arguments["name"], version_shown(pending)
    saved = speaker.service.save(now.draft.spec, name, approved_by, pending.key, holdout, version)
    draft = now.draft.model_copy(update={"saved": saved, "holdout": holdout})
    return memory.model_copy(update={"now": now.model_copy(update={"draft": draft})}), saved


def kept_text(share: float) -> str:
    """How many are held out; a share that cannot be is refused before anybody says yes."""
    if not 0 <= share <= 0.5:
        raise RequestError(reply("holdout_wrong", most=50))
    return " " + reply("kept_back", percent=replies.percent(share))


def saved_text(speaker: ReplyBuilder, saved: SavedAudience) -> str:
    """What was saved, in words, and who will not be reached."""
    text = reply(
        "saved",
        name=plain(saved.name),
        version=saved.version,
        users=replies.counted(saved.users, speaker.card),
        holdout=replies.counted(saved.holdout, speaker.card),
        unit_plural=speaker.card.unit_plural,
    )
    return "\n\n".join([text + saved_power_text(saved), *(plain(note, 400) for note in saved.notes)])


MOST = 50
"""Percent that can be held out at most."""


def hold_back(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Note the share in the draft; what is saved already stays as it is until it is saved again."""
    if memory.now is None:
        return speaker.say(memory, speaker.nothing_yet(memory), replies.examples(speaker.card))
    if step.holdout is None or not 0 <= step.holdout <= MOST:
        return speaker.say(memory, reply("holdout_wrong", most=MOST))
    version = with_share(memory.now, step.holdout / 100)
    text = reply("held_back", percent=replies.percent(step.holdout / 100), unit_plural=speaker.card.unit_plural)
    again = reply("save_again") if memory.now.draft.saved else ""
    nobody = reply("held_nobody") if not step.holdout else ""
    size = speaker.service.size(version.draft.spec)
    text += power_text(size, step.holdout / 100, speaker.service.settings)
    before = (*memory.before, memory.now)[-KEPT_FOR_UNDO:]
    memory = memory.model_copy(update={"now": version, "before": before})
    return speaker.say(memory, " ".join(part for part in (text, nobody, again) if part))


def with_share(version: Version, share: float | None) -> Version:
    """The audience with another share to hold out, which is not saved yet; None leaves it as it is."""
    if share is None:
        return version
    return version.model_copy(update={"draft": version.draft.model_copy(update={"holdout": share, "saved": None})})


def heard_share(percent: float | None) -> tuple[float | None, tuple[str, ...]]:
    """The share in 0..1 that a message wants held out while it says something else, and what has to be said."""
    if percent is None:
        return None, ()
    if not 0 <= percent <= MOST:
        return None, (reply("holdout_wrong", most=MOST),)
    return percent / 100, (reply("held_back_too", percent=replies.percent(percent / 100)),)


def ask_rename(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Note the name of an audience that is not saved yet; for one that is, ask whether to rename it.

    Raises:
        RequestError: there is no saved audience of that name.
    """
    name, now = plain(step.name or ""), memory.now
    if not step.audience and now is None:
        return speaker.say(memory, speaker.nothing_yet(memory), replies.examples(speaker.card))
    if not name:
        return speaker.say(memory, reply("which_name"))
    saved = speaker.saved(step.audience[0], memory) if step.audience else now.draft.saved if now else None
    if saved is not None:
        other = speaker.service.named(name)
        if other is not None and other.id != saved.id:
            return speaker.say(memory, reply("name_taken", name=plain(other.name), version=other.version))
        text = reply("ask_rename", before=plain(saved.name), name=name)
        return speaker.wait(memory, "rename", text, {"audience": saved.id, "name": name})
    assert now is not None
    draft = now.draft.model_copy(update={"name": name})
    before = (*memory.before, now)[-KEPT_FOR_UNDO:]
    memory = memory.model_copy(update={"now": now.model_copy(update={"draft": draft}), "before": before})
    return speaker.say(memory, reply("renamed", name=name))


def rename(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Rename what is saved; versions, files and outcomes stay as they are."""
    saved = speaker.service.rename(pending.arguments["audience"], pending.arguments["name"], approved_by)
    now = memory.now
    if now and now.draft.saved and now.draft.saved.id == saved.id:
        draft = now.draft.model_copy(update={"saved": saved, "name": saved.name})
        memory = memory.model_copy(update={"now": now.model_copy(update={"draft": draft})})
    return speaker.say(memory, reply("renamed_saved", name=plain(saved.name)))


def ask_refresh(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
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


def refresh(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
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


def ask_export(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Ask whether to write a file of a saved audience, or of the one on the page, which is saved first."""
    now, wanted, key = memory.now, next(iter(step.audience or ()), ""), platform_in(context.text) or ""
    if not wanted and now is None:
        return speaker.say(memory, speaker.nothing_yet(memory), replies.examples(speaker.card))
    chosen = speaker.saved(wanted, memory) if wanted else now.draft.saved if now else None
    form: Literal["csv", "parquet"] = "csv" if key or step.format != "parquet" else "parquet"
    if key:
        speaker.service.check_destination(key)
    if chosen:
        name, users, share = chosen.name, chosen.users, None
    else:
        assert now is not None
        name = plain(now.draft.name) or replies.default_name(now)
        users = speaker.service.size(now.draft.spec).users
        share = now.draft.holdout
    told, version = next_version(speaker, name) if chosen is None else ("", "")
    text = told + _question(
        chosen is None, plain(name), replies.counted(users, speaker.card), speaker.card.unit_plural, form, key
    )
    if chosen:
        text = f"{_leaving(speaker, chosen, form, key)} {text}"
    arguments = {"name": name, "format": form, "audience": chosen.id if chosen else "", "platform": key}
    arguments |= {"holdout": "" if share is None else str(share), "version": str(version)}
    return speaker.wait(memory, "export", text, arguments)


def _leaving(speaker: ReplyBuilder, saved: SavedAudience, form: Literal["csv", "parquet"], platform: str) -> str:
    """How many would leave, and who would not and why; raises like the export."""
    planned = speaker.service.planned_export(saved.id, form, platform)
    text = reply(
        "leaving",
        name=plain(saved.name),
        rows=replies.count(planned.rows),
        users=replies.counted(saved.users, speaker.card),
        held_out=replies.count(planned.held_out),
        unit_plural=speaker.card.unit_plural,
    )
    return " ".join([text, *(plain(each, 400) for each in planned.warnings)])


def export(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
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
            return reply("ask_list", platform=called)
        return reply("ask_save_list", name=name, users=users, unit_plural=unit_plural, platform=called)
    spoken = form.upper() if form == "csv" else form.capitalize()
    if save_first:
        return reply("ask_save_export", format=spoken, name=name, users=users, unit_plural=unit_plural)
    return reply("ask_export", format=spoken)


def _written(written: ExportFile, name: str, unit_plural: str) -> str:
    rows, held_out = replies.count(written.rows), replies.count(written.held_out)
    if not written.platform:
        return reply("exported", rows=rows, held_out=held_out, name=plain(name), unit_plural=unit_plural)
    return reply("list_ready", rows=rows, held_out=held_out, name=plain(name), platform=written.platform)


def ask_outcome(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Show what was recorded, or ask whether to record what a file or the data says."""
    saved, file = speaker.meant(step.audience, memory), upload_in(context.text)
    name, version = plain(saved.name), version_in(context.text)
    arguments = {"audience": saved.id, "version": str(version or saved.version), "file": file or ""}
    if file:
        path, told = speaker.service.uploaded(file), int(arguments["version"])
        seen = outcome_text(speaker.service.outcomes.look_at_file(saved.id, path, told), speaker.card)
        text = "\n\n".join([seen, reply("ask_outcome_file", name=name, version=told)])
        return speaker.wait(memory, "outcome", text, arguments)
    if from_data(context.text):
        text = reply("ask_outcome_data", name=name, version=arguments["version"])
        return speaker.wait(memory, "outcome", text, arguments)
    outcome = speaker.service.outcomes.last(saved.id, version)
    if outcome is None:
        options = (reply("outcome_from_data", name=name),) if saved.spec else ()
        return speaker.say(memory, reply("no_outcome", name=name), options)
    memory, shown = speaker.say(memory, outcome_text(outcome, speaker.card))
    return memory, shown.model_copy(update={"outcome": outcome})


def record_outcome(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Record it, once."""
    audience, version = pending.arguments["audience"], int(pending.arguments["version"])
    outcomes, file = speaker.service.outcomes, pending.arguments["file"]
    if file:
        found = outcomes.from_file(audience, speaker.service.uploaded(file), approved_by, version)
    else:
        found = outcomes.from_data(audience, approved_by, version)
    memory, shown = speaker.say(memory, outcome_text(found, speaker.card))
    return memory, shown.model_copy(update={"outcome": found})

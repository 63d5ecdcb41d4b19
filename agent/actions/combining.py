"""Several audiences: compared, combined, offered as segments; and people like a list of users."""

from hashlib import sha256

from pydantic import TypeAdapter

from agent import replies
from agent.actions.saved import saved_text
from agent.context import Context
from agent.reading.commands import BEFORE, LATEST, THIS, Operation, ids_in, upload_in
from agent.reading.grounding import short_first
from agent.reading.wording import Parts, listed, plain
from agent.reply_builder import Outcome, ReplyBuilder
from agent.state import AudienceDraft, Clarification, Memory, Pending
from agent.steps import Step
from agent.thinking.drafts import Drafting
from agent.thinking.weighing import spec_of
from prompts.loader import reply
from tools.audiences.seeds import read_seeds
from tools.types import AudienceSpec, SavedAudience, SizeEstimate

_JOINTS: dict[str, str] = {"and": "and also", "or": "or", "not": "but not"}
_SEPARATOR = "\n"


_LISTED = 8


def compare(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Say how far the audience on the page and saved ones overlap; without one on the page, the saved ones."""
    if step.audience == [BEFORE]:
        return _with_before(speaker, memory)
    there = [each.name for each in speaker.service.list_audiences()]
    if not there:
        return speaker.say(memory, reply("nothing_saved"), (replies.SAVE,))
    named = [each for each in step.audience or there if each != THIS]
    chosen: list[AudienceSpec | str] = [speaker.saved(each, memory).id for each in named]
    if memory.now and (THIS in (step.audience or []) or not _several_saved(step)):
        chosen.insert(0, memory.now.draft.spec)
    if len(chosen) < 2:
        return speaker.say(memory, reply("no_draft"), replies.examples(speaker.card))
    comparison = speaker.service.compare(chosen)
    lines = [
        reply(
            "compared",
            a=plain(each.a),
            b=plain(each.b),
            users_a=replies.counted(each.users_a, speaker.card),
            users_b=replies.counted(each.users_b, speaker.card),
            both=replies.counted(each.both, speaker.card),
            percent=replies.percent(each.jaccard),
            unit_plural=speaker.card.unit_plural,
        )
        for each in comparison.overlaps
    ]
    memory, shown = speaker.say(memory, "\n\n".join(lines))
    return memory, shown.model_copy(update={"comparison": comparison})


def _with_before(speaker: ReplyBuilder, memory: Memory) -> Outcome:
    """Say how the audience on the page differs from what it was before its last change."""
    if memory.now is None:
        return speaker.say(memory, reply("no_draft"), replies.examples(speaker.card))
    spec = memory.now.draft.spec
    earlier = [each.draft.spec for each in memory.before if each.draft.spec != spec]
    if not earlier:
        return speaker.say(memory, reply("nothing_before"))
    comparison = speaker.service.compare([earlier[-1], spec])
    found = comparison.overlaps[0]
    text = reply(
        "compared_before",
        before=_told(speaker, earlier[-1]),
        now=_told(speaker, spec),
        users_before=replies.counted(found.users_a, speaker.card),
        users_now=replies.counted(found.users_b, speaker.card),
        both=replies.counted(found.both, speaker.card),
        percent=replies.percent(found.jaccard),
        unit_plural=speaker.card.unit_plural,
    )
    memory, shown = speaker.say(memory, text)
    return memory, shown.model_copy(update={"comparison": comparison})


def _told(speaker: ReplyBuilder, spec: AudienceSpec) -> str:
    """The whole sentence of an audience."""
    return plain(speaker.service.size(spec).sentence or spec.demand, 600)


def ask_combine(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Ask whether to save an audience made of saved ones."""
    operation: Operation = step.operation or "or"
    found = [speaker.saved(each, memory) for each in step.audience or ()]
    parts: list[SavedAudience] = list({each.id: each for each in found}.values())
    if len(parts) <= 1:
        there = ", ".join(plain(each.name) for each in speaker.service.list_audiences()[:_LISTED])
        text = reply("which_audience", names=there) if there else reply("nothing_saved_yet")
        return speaker.say(memory, text)
    users = speaker.service.combined_users(operation, [each.id for each in parts])
    names = [plain(each.name) for each in parts]
    name = plain(step.name or "") or plain(f" {_JOINTS[operation]} ".join(names), 100)
    text = reply(
        "ask_combine",
        name=name,
        users=replies.counted(users, speaker.card),
        unit_plural=speaker.card.unit_plural,
        which=_which(operation, names),
    )
    arguments = {"name": name, "operation": operation, "audiences": _SEPARATOR.join(each.id for each in parts)}
    return speaker.wait(memory, "combine", text, arguments)


def combine(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Save it, once."""
    operation = TypeAdapter[Operation](Operation).validate_python(pending.arguments["operation"])
    audiences = pending.arguments["audiences"].split(_SEPARATOR)
    saved = speaker.service.combine(operation, audiences, pending.arguments["name"], approved_by, pending.key)
    return speaker.say(memory, saved_text(speaker, saved))


def _which(operation: Operation, names: list[str]) -> str:
    """Who of the audiences is in the new one, in words."""
    if operation == "and":
        return reply("combine_all", names=listed(names, "and"))
    if operation == "or":
        return reply("combine_any", names=listed(names, "and"))
    return reply("combine_first", first=names[0], others=listed(names[1:], "or"))


def _several_saved(step: Step) -> bool:
    """Whether the message names two saved audiences or more, and not the one on the page."""
    return len([each for each in step.audience or () if each != LATEST]) > 1


MOST = 6
_USUAL = 3


def segments(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Propose different audiences, each with its size; the next message picks one, or says something else."""
    card = speaker.card
    wanted = min(context.parsed.count or _USUAL, MOST)
    action = context.action
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


def people_like(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Draft an audience of people like those of the list, with the sentence on the page where there is one.

    Raises:
        RequestError: fewer than five of the list are known; the text says how many.
    """
    file = upload_in(context.text)
    ids = read_seeds(speaker.service.uploaded(file)) if file else ids_in(context.text)
    if not ids:
        return speaker.say(memory, reply("like_which", unit=speaker.card.unit))
    now = memory.now
    sentence = now.draft.spec.demand if now else None
    name = f"list {sha256(' '.join([sentence or '', *sorted(ids)]).encode()).hexdigest()[:8]}"
    tuned = speaker.service.tune(name, sentence, ids)
    if now:
        spec = now.draft.spec.model_copy(update={"demand": tuned.demand, "like": name})
        draft = now.draft.model_copy(update={"spec": spec, "saved": None, "assumptions": ()})
    else:
        draft = AudienceDraft(request=context.text, spec=AudienceSpec(demand=tuned.demand, like=name))
    version = Drafting(speaker.service, speaker.card).checked(draft, now.parts if now else None)
    notes = [reply("like_read_as", groups=", ".join(map(plain, tuned.reads_as[:4])) or "nothing in particular")]
    notes.append(
        reply(
            "like_tuned",
            seeds=replies.count(tuned.seeds or 0),
            after=replies.percent(tuned.auc_after),
            unit_plural=speaker.card.unit_plural,
        )
    )
    notes += [plain(warning, 400) for warning in tuned.warnings]
    return speaker.show("like_these", memory, version, tuple(notes))

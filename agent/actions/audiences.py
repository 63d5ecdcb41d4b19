"""Audiences looked at: compared, combined, offered as segments, like a list of users, and what their profiles say."""

from collections.abc import Sequence
from hashlib import sha256
from string import Template

from pydantic import TypeAdapter

from agent import replies
from agent.actions.saved import next_version, saved_text, version_shown
from agent.context import Context
from agent.guard.verdict import check, read_ahead
from agent.reading.commands import BEFORE, LATEST, THIS, Operation, ids_in, upload_in
from agent.reading.grounding import short_first
from agent.reading.wording import Parts, listed, plain
from agent.replies import percent
from agent.reply_builder import Outcome, ReplyBuilder
from agent.state import AudienceDraft, Clarification, Memory, Pending, Version
from agent.steps import Step
from agent.thinking.drafts import Drafting
from agent.thinking.weighing import spec_of
from prompts.loader import reply, table
from tools.audiences.profile import FOUR_FIFTHS
from tools.audiences.seeds import read_seeds
from tools.types import AudienceSpec, DataCard, ProfileRow, SavedAudience, SizeEstimate, SkewField, SkewReport

# --- Several audiences: compared, combined, offered as segments; and people like a list of users --


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
    told, version = next_version(speaker, name)
    text = told + reply(
        "ask_combine",
        name=name,
        users=replies.counted(users, speaker.card),
        unit_plural=speaker.card.unit_plural,
        which=_which(operation, names),
    )
    arguments = {"name": name, "operation": operation, "audiences": _SEPARATOR.join(each.id for each in parts)}
    arguments["version"] = str(version)
    return speaker.wait(memory, "combine", text, arguments)


def combine(speaker: ReplyBuilder, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Save it, once."""
    operation = TypeAdapter[Operation](Operation).validate_python(pending.arguments["operation"])
    audiences = pending.arguments["audiences"].split(_SEPARATOR)
    name, version = pending.arguments["name"], version_shown(pending)
    saved = speaker.service.combine(operation, audiences, name, approved_by, pending.key, version)
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


# --- What the profile of an audience says: angles for a message, and whom it takes more often than others


_MOST = 5
_ATTRIBUTES = 2
"""Angles made of attributes at most: what people do says more than who they are."""


def message_angles(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Suggest angles for the audience on the page.

    Raises:
        TooSmallError: it is below the minimum size.
    """
    if memory.now is None:
        return speaker.say(memory, reply("no_draft"))
    spec, words = memory.now.draft.spec, {"unit_plural": speaker.card.unit_plural}
    found = angles(memory.now, speaker.service.profile(spec, 16), speaker.service.size(spec).reads_as)
    if not found:
        return speaker.say(memory, _filled("none", words))
    note = _filled("note", {"as_of": str(speaker.card.as_of)})
    return speaker.say(memory, "\n\n".join([_filled("head", words), "\n".join(f"- {each}" for each in found), note]))


def angles(version: Version, rows: Sequence[ProfileRow], reads_as: Sequence[str]) -> tuple[str, ...]:
    """Up to five angles; none about what may not be targeted.

    Args:
        version: the audience, for what its sentence offers.
        rows: its profile.
        reads_as: the groups its sentence is about.
    """
    new = bool(version.parts and version.parts.first_time)
    made = [_filled("first", {})] if new else []
    attributes = 0
    read_ahead(text for row in rows for text in _texts(row, version))
    for row in sorted(rows, key=lambda row: (row.value not in reads_as, -row.index)):
        if row.kind == "attribute":
            attributes += 1
            if attributes > _ATTRIBUTES:
                continue
        angle = _angle(row, reads_as)
        if _allowed(row, version):
            made.append(angle)
    return tuple(made[:_MOST])


def _allowed(row: ProfileRow, version: Version) -> bool:
    """Whether the guard lets the row be named, by itself and beside what is offered."""
    return all(check(text) is None for text in _texts(row, version))


def _texts(row: ProfileRow, version: Version) -> tuple[str, ...]:
    words = f"{row.field} {row.value}" if row.kind == "attribute" else row.value
    return words, f"people with {words}", f"{version.draft.spec.demand} ; {words}"


def _angle(row: ProfileRow, reads_as: Sequence[str]) -> str:
    key = "attribute" if row.kind == "attribute" else "known" if row.value in reads_as else "beside"
    words = {
        "value": plain(row.value),
        "share": percent(row.audience_share),
        "everyone": percent(row.everyone_share),
        "index": f"{row.index:.0f}",
    }
    return _filled(key, words | ({"field": plain(row.field)} if key == "attribute" else {}))


def _filled(key: str, words: dict[str, str]) -> str:
    return Template(table("angles")[key]).substitute(words)


def say_skew(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Say whom the audience on the page takes more often than others."""
    assert memory.now is not None
    return speaker.say(memory, skew_text(speaker.service.skew(memory.now.draft.spec), speaker.card))


def skew_text(report: SkewReport, card: DataCard) -> str:
    """One paragraph an attribute, the most skewed first."""
    if not report.fields:
        return reply("skew_nothing", unit_plural=card.unit_plural)
    fields = sorted(report.fields, key=lambda each: 2 if each.lowest_ratio is None else each.lowest_ratio)
    return "\n\n".join([reply("skew"), *(_field_text(each, card) for each in fields)])


def _field_text(field: SkewField, card: DataCard) -> str:
    judged = sorted((row for row in field.rows if row.ratio is not None), key=lambda row: row.ratio or 0)
    if not judged:
        return reply("skew_unknown", field=plain(field.field), unit_plural=card.unit_plural)
    least, most = judged[0], judged[-1]
    if least.verdict == "even" or least.interval is None:
        return reply("skew_even", field=plain(field.field), ratio=f"{least.ratio:.2f}")
    return reply(
        "skew_below",
        field=plain(field.field),
        most=plain(most.value),
        most_percent=percent(most.rate or 0),
        least=plain(least.value),
        least_percent=percent(least.rate or 0),
        ratio=f"{least.ratio:.2f}",
        low=f"{least.interval.low:.2f}",
        high=f"{least.interval.high:.2f}",
        sure=reply("skew_sure" if least.interval.high < FOUR_FIFTHS else "skew_unsure"),
    )

"""Answers to what is asked about the audience, the options on offer, what is saved and what one can do here."""

from collections.abc import Callable

from agent import replies
from agent.actions.saved import ask_save
from agent.context import Context
from agent.guard.verdict import check
from agent.ledger_words import ledger_text
from agent.reading.grounding import shares, short_first
from agent.reading.wording import listed, plain
from agent.reply_builder import KEPT_FOR_UNDO, Outcome, ReplyBuilder
from agent.state import Memory
from agent.steps import ABOUT_AUDIENCE, ALL, DECIDE, HORIZONS, NEWNESS, Step, Topic
from encoders.reader.targets import spoken_name
from encoders.text.words import stems
from prompts.loader import reply
from tools.types import ProfileRow, SizeEstimate

_LISTED = 12
"""Saved audiences that are listed."""

_EXAMPLES = 4
"""Items that show what a group holds."""

_PROFILE, _PROFILE_JUDGED, _PROFILE_READ = 6, 12, 500
"""Rows of the profile that are told, those that the guard looks at for them, and those that are compared: what most
more of these people do than of everyone tells more of them than the rare thing that a few do."""


def answer(speaker: ReplyBuilder, step: Step, context: Context, memory: Memory) -> Outcome:
    """Answer, and leave the audience and an open question as they stand."""
    card, topic = speaker.card, step.topic
    options = () if memory.now else replies.examples(card)
    if step.action == "decline":
        text = plain(step.say, 400) if step.say else reply("declined", unit_plural=card.unit_plural)
    elif topic in ABOUT_AUDIENCE and memory.now is None and memory.question is not None:
        text = _about_options(speaker, context, memory, topic)
    elif topic in ABOUT_AUDIENCE and (meaning := _stages(speaker, context, memory)):
        text = meaning
    elif topic == "approval":
        return _approved(speaker, context, memory)
    elif topic in _ABOUT:
        text = _ABOUT[topic](speaker, context, memory)
    elif topic == "none":
        return _none_of_these(speaker, context, memory)
    elif topic == "horizon":
        text, options = reply("ask_horizon", unit_plural=card.unit_plural), HORIZONS
    elif topic == "newness" and memory.now:
        items = plain(listed(memory.now.parts.items, "or")) if memory.now.parts else "it"
        text, options = reply("ask_newness", unit_plural=card.unit_plural, items=items), NEWNESS
    elif topic == "unknown":
        groups = listed([plain(each) for each in short_first(card.top_groups)[:3]], "or")
        text, options = reply("unknown", unit_plural=card.unit_plural, examples=groups), replies.examples(card)
    elif step.say:
        text = plain(step.say, 600)
    else:
        text = reply("help", unit_plural=card.unit_plural, unit=card.unit)
    return speaker.say(memory, text, options)


def _sized(speaker: ReplyBuilder, memory: Memory) -> SizeEstimate | None:
    """The audience on the page, where it is large enough for its figures to be said."""
    size = speaker.service.size(memory.now.draft.spec) if memory.now else None
    told = size and size.users and size.responders and size.lift is not None and size.precision
    return size if told else None


def _accuracy(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    size = _sized(speaker, memory)
    if size is None or size.responders is None or size.precision is None or size.lift is None:
        return _without_figures(memory, speaker)
    text = reply(
        "about_accuracy",
        users=replies.count(size.users or 0),
        unit_plural=speaker.card.unit_plural,
        low=replies.count(size.responders.low),
        high=replies.count(size.responders.high),
        least=replies.percent(size.precision.low),
        most=replies.percent(size.precision.high),
        lift=replies.decimal(size.lift, 1),
    )
    return " ".join((text, *size.warnings))


def _stages(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    """What the stages of the audience that a question names stand for; empty where it names none."""
    stages = memory.now.draft.spec.life_cycle if memory.now else ()
    named = [each for each in stages if stems(each.stage) <= stems(context.text)]
    meanings = (reply("assumed_stage", stage=each.stage, meaning=speaker.service.meaning(each)) for each in named)
    return "; ".join(dict.fromkeys(meanings)) + "." if named else ""


def _lift(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    size = _sized(speaker, memory)
    if size is None or size.responders is None or not size.lift:
        return " ".join((reply("about_lift"), _without_figures(memory, speaker)))
    found, units = size.responders.mid, speaker.card.unit_plural
    here = reply(
        "about_lift_here",
        users=replies.count(size.users or 0),
        unit_plural=units,
        found=replies.count(found),
        random=replies.count(found / size.lift),
        lift=replies.decimal(size.lift, 1),
    )
    return " ".join((reply("about_lift"), here))


def _cost(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    size = _sized(speaker, memory)
    if size is None:
        return _without_figures(memory, speaker)
    goal = memory.now.draft.goal if memory.now else None
    if goal is not None and goal.cost is not None:
        cost = replies.decimal(goal.cost * (size.users or 0), 2)
        return reply("about_cost_here", users=replies.count(size.users or 0), cost=cost, one=f"{goal.cost:g}")
    return reply("about_cost", users=replies.count(size.users or 0), unit_plural=speaker.card.unit_plural)


def _about_options(speaker: ReplyBuilder, context: Context, memory: Memory, topic: Topic | None) -> str:
    """What is asked of an audience while only a question stands: who, or how many, each of its answers is."""
    assert memory.question is not None
    if topic == "people" or memory.question.topic != "meaning":
        told = _difference(speaker, context, memory)
    else:
        real = [each for each in memory.question.options if each not in (ALL, DECIDE)]
        told = replies.question_text(memory.question, context.weighed(real), speaker.card)
    interval = [reply("about_interval")] if topic in ("accuracy", "size") else []
    return "\n\n".join((reply("about_options"), told, *interval))


def _people(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    """Who is in the audience: how it was chosen, and what sets these people apart from everyone."""
    if memory.now is None:
        return reply("no_draft")
    spec, card = memory.now.draft.spec, speaker.card
    size = speaker.service.size(spec)
    text = replies.size_text(size, spec, card)
    if not size.users:
        return text
    told = (each for each in speaker.service.profile(spec, _PROFILE_READ) if each.users is not None)
    rows = (each for each in told if each.audience_share > each.everyone_share)
    telling = sorted(rows, key=lambda each: each.everyone_share - each.audience_share)[:_PROFILE_JUDGED]
    lines = [_set_apart(each) for each in telling if check(f"{each.field} {each.value}") is None][:_PROFILE]
    return (
        "\n\n".join((text, "\n".join((reply("about_people", unit_plural=card.unit_plural), *lines)))) if lines else text
    )


def _set_apart(row: ProfileRow) -> str:
    name = plain(f"{row.field}: {row.value}" if row.kind == "attribute" else row.value)
    return reply(
        "about_people_row",
        name=name,
        share=replies.percent(row.audience_share),
        everyone=replies.percent(row.everyone_share),
    )


def _size(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    if memory.now is None:
        return _without_figures(memory, speaker)
    spec = memory.now.draft.spec
    size = speaker.service.size(spec)
    return " ".join((replies.size_text(size, spec, speaker.card), reply("about_interval") if size.responders else ""))


def _saved(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    there = sorted(speaker.service.list_audiences(), key=lambda each: each.created, reverse=True)
    if not there:
        return reply("nothing_saved_yet")
    lines = [
        reply(
            "saved_line",
            name=plain(each.name),
            version=each.version,
            users=replies.counted(each.users, speaker.card),
            unit_plural=speaker.card.unit_plural,
            day=each.created.strftime("%Y-%m-%d"),
        )
        for each in there[:_LISTED]
    ]
    more = [reply("saved_more", number=len(there) - _LISTED)] if len(there) > _LISTED else []
    return "\n".join((reply("saved_list", number=len(there)), *lines, *more))


def _forecasts(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return ledger_text(speaker.service.ledger.page())


def _difference(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    if memory.question is None:
        return reply("help", unit_plural=speaker.card.unit_plural, unit=speaker.card.unit)
    real = [each for each in memory.question.options if each not in (ALL, DECIDE)]
    sizes = {each.answer: each for each in context.weighed(real)}
    lines = []
    for option in real:
        hits = [hit for hit in speaker.service.search_groups(option, 3) if hit.group.lower() == option.lower()]
        named = [plain(spoken_name(each, option)) for each in hits[0].items] if hits else []
        items = listed(list(dict.fromkeys(each for each in named if each))[:_EXAMPLES], "and")
        many = hits[0].users if hits else None
        key = "option_holds" if items else "option_plain"
        counted = replies.counted(sizes[option].users if option in sizes else many, speaker.card)
        values = {"option": plain(option), "users": counted, "unit_plural": speaker.card.unit_plural}
        lines.append(reply(key, **values, **({"items": items} if items else {})))
    return "\n\n".join(("\n".join(lines), memory.question.question))


def _none_of_these(speaker: ReplyBuilder, context: Context, memory: Memory) -> Outcome:
    """Offer others that are near, or ask for other words; what was offered is not offered again."""
    offered = set(memory.question.options) if memory.question else set()
    others = tuple(plain(each) for each in _further(context) if each not in offered)[:_EXAMPLES]
    if memory.question is None and memory.now is not None:  # the audience itself is what is not meant
        memory = memory.model_copy(update={"now": None, "before": (*memory.before, memory.now)[-KEPT_FOR_UNDO:]})
    memory = memory.model_copy(update={"question": None, "request": "", "reading": None, "answers": (), "asked": 0})
    if others:
        return speaker.say(memory, reply("none_others", others=listed(list(others), "or")), others)
    return speaker.say(memory, reply("none_rephrase"), replies.examples(speaker.card))


def _further(context: Context) -> tuple[str, ...]:
    """What the request could mean, best first: what its reader finds; where nobody read it, what shares its words."""
    whole = context.whole
    if whole is not None:
        return tuple(dict.fromkeys((*(each.group for each in whole.groups), *whole.beside)))
    hits = [hit for phrase in context.request_parsed.wants for hit in context.hits(phrase) if shares(phrase, hit)]
    return tuple(dict.fromkeys(hit.group for hit in hits))


def _courtesy(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    if memory.question:
        return reply("choose_one")
    if memory.now:
        return reply("welcome")
    return reply("welcome_anew") if context.conversation else reply("hello", unit_plural=speaker.card.unit_plural)


def _approved(speaker: ReplyBuilder, context: Context, memory: Memory) -> Outcome:
    """What a yes to the audience on the page leads to: it is saved, once that is asked for in words."""
    if memory.now is None or memory.now.draft.saved is not None:
        return speaker.say(memory, _courtesy(speaker, context, memory))
    return ask_save(speaker, Step(action="save"), context, memory)


def _contacts(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("contacts", unit=speaker.card.unit, unit_plural=speaker.card.unit_plural)


def _delete(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("delete")


def _anyway(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("anyway", unit_plural=speaker.card.unit_plural)


def _places(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    """What is said where places are named that a question does not have."""
    real = [each for each in memory.question.options if each not in (ALL, DECIDE)] if memory.question else []
    return reply("places", number=len(real))


def _unanswered(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("unanswered", unit=speaker.card.unit)


def _no_draft(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("no_draft")


def _chatter(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    groups = listed([plain(each) for each in short_first(speaker.card.top_groups)[:3]], "or")
    return reply("chatter", unit_plural=speaker.card.unit_plural, examples=groups)


def _nothing_open(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    """What is said to "you decide" where nothing was asked."""
    return reply("nothing_open")


def _unclear(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("unclear")


def _data(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return replies.data_text(speaker.card)


def _help(speaker: ReplyBuilder, context: Context, memory: Memory) -> str:
    return reply("help", unit_plural=speaker.card.unit_plural, unit=speaker.card.unit)


def _without_figures(memory: Memory, speaker: ReplyBuilder) -> str:
    return reply("too_few_to_say", minimum=speaker.card.minimum_size) if memory.now else reply("no_draft")


_ABOUT: dict[Topic | None, Callable[[ReplyBuilder, Context, Memory], str]] = {
    "accuracy": _accuracy,
    "lift": _lift,
    "cost": _cost,
    "size": _size,
    "people": _people,
    "decide": _nothing_open,
    "saved": _saved,
    "difference": _difference,
    "hello": _courtesy,
    "chatter": _chatter,
    "contacts": _contacts,
    "anyway": _anyway,
    "delete": _delete,
    "forecasts": _forecasts,
    "places": _places,
    "unanswered": _unanswered,
    "no_draft": _no_draft,
    "unclear": _unclear,
    "data": _data,
    "help": _help,
}

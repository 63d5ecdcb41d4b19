"""What the agent says about an audience: texts from ``prompts/replies.toml``, filled from the service's answers."""

from collections.abc import Sequence

from agent.context import WeighedAnswer
from agent.numbers import count as count
from agent.numbers import counted as counted
from agent.numbers import decimal as decimal
from agent.numbers import percent as percent
from agent.reading.grounding import short_first
from agent.reading.wording import conditions, listed, plain
from agent.state import Clarification, Version
from encoders.text.words import stems
from prompts.loader import reply, spoken
from tools.operation_types import GoalReached
from tools.types import AudienceSpec, DataCard, SizeEstimate

YES, NO = "Yes", "No"
BROADER, NARROWER, UNDO = "Broader", "Narrower", "Undo"
FIRST, EVERYONE = "Only for the first time", "Everyone again"
LEAVE_OUT = "Leave out anyone who did it last month"
LONGEST_NAME = 60
"""Characters of a name that is given to an audience nobody has named."""
SAVE, EXPORT, COMPARE = "Save this audience", "Export as CSV", "Compare with saved audiences"


def examples(card: DataCard) -> tuple[str, ...]:
    """Requests that this data can answer, about groups with short names."""
    short = short_first(card.top_groups)
    if not short:
        return ()
    precise, wish, liking = (plain(short[place % len(short)]) for place in range(3))
    units = _capital(card.unit_plural)
    return (
        reply("example_precise", units=units, doing=doing(card, precise), days=card.horizon_days),
        reply("example_wish", group=wish),
        reply("example_liking", group=liking),
    )


def doing(card: DataCard, what: str) -> str:
    """What users do in the main source, in the words of the data: "buy coffee", "like comedies"."""
    wording = next((each.wording for each in card.sources if each.source == card.main_source), "")
    return (wording or "buy {items}").replace("{items}", what)


def size_text(size: SizeEstimate, spec: AudienceSpec, card: DataCard) -> str:
    """The size in one or two sentences, with what the service warns of."""
    limits = [plain(each, 200) for each in conditions(spec)]
    within = reply("with_conditions", conditions="; ".join(limits)) if limits else ""
    population, units = count(size.population), card.unit_plural
    if size.eligible is None:
        fewest = card.minimum_size
        return reply("size_nobody", minimum=fewest, population=population, unit_plural=units, conditions=within)
    share = percent(size.cut)
    if size.users is None or size.responders is None or size.lift is None:
        text = reply("size_small", percent=share, population=population, unit_plural=units, conditions=within)
        return " ".join((text, *size.warnings))
    users, low, high = count(size.users), count(size.responders.low), count(size.responders.high)
    if size.cut == 1 and not limits:
        text = reply("size_everyone", population=population, unit_plural=units, low=low, high=high)
    elif size.cut == 1:
        text = reply(
            "size_all",
            users=users,
            population=population,
            unit_plural=units,
            conditions=f" ({'; '.join(limits)})",
            low=low,
            high=high,
        )
    else:
        text = reply(
            "size",
            users=users,
            population=population,
            unit_plural=units,
            conditions=within,
            percent=share,
            low=low,
            high=high,
            lift=decimal(size.lift, 1),
        )
    return " ".join((text, *size.warnings))


def draft_text(key: str, version: Version, size: SizeEstimate, card: DataCard, notes: tuple[str, ...] = ()) -> str:
    """The audience as it stands: its sentence, its size, and what was assumed."""
    spec, assumed = version.draft.spec, version.draft.assumptions
    text = reply(key, sentence=plain(spec.demand, 2000), size=size_text(size, spec, card))
    paragraphs = [text, *_translated(version, card), *notes]
    if nobody_expected(size):
        paragraphs.append(reply("nobody_expected", unit_plural=card.unit_plural))
    if assumed and key == "proposal":
        paragraphs.append(reply("assumed", assumptions="; ".join(assumed)))
    return "\n\n".join(paragraphs)


def _translated(version: Version, card: DataCard) -> tuple[str, ...]:
    """The sentence in the language that is spoken, under the one that the encoder reads."""
    parts = version.parts
    if not spoken() or parts is None or parts.action != "buy":
        return ()
    items = reply("anything") if parts.anything else plain(listed(parts.items, "/"), 300)
    units = _capital(card.unit_plural)
    key = "sentence_first" if parts.first_time else "sentence"
    return (reply("translated", sentence=reply(key, units=units, items=items, days=parts.days)),)


def rather_text(weighed: WeighedAnswer, card: DataCard) -> str:
    """Another sentence that could be meant, as a clickable answer with its size."""
    return reply("rather", group=plain(weighed.answer), mid=count(weighed.users), unit_plural=card.unit_plural)


def goal_text(reached: GoalReached, card: DataCard) -> str:
    """What the cut for a goal brings."""
    if reached.users is None or reached.responders is None:
        return reply("goal_nobody", minimum=card.minimum_size, unit_plural=card.unit_plural)
    goal, profit = reached.goal, reached.profit
    users, units = count(reached.users), card.unit_plural
    if profit is not None:
        text = reply(
            "goal_profit",
            users=users,
            unit_plural=units,
            cost=decimal(reached.cost or 0, 2),
            mid=decimal(profit.mid, 0),
            low=decimal(profit.low, 0),
            high=decimal(profit.high, 0),
        )
    elif goal.precision is not None:
        share = reached.responders.mid / max(reached.users, 1)
        text = reply(
            "goal_precision", users=users, unit_plural=units, wanted=percent(goal.precision), found=percent(share)
        )
    else:
        text = reply("goal_cost", users=users, unit_plural=units, cost=decimal(reached.cost or 0, 2))
    return text if reached.reached else " ".join((text, reply("goal_missed")))


def nobody_expected(size: SizeEstimate) -> bool:
    """Whether not even one of all eligible users is expected to do it: such an audience is not offered for saving."""
    return size.all_responders is not None and size.all_responders.mid < 1


def next_options(version: Version, size: SizeEstimate, can_undo: bool) -> tuple[str, ...]:
    """What one may want to say next, as clickable answers."""
    if not size.eligible:
        return (UNDO,) if can_undo else ()
    if nobody_expected(size):
        return (BROADER, UNDO) if can_undo else (BROADER,)
    if version.draft.saved:
        return EXPORT, COMPARE, BROADER, NARROWER
    save = () if size.users is None else (SAVE,)
    return (*(() if size.cut == 1 else (BROADER,)), NARROWER, *_newness_options(version), *save)


def _newness_options(version: Version) -> tuple[str, ...]:
    """What may be said about who did it before, unless the conditions say it already."""
    parts, spec = version.parts, version.draft.spec
    if parts is not None and parts.anything:  # nobody is new to everything, and those of last month are nearly all
        return ()
    if parts is not None and parts.first_time:
        return (EVERYONE,)
    items = [stems(each) for each in parts.items] if parts else []
    if any(not items or _names_one(each.what, items) for each in spec.life_cycle):
        return ()
    about = [each for each in spec.behaviours if not items or _names_one(each.what, items)]
    if any(each.did or each.days is None for each in about):
        return ()
    return (FIRST,) if about else (FIRST, LEAVE_OUT)


def _names_one(what: str, items: Sequence[frozenset[str]]) -> bool:
    """Whether the thing of a condition is, or holds, one of the items."""
    return any(item <= stems(what) for item in items)


def data_text(card: DataCard) -> str:
    """What the data has, for people."""
    sources = [
        reply(
            "source",
            source=each.source,
            events=counted(each.events, card),
            users=counted(each.users, card),
            unit_plural=card.unit_plural,
        )
        for each in card.sources
    ]
    return reply(
        "data",
        title=card.title,
        note=card.note,
        as_of=card.as_of.strftime("%d %B %Y"),
        population=count(card.population),
        unit_plural=card.unit_plural,
        sources="; ".join(sources).capitalize() + ".",
        fields=listed([each.field for each in card.fields], "and") or "nothing",
        groups=listed([plain(each) for each in card.top_groups[:8]], "and"),
    )


def default_name(version: Version) -> str:
    """A short name for an audience nobody has named."""
    parts = version.parts
    if parts is None:
        return plain(version.draft.spec.demand, 60)
    if parts.anything and (limits := conditions(version.draft.spec)):
        return plain(_capital("; ".join(limits)), 60)
    ending = f"{', first time' if parts.first_time else ''}, next {parts.days} days"
    joint = "and" if parts.join == "all" else "or"
    whole = f"{listed(parts.items, joint)}{ending}"
    if len(whole) > LONGEST_NAME and len(parts.items) > 1:
        whole = f"{parts.items[0]} {joint} {len(parts.items) - 1} more{ending}"
    return plain(_capital(whole), LONGEST_NAME)


def question_text(question: Clarification, weighed: Sequence[WeighedAnswer], card: DataCard) -> str:
    """A question, and under it how many people each answer stands for."""
    lines = [
        reply(
            "option",
            answer=plain(each.answer),
            users=count(each.users),
            low=count(each.responders.low),
            high=count(each.responders.high),
            lift=decimal(each.lift, 1),
            unit_plural=card.unit_plural,
        )
        for each in weighed
    ]
    return "\n\n".join((question.question, "\n".join(lines))) if lines else question.question


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

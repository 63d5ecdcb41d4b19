"""The steps of the rules, held against the data; those of a language model are checked in ``agent.thinking.checks``.

What exists nowhere is dropped, and the person is told what is nearest.
"""

import re
from collections.abc import Callable, Sequence

from agent.context import Context
from agent.guard import check
from agent.reading.message import ParsedMessage
from agent.rules.grounding import AT_MOST, Grounded, framed, ground
from agent.rules.horizon import served
from agent.rules.replying import HORIZONS, NEWNESS
from agent.rules.wording import listed, plain
from agent.steps import Step, StepError
from encoders.language.naming import stems
from encoders.language.spans import LONGEST_HORIZON
from prompts.loader import reply
from tools.attributes import parse_filter, write_filter
from tools.types import ANYTHING, GroupHit

Searching = Callable[[str], Sequence[GroupHit]]


def check_step(step: Step, context: Context, search: Searching) -> tuple[Step, tuple[str, ...]]:
    """The step with only what exists, and what has to be said about the rest.

    Raises:
        StepError: nothing usable is left of it.
    """
    if step.action in {"adjust", "filter", "exclude"} and context.draft is None:
        raise StepError("there is no audience yet, so propose one")
    if step.action == "ask":
        return _check_question(step, context, search), ()
    notes: list[str] = []
    heard = _heard(step, context)
    updates: dict[str, object] = {
        "groups": _existing(step.groups, context, search, notes),
        "filters": _filters(step, heard, context, notes),
        "newness": heard.newness or step.newness,
        "horizon_days": _horizon(heard, notes),
        "users": heard.users,
        "percent": heard.percent or step.percent,
        "goal": heard.goal,
        "holdout": _share(context),
        "name": step.name if _said(step.name, context.text) else None,
        "user_id": step.user_id if _said(step.user_id, context.text) else None,
        "say": step.say if _numbers(step.say) <= _numbers(context.model_dump_json()) else None,
    }
    if step.action == "propose" and not updates["groups"]:
        raise StepError(" ".join(notes) or "a proposal needs groups of the data")
    return step.model_copy(update=updates), tuple(notes)


def _check_question(step: Step, context: Context, search: Searching) -> Step:
    if not context.questions_left:
        raise StepError("no question is left, so propose")
    if step.topic == "newness":
        options = list(NEWNESS)
    elif step.topic == "horizon":
        options = list(HORIZONS)
    else:
        near = context.near() | {option.answer for each in context.open_questions for option in each.options}
        near |= set(context.examples)
        options = [each for each in _existing(step.options, context, search, []) or [] if each in near]
    if len(options) < 2 or not (step.question or "").strip():
        raise StepError("a question needs two to six options, each a group of the data")
    return step.model_copy(update={"options": options[:AT_MOST], "topic": step.topic or "meaning"})


def _heard(step: Step, context: Context) -> ParsedMessage:
    """What was read in all that was said about this request, the latest first."""
    read = [context.parsed]
    if context.draft is None and not step.new_request:
        read += [answer.parsed for answer in reversed(context.answers) if answer.parsed] + [context.request_parsed]
    return ParsedMessage(
        ahead_days=next((each.ahead_days for each in read if each.ahead_days), None),
        newness=next((each.newness for each in read if each.newness), None),
        filters=tuple({each.field: each for one in reversed(read) for each in one.filters}.values()),
        users=next((each.users for each in read if each.users), None),
        goal=next((each.goal for each in read if each.goal), None),
        percent=next((each.percent for each in read if each.percent is not None), None),
    )


def _horizon(heard: ParsedMessage, notes: list[str]) -> int | None:
    """The days ahead that the model can serve; a time beyond them is said, never bent in silence."""
    if heard.ahead_days is None:
        return None
    days = served(heard.ahead_days)
    if days != heard.ahead_days:
        key = "horizon_longest" if days == LONGEST_HORIZON else "horizon_shortest"
        notes.append(reply(key, asked=heard.ahead_days, days=days))
    return days


def _share(context: Context) -> float | None:
    """The share to keep back that the person named."""
    return context.parsed.holdout


def _existing(names: list[str] | None, context: Context, search: Searching, notes: list[str]) -> list[str] | None:
    """The names that the data has, or that name something in it."""
    if not names:
        return None
    known = {hit.group.lower(): hit.group for each in context.searches for hit in each.hits}
    known |= {group.lower(): group for group in context.examples}
    if context.whole:
        whole = (*(each.group for each in context.whole.groups), *context.whole.beside, *context.whole.nearest)
        known |= {name.lower(): name for name in whole}
    said = (context.parsed, *(each.parsed for each in context.answers if each.parsed))
    known |= {name.lower(): name for each in said for name in each.meant}
    if context.draft and context.draft.parts:
        known |= {item.lower(): item for item in context.draft.parts.items}
    found: list[str] = []
    for name in names:
        if name == ANYTHING or name.lower() in known:
            found.append(known.get(name.lower(), name))
            continue
        meant = _look_up(name, context, search)
        if meant.kind in {"clear", "broad"}:
            found.append(meant.item)
        elif meant.kind == "unclear" and any(stems(name) <= stems(group) for group in meant.groups):
            found.append(name)
        elif check(name) is None:
            nearest = listed([plain(group) for group in meant.groups[:2]], "or") or "nothing"
            notes.append(reply("no_group", words=plain(name), nearest=nearest))
    return list(dict.fromkeys(found)) or None


def _look_up(name: str, context: Context, search: Searching) -> Grounded:
    hits = context.hits(name) or tuple(search(framed(name)))
    return ground(name, hits)


def _filters(step: Step, heard: ParsedMessage, context: Context, notes: list[str]) -> list[str] | None:
    """The model's filters that exist, and those the rules heard on other fields."""
    kept: dict[str, str] = {}
    for text in step.filters or []:
        condition, problem = parse_filter(text, context.fields)
        if condition is None and check(text):
            continue
        if condition is None:
            notes.append(reply("no_filter", reason=plain(problem, 200)))
        else:
            kept[condition.field] = write_filter(condition)
    if step.action in {"propose", "filter"}:
        kept = {each.field: write_filter(each) for each in heard.filters} | kept
    return list(kept.values()) or None


def _said(words: str | None, text: str) -> bool:
    return bool(words) and str(words).strip().lower() in text.lower()


def _numbers(text: str | None) -> set[str]:
    return set(re.findall(r"\d+", (text or "").replace(",", "")))

"""Nothing a model names is used before it was found in the data, and no number that nobody said.

What exists nowhere is dropped, and the person is told what is nearest. A step that makes no sense at all raises
``StepError``: the model gets one more try, then the rules decide.
"""

import re
from collections.abc import Callable, Sequence

from agent.context import Context
from agent.guard import check
from agent.rules.attributes import parse_filter, write_filter
from agent.rules.campaign import held_back
from agent.rules.grounding import AT_MOST, Grounded, framed, ground
from agent.rules.hearing import Heard, hear
from agent.rules.replying import HORIZONS, NEWNESS
from agent.rules.wording import listed, plain
from agent.steps import Step, StepError
from encoders.language.naming import stems
from prompts.loader import reply
from tools.types import GroupHit

_FREE = ("say", "note", "verb")
_NAMES = ("audience", "unfilter")
"""What a model writes that a person may read; groups and filters are held against the data, and judged there."""

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
        "without": _existing(step.without, context, search, notes),
        "within": _existing(step.within, context, search, notes),
        "filters": _filters(step, heard, context, notes),
        "newness": heard.newness or step.newness,
        "horizon_days": heard.horizon_days,
        "past_days": next((each.days for each in (heard.without, heard.within) if each and each.days), None),
        "users": heard.users,
        "percent": heard.percent,
        "goal": heard.goal,
        "holdout": held_back(context.text)[0],
        "name": step.name if _said(step.name, context.text) else None,
        "user_id": step.user_id if _said(step.user_id, context.text) else None,
        "say": step.say if _numbers(step.say) <= _numbers(context.model_dump_json()) else None,
    }
    if step.action == "propose" and not updates["groups"]:
        raise StepError(" ".join(notes) or "a proposal needs groups of the data")
    return step.model_copy(update=updates), tuple(notes)


def permitted_texts(step: Step) -> Step:
    """The step without words of the model that the guard declines; the rules' own texts are shown in their place.

    Raises:
        StepError: what it asks may not be asked.
    """
    if step.question and check(step.question):
        raise StepError("the question is about what may not be targeted")
    updates: dict[str, object] = {name: None for name in _FREE if (text := getattr(step, name)) and check(text)}
    for name in _NAMES:
        if names := getattr(step, name):
            updates[name] = [each for each in names if check(each) is None] or None
    return step.model_copy(update=updates)


def _check_question(step: Step, context: Context, search: Searching) -> Step:
    if not context.questions_left:
        raise StepError("no question is left, so propose")
    if step.topic == "newness":
        options = list(NEWNESS)
    elif step.topic == "horizon":
        options = list(HORIZONS)
    else:
        near = context.near() | {option.answer for each in context.open_questions for option in each.options}
        near = near or set(context.examples)
        options = [each for each in _existing(step.options, context, search, []) or [] if each in near]
    if len(options) < 2 or not (step.question or "").strip():
        raise StepError("a question needs two to six options, each a group of the data")
    return step.model_copy(update={"options": options[:AT_MOST], "topic": step.topic or "meaning"})


def _heard(step: Step, context: Context) -> Heard:
    """What the rules hear in all that was said about this request, the latest first."""
    lines = [context.text]
    if context.draft is None and not step.new_request:
        lines += [answer.text for answer in reversed(context.answers)] + [context.request]
    heard = [hear(line, context.fields) for line in lines]
    return Heard(
        horizon_days=next((each.horizon_days for each in heard if each.horizon_days), None),
        newness=next((each.newness for each in heard if each.newness), None),
        filters=tuple({each.field: each for one in reversed(heard) for each in one.filters}.values()),
        without=next((each.without for each in heard if each.without), None),
        within=next((each.within for each in heard if each.within), None),
        users=next((each.users for each in heard if each.users), None),
        goal=next((each.goal for each in heard if each.goal), None),
        percent=next((each.percent for each in heard if each.percent is not None), None),
    )


def _existing(names: list[str] | None, context: Context, search: Searching, notes: list[str]) -> list[str] | None:
    """The names that the data has, or that name something in it."""
    if not names:
        return None
    known = {hit.group.lower(): hit.group for each in context.searches for hit in each.hits}
    known |= {group.lower(): group for group in context.examples}
    if context.whole:
        known |= {each.group.lower(): each.group for each in context.whole.groups}
    if context.draft and context.draft.parts:
        known |= {item.lower(): item for item in context.draft.parts.items}
    found: list[str] = []
    for name in names:
        if name.lower() in known:
            found.append(known[name.lower()])
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


def _filters(step: Step, heard: Heard, context: Context, notes: list[str]) -> list[str] | None:
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

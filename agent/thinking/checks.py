"""Steps and figures held against the data before they are carried out or said."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from agent.context import Context
from agent.guard.verdict import check
from agent.reading.grounding import AT_MOST, GroundedPhrase, framed, ground, served
from agent.reading.message import ParsedMessage
from agent.reading.wording import listed, plain
from agent.steps import HORIZONS, NEWNESS, Step, StepError
from encoders.errors import RequestError
from encoders.text.words import LONGEST_HORIZON, stems
from prompts.loader import reply
from tools.sentences.attributes import parse_filter, write_filter
from tools.types import ANYTHING, Behaviour, GroupHit, ItemHit, LifeCycle

if TYPE_CHECKING:
    from tools.service import AudienceService

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
        "name": step.name if _said_by_rules(step.name, context.text) else None,
        "user_id": step.user_id if _said_by_rules(step.user_id, context.text) else None,
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
    """The share to hold out that the person named."""
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


def _look_up(name: str, context: Context, search: Searching) -> GroundedPhrase:
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


def _said_by_rules(words: str | None, text: str) -> bool:
    return bool(words) and str(words).strip().lower() in text.lower()


def _numbers(text: str | None) -> set[str]:
    return set(re.findall(r"\d+", (text or "").replace(",", "")))


_NUMBER = re.compile(r"\d+(?:[.,'\u00a0\u202f]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,'\u00a0\u202f]\d{3})+")
_LARGE = re.compile(
    r"\b(?:dozens?|hundreds?|thousands?|millions?|billions?|hundert|tausend|millionen|"
    r"cientos|mil|millones|mille)\b|[百千万亿]",
    re.IGNORECASE,
)
"""Words for large numbers: a figure hidden in letters is one all the same."""


def numbers(text: str) -> set[float]:
    """The numbers written in digits in ``text``, however their thousands are marked."""
    found: set[float] = set()
    for match in _NUMBER.findall(unicodedata.normalize("NFKC", text)):
        found.add(_read(match))
        if _THOUSANDS.fullmatch(match):
            found.add(float(re.sub(r"\D", "", match)))
    return found


def unknown_numbers(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The numbers, in digits or as words for large ones, that ``text`` states and none of the ``known`` texts does."""
    said, large = set[float](), set[str]()
    for each in known:
        said |= numbers(each)
        large |= {word.lower() for word in _LARGE.findall(each)}
    plain = unicodedata.normalize("NFKC", text)
    digits = [each for each in _NUMBER.findall(plain) if not _readings(each) & said]
    words = [each for each in _LARGE.findall(plain) if each.lower() not in large]
    return tuple(dict.fromkeys((*digits, *words)))


def _readings(written: str) -> set[float]:
    """What digits with marks between them may stand for: "1,234" is a number, a larger one or two small ones."""
    if _THOUSANDS.fullmatch(written):
        return {float(re.sub(r"\D", "", written))}
    return {_read(written)}


def _read(written: str) -> float:
    """One number; a comma before other than three digits is a decimal one."""
    marked = re.sub(r"['\u00a0\u202f]", "", written).replace(",", ".")
    whole, _, decimals = marked.rpartition(".")
    return float(f"{whole.replace('.', '')}.{decimals}") if whole else float(decimals)


TEXTS = ("say", "note", "question")
"""What a model writes in its own words for a person."""

_NAMED = ("audience", "unfilter")
"""Names that are looked up only when the step is carried out."""

_CHANGES = {"adjust", "filter", "exclude"}
_NEAREST, _LOOKED_AT = 3, 10

_Past = TypeVar("_Past", Behaviour, LifeCycle)

Checked = tuple[Step, tuple[str, ...]]
"""The step with only what exists, and what has to be said about the rest."""


class Checker:
    """Checks the steps of one turn."""

    def __init__(self, service: "AudienceService", context: Context) -> None:
        """Check against what ``service`` has, in the light of what was said."""
        self._service, self._context = service, context

    def check(self, step: Step, known: Iterable[str], strict: bool) -> Checked:
        """Hold ``step`` against the data.

        Args:
            step: what the model decided.
            known: texts whose numbers it may state: what it was shown and what the person said.
            strict: raise for everything it could mend, instead of dropping that.

        Raises:
            StepError: it cannot be used, or, where ``strict``, could be mended; the text says what is wrong.
        """
        step = _permitted(step)
        self._possible(step)
        notes: list[str] = []
        updates: dict[str, object] = {
            "groups": self._existing(step.groups, notes),
            "behaviours": self._about(step.behaviours, notes),
            "life_cycle": self._about(step.life_cycle, notes),
        }
        updates["filters"] = self._filters(step, notes)
        updates |= self._horizon(step, notes) | self._texts(step, tuple(known), notes if strict else [])
        text = self._context.text
        updates["name"] = step.name if _said(step.name, text) else None
        updates["user_id"] = step.user_id if _said(step.user_id, text) else None
        if strict and notes:
            raise StepError(" ".join(notes))
        step = step.model_copy(update=updates)
        if step.action == "ask":
            return self._question(step), ()
        if step.action == "answer" and step.say:
            step = step.model_copy(update={"topic": None})  # its words, not the built-in ones on the topic
        if step.action == "propose" and not step.groups:
            raise StepError(" ".join(notes) or "a proposal needs groups of the data")
        return step, tuple(notes)

    def _possible(self, step: Step) -> None:
        if step.action in _CHANGES and self._context.draft is None:
            raise StepError("there is no audience yet, so propose one")
        if step.action == "ask" and not self._context.questions_left:
            raise StepError("no question is left, so propose")
        if step.action == "ask" and not (step.question or "").strip():
            raise StepError("a question needs its text")

    def _question(self, step: Step) -> Step:
        """The question with options that exist; those of time and newness are fixed."""
        fixed = {"newness": NEWNESS, "horizon": HORIZONS}.get(step.topic or "")
        options = list(fixed or self._existing(step.options, []) or ())
        if len(options) < 2:
            raise StepError("a question needs two to six options, each a group or item of the data")
        if not step.question:
            raise StepError("the question may state no number that no tool gave")
        return step.model_copy(update={"options": options[:AT_MOST], "topic": step.topic or "meaning"})

    def _existing(self, names: list[str] | None, notes: list[str]) -> list[str] | None:
        """The names of groups or items that the data has, as it writes them."""
        found = []
        for name in names or ():
            if exact := ANYTHING if name == ANYTHING else self.exact(name):
                found.append(exact)
            elif check(name) is None:
                notes.append(reply("no_group", words=plain(name), nearest=self.nearest(name)))
        return list(dict.fromkeys(found)) or None

    def _about(self, conditions: Sequence[_Past] | None, notes: list[str]) -> list[_Past] | None:
        """Conditions on the past whose things the data has, by its names."""
        kept = []
        for each in conditions or ():
            names = [ANYTHING] if each.what == ANYTHING else self._existing([each.what], notes) or []
            kept += [each.model_copy(update={"what": name}) for name in names]
        return kept or None

    def exact(self, name: str) -> str:
        """How the data writes a group or item of that name, or what stands for it alone; empty where it has none."""
        try:
            return self._service.describe_group(name).group
        except RequestError:
            wanted = name.strip().lower()
            hits = self._service.search_items(name, _LOOKED_AT)
            return next(
                (hit.text if hit.text.lower() == wanted else name.strip() for hit in hits if _is(hit, wanted)), ""
            )

    def nearest(self, name: str) -> str:
        """The groups nearest to a name that does not exist, as people list them."""
        groups = dict.fromkeys(hit.group for hit in self._service.search_groups(framed(name), 2 * _NEAREST))
        return listed([plain(each) for each in list(groups)[:_NEAREST]], "or") or "nothing"

    def _filters(self, step: Step, notes: list[str]) -> list[str] | None:
        kept = []
        for text in step.filters or ():
            condition, problem = parse_filter(text, self._context.fields)
            if condition is not None:
                kept.append(write_filter(condition))
            elif check(text) is None:
                notes.append(reply("no_filter", reason=plain(problem, 200)))
        return kept or None

    def _horizon(self, step: Step, notes: list[str]) -> dict[str, object]:
        """A horizon that the model of the data can serve; another one is said, not bent."""
        days = step.horizon_days
        if days is None or 1 <= days <= LONGEST_HORIZON:
            return {}
        notes.append(reply("no_horizon", days=days, longest=LONGEST_HORIZON))
        return {"horizon_days": None}

    def _texts(self, step: Step, known: tuple[str, ...], notes: list[str]) -> dict[str, object]:
        """The model's own words, without those that state a number which nobody gave."""
        dropped: dict[str, object] = {}
        for name in TEXTS:
            invented = unknown_numbers(getattr(step, name) or "", known)
            if invented:
                dropped[name] = None
                numbers = listed([plain(each) for each in invented], "and")
                notes.append(f"No tool gave {numbers} in '{name}', nor did the person; leave that out or look it up.")
        return dropped


def understood_numbers(step: Step, texts: Iterable[str]) -> tuple[str, ...]:
    """Sizes, shares and money that the model read out of words without digits, for the person to see."""
    goal = step.goal.model_dump(exclude_none=True) if step.goal else {}
    if "precision" in goal:
        goal["precision"] *= 100
    read = {"users": step.users, "percent": step.percent, "holdout": step.holdout, **goal}
    shown = {name: f"{value:g}" for name, value in read.items() if value is not None}
    known = tuple(texts)
    unsaid = [f"{name} {value}" for name, value in shown.items() if unknown_numbers(value, known)]
    return (reply("understood", numbers=", ".join(unsaid)),) if unsaid else ()


def _permitted(step: Step) -> Step:
    """The step without words of the model that the guard declines; the built-in texts are shown in their place.

    Raises:
        StepError: what it asks may not be asked.
    """
    if step.question and check(step.question):
        raise StepError("the question is about what may not be targeted")
    free = ("say", "note", "verb")
    updates: dict[str, object] = {name: None for name in free if (text := getattr(step, name)) and check(text)}
    for name in _NAMED:
        if names := getattr(step, name):
            updates[name] = [each for each in names if check(each) is None] or None
    return step.model_copy(update=updates)


def _is(hit: ItemHit, wanted: str) -> bool:
    """Whether an item is meant: by its whole text, without its group in front, or by what stands before a colon."""
    text = hit.text.lower()
    return wanted in {text, text.removeprefix(f"{hit.group.lower()}: ")} or text.startswith(f"{wanted}: ")


def _said(words: str | None, text: str) -> bool:
    return bool(words) and str(words).strip().lower() in text.lower()

"""What a language model decided, held against the data: names that exist, figures somebody said, permitted words.

The model is told once what is wrong, with what is nearest. Where it does not mend that, names that exist nowhere are
dropped with a sentence, and texts with invented figures give way to the built-in ones. What it understood stays: no
number is replaced by another and no filter is added.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from agent.context import Context
from agent.guard import check
from agent.rules.grounding import AT_MOST, framed
from agent.rules.replying import HORIZONS, NEWNESS
from agent.rules.wording import listed, plain
from agent.steps import Step, StepError
from agent.thinking.figures import unknown_numbers
from encoders.errors import RequestError
from encoders.language.spans import LONGEST_HORIZON
from prompts.loader import reply
from tools.attributes import parse_filter, write_filter
from tools.types import ANYTHING, Behaviour, ItemHit, LifeCycle

if TYPE_CHECKING:
    from tools.service import AudienceService

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

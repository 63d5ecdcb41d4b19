"""What a language model may look at and end with: operations of the service, answered in a few short lines."""

import re
from collections.abc import Callable, Sequence
from itertools import combinations
from threading import Lock
from typing import TYPE_CHECKING, Any, get_args

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import ValidationError

from agent.context import Context
from agent.reading.grounding import framed
from agent.reading.wording import Parts, listed, plain
from agent.replies import count, counted, percent
from agent.steps import Action, Step, StepError
from agent.thinking.checks import Checker
from agent.thinking.drafts import Drafting, RefusedAudience
from encoders.errors import RequestError
from encoders.text.words import stems
from tools.operations.table import BY_NAME
from tools.types import AudienceSpec, DataCard, GroupHit, Interval, SizeEstimate, Stage

if TYPE_CHECKING:
    from tools.service import AudienceService

PROPOSED = (
    "groups", "newness", "horizon_days", "filters", "behaviours", "life_cycle", "users", "percent", "goal",
    "verb", "new_request", "note",
)  # fmt: skip
"""Fields of an audience that is proposed, or sized before."""

_CHANGED = (*PROPOSED, "unfilter", "direction")
"""Fields of a change to the present audience."""

_OPERATED = ("audience", "operation", "holdout", "name", "user_id", "format", "steps")
_ELSEWHERE = {"ask", "propose", "answer", "decline", "segments"}
OPERATIONS = tuple(action for action in get_args(Action) if action not in _ELSEWHERE)
_CHANGE = {
    "type": "object",
    "description": "fields of propose; or direction (broader, narrower), unfilter (fields)",
}

ENDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "propose": ("Show an audience.", PROPOSED, ("groups",)),
    "ask": ("Ask what would change the audience.", ("topic", "question", "options", "new_request"), ("question",)),
    "answer": ("Answer a question, or small talk.", ("say", "topic"), ("say",)),
    "operate": ("Change or use an audience.", _OPERATED, ("action",)),
}
"""What each final call is for, its fields of ``Step``, and those that it needs."""

_FOR = re.compile(rf"^(?:{'|'.join(get_args(Action))})(?:, (?:{'|'.join(get_args(Action))}))*: ")
_GOAL = {
    "type": "object",
    "description": "as said: users, precision (0..1), budget, cost, value",
}
_OBJECTS: dict[str, dict[str, Any]] = {
    "goal": _GOAL,
    "behaviours": {
        "type": "array",
        "items": {"type": "object"},
        "description": "past: did (bool), what (group), days, times, amount",
    },
    "life_cycle": {
        "type": "array",
        "items": {"type": "object"},
        "description": f"stage ({', '.join(get_args(Stage))}), what",
    },
}
"""Fields that hold objects: what of them a model may give."""

_TOPICS = {"ask": ["meaning", "horizon", "newness"], "answer": ["data", "help", "hello"]}


def final_calls() -> list[dict[str, Any]]:
    """The final calls as tools of the OpenAI protocol, which LangChain rewrites for other providers."""
    return [_tool(name, *rest) for name, rest in ENDS.items()]


def read_end(call: str, arguments: dict[str, Any]) -> Step:
    """The step that a final call stands for.

    Raises:
        StepError: it is none.
    """
    given = dict(arguments)
    if call == "operate":
        change = given.pop("change", None) or {}
        given |= {name: change[name] for name in _CHANGED if isinstance(change, dict) and name in change}
        if given.get("action") not in OPERATIONS:
            raise StepError(f"action: one of {', '.join(OPERATIONS)}")
        return _step(given)
    return _step(given | {"action": call})


def read_candidate(given: dict[str, Any]) -> Step:
    """An audience that is only to be sized, as a step.

    Raises:
        StepError: a field is of another kind than it should be.
    """
    return _step({name: given[name] for name in PROPOSED if name in given} | {"action": "propose", "note": None})


def _step(given: dict[str, Any]) -> Step:
    try:
        return Step.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise StepError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _tool(name: str, description: str, fields: tuple[str, ...], needed: tuple[str, ...]) -> dict[str, Any]:
    schema = Step.model_json_schema()
    properties = {each: _compact(schema["properties"][each]) for each in fields}
    properties |= {each: schema for each, schema in _OBJECTS.items() if each in properties}
    if name in _TOPICS:
        properties["topic"] = {"type": "string", "enum": _TOPICS[name]}
    if name == "operate":
        properties = {"action": {"type": "string", "enum": list(OPERATIONS)}, "change": _CHANGE, **properties}
    parameters = {"type": "object", "properties": properties, "required": list(needed)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _compact(schema: dict[str, Any]) -> dict[str, Any]:
    """A field's schema without what a model need not read: nulls, titles, limits, which actions it is for."""
    found = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    kept: dict[str, Any] = {name: found[name] for name in ("type", "enum") if name in found}
    if "items" in found:
        kept["items"] = _compact(found["items"])
    description = _FOR.sub("", schema.get("description", ""))
    return kept | ({"description": description} if description else {})


MOST_GROUPS = 12
"""Groups or items one answer lists."""

_PHRASES, _NAMES, _CANDIDATES = 6, 6, 4
_NEAR, _EXAMPLES, _SINGLE, _ITEMS = 6, 3, 3, 6
_ROWS = 10
_CUTS = (0.05, 0.1, 0.2, 0.4)
"""Shares of the eligible users that a size is shown for, beside the recommended one."""


_SPECIAL = {
    "search": "Groups near each phrase (1: the same), and items.",
    "size": f"Up to {_CANDIDATES}, like propose; numbered from 1.",
    "compare": "Each a number from size, 'now' or a saved name.",
}
"""What of a tool is not said of the operation of its name."""


class Toolbox:
    """The tools of one turn."""

    def __init__(self, service: "AudienceService", card: DataCard, context: Context, checker: Checker) -> None:
        """Look at ``service``, whose data ``card`` describes, in the light of what was said."""
        self._service, self._card, self._context, self._checker = service, card, context, checker
        self._drafting = Drafting(service, card)
        self._sized: list[AudienceSpec] = []
        self._numbering = Lock()
        self.shown: list[str] = []
        """What was shown of the data; the model's own words in an answer are not among it."""

    def tools(self) -> list[BaseTool]:
        """The tools; each is described by the operation of its name, with what is special here."""
        every: tuple[Callable[..., str], ...] = (
            self.search, self.browse, self.describe_group, self.size, self.compare, self.profile,
        )  # fmt: skip
        return [StructuredTool.from_function(each, description=_described(each)) for each in every]

    def search(self, words: list[str]) -> str:
        """Each phrase in a line."""
        return "\n".join(f"{plain(each)}: {self._found(each)}" for each in words[:_PHRASES])

    def _found(self, words: str) -> str:
        found: dict[str, GroupHit] = {}
        for hit in self._service.search_groups(framed(words), 2 * _NEAR):
            found.setdefault(hit.group, hit)
        lines = [
            f"{each.group} {each.similarity:.2f} ({_listed(each.group, each.items[:_EXAMPLES])})"
            for each in list(found.values())[:_NEAR]
        ]
        hits = self._service.search_items(words, 2 * _SINGLE)
        items = list(dict.fromkeys(short_name(each.group, each.text) for each in hits))[:_SINGLE]
        return self._show(f"{'; '.join(lines) or 'nothing'}; items: {', '.join(items) or 'none'}")

    def browse(self, of: str = "", page: int = 1) -> str:
        """A page of names."""
        shelf = self._service.browse(of, page - 1, MOST_GROUPS)
        rest = f" (page {page}, {shelf.total} in all)" if shelf.total > len(shelf.names) else ""
        return self._show(f"{', '.join(shelf.names) or 'no more'}{rest}")

    def describe_group(self, names: list[str]) -> str:
        """Each group in a line, with how well it is forecast."""
        return "\n".join(self._show(self._described(each)) for each in names[:_NAMES])

    def _described(self, name: str) -> str:
        try:
            group = self._service.describe_group(name)
        except RequestError as error:
            return f"{error} Nearest: {self._checker.nearest(name)}."
        parts = Parts(items=(group.group,), action=group.action, days=self._card.horizon_days)
        size = self._service.size(AudienceSpec(demand=parts.sentence(self._card.unit_plural)))
        back = f"; back after {group.interval_days:g} days" if group.interval_days else ""
        lift = f"; best {percent(size.cut)} {size.lift:.1f} times as many as at random" if size.lift else ""
        return (
            f"{group.group} ({group.source}): {counted(group.users, self._card)} {self._card.unit_plural} lately; "
            f"{group.item_count} items: {_listed(group.group, group.items[:_ITEMS])}{back}; "
            f"{_span(size.all_responders)} expected in {parts.days} days{lift}"
        )

    def size(self, candidates: list[dict[str, Any]]) -> str:
        """Each candidate in a line."""
        return "\n".join(self._candidate(each) for each in candidates[:_CANDIDATES])

    def _candidate(self, given: dict[str, Any]) -> str:
        try:
            step, _ = self._checker.check(read_candidate(given), (), strict=True)
            version, _ = self._drafting.propose(step, self._context, self._context.request or self._context.text)
        except StepError as problem:
            return f"not sized: {problem}"
        except RefusedAudience as unwanted:
            return f"not sized: {unwanted.refusal.reason}"
        spec = version.draft.spec
        size = self._service.size(spec)
        with self._numbering:
            self._sized.append(spec)
            number = len(self._sized)
        return self._show(f"{number}. {sized(spec, size, self._card)}")

    def compare(self, audiences: list[str]) -> str:
        """Each pair in a line."""
        audiences = audiences[:_CANDIDATES]
        overlaps = self._service.compare([self._named(each) for each in audiences]).overlaps
        lines = [
            f"{plain(a)} and {plain(b)}: {counted(each.both, self._card)} in both, of "
            f"{counted(each.users_a, self._card)} and {counted(each.users_b, self._card)}"
            for (a, b), each in zip(combinations(audiences, 2), overlaps, strict=True)
        ]
        return self._show("\n".join(lines))

    def profile(self, audience: str) -> str:
        """Each row with the share in the audience and among everyone."""
        named = self._named(audience)
        if isinstance(named, str):
            named = next((e.spec for e in self._service.list_audiences() if named in (e.name, e.id) and e.spec), named)
        if isinstance(named, str):
            raise RequestError(f"There is no audience '{named[:60]}' with a sentence; size one first.")
        rows = self._service.profile(named, _ROWS)
        lines = [
            f"{each.field}: {each.value} {percent(each.audience_share)}, {percent(each.everyone_share)}, "
            f"{each.index:.0f}"
            for each in rows
        ]
        return self._show("; ".join(lines))

    def _named(self, audience: str) -> AudienceSpec | str:
        draft = self._context.draft
        if audience.strip().lower() == "now" and draft and draft.spec:
            return draft.spec
        number = int(audience) if audience.strip().isdecimal() else 0
        return self._sized[number - 1] if 1 <= number <= len(self._sized) else audience

    def _show(self, text: str) -> str:
        self.shown.append(text)
        return text


def _described(tool: Callable[..., str]) -> str:
    operation = BY_NAME.get(tool.__name__)
    words = (operation.summary if operation else "", _SPECIAL.get(tool.__name__, ""))
    return " ".join(filter(None, words))


def sized(spec: AudienceSpec, size: SizeEstimate, card: DataCard) -> str:
    """An audience and its size in one line, for a model."""
    filters = [f"{each.field} {each.op} {listed(each.values, 'or')}" for each in spec.filters]
    who = "; ".join((spec.demand, *filters, *(each.condition for each in size.conditions)))
    if size.users is None or size.lift is None:
        return f"{who}: {counted(size.eligible, card)} eligible, too few to say more"
    further = [each for each in size.curve if any(abs(each.cut - cut) < 0.005 for cut in _CUTS)]
    cuts = ", ".join(f"{percent(each.cut)} {count(each.users)} ({each.lift:.1f})" for each in further[: len(_CUTS)])
    return (
        f"{who}: {count(size.users)} {card.unit_plural} ({percent(size.cut)} of {counted(size.eligible, card)} "
        f"eligible), {_span(size.responders)} expected to respond, {size.lift:.1f} times as many as at random; "
        f"of all eligible {_span(size.all_responders)}; read as {', '.join(size.reads_as[:3]) or 'nothing'}"
        f"{f'; other sizes (times as many): {cuts}' if cuts else ''}{_warned(size.warnings)}"
    )


def short_name(group: str, item: str) -> str:
    """An item without the name of its group in front, and without a description that repeats the group at its end."""
    name, _, description = item.rpartition(": ")
    if item.startswith(f"{group}: "):
        return item.removeprefix(f"{group}: ")
    return name if name and stems(description) & stems(group) else item


def _listed(group: str, items: Sequence[str]) -> str:
    return ", ".join(short_name(group, each) for each in items)


def _span(interval: Interval | None) -> str:
    return f"{count(interval.low)}-{count(interval.high)}" if interval else "too few"


def _warned(warnings: Sequence[str]) -> str:
    return f"; {' '.join(warnings)}" if warnings else ""

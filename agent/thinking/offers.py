"""The four calls a turn of a language model ends with; each is a ``Step`` with some of its fields.

They are offered to the model as plain JSON schemas without nulls and titles: every word of them is read in every call.
"""

import re
from typing import Any, get_args

from pydantic import ValidationError

from agent.steps import Action, Step, StepError
from tools.types import Stage

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

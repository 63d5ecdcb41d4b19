"""What a message orders: by its form where that is plain, and by its intent where that was learned."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from agent.reading.intents import Intent
from agent.rules.campaign import BEFORE, held_back, ids_in, references, to_before, upload_in
from agent.rules.commands import command
from agent.steps import Action, Step, Topic
from prompts.loader import table

_SAME: dict[str, Intent] = {
    "skew": "fairness", "hold_back": "holdout", "explain": "explain", "compare": "compare", "export": "export",
    "save": "save", "like": "like", "angles": "angles", "refresh": "refresh", "outcome": "outcome", "rename": "rename",
    "combine": "combine", "undo": "undo", "restart": "restart",
}  # fmt: skip
_ACTIONS: dict[Intent, Action] = {intent: action for action, intent in _SAME.items()}  # type: ignore[misc]
_TOPICS: dict[Intent, Topic] = {
    "about_accuracy": "accuracy", "about_lift": "lift", "about_cost": "cost", "about_size": "size",
    "about_people": "people",
    "about_saved": "saved", "about_data": "data", "help": "help", "courtesy": "hello", "chatter": "chatter",
    "difference": "difference", "none_of_these": "none",
}  # fmt: skip
_NEED_SEVERAL = 2


def intent_of(order: Step) -> Intent:
    """The intent that an order told by its form stands for."""
    if order.action in _SAME:
        return _SAME[order.action]
    if order.action == "answer":
        topics: dict[str | None, Intent] = {topic: intent for intent, topic in _TOPICS.items()}
        return topics.get(order.topic, "time")
    if order.unfilter is not None:
        return "people"
    return "replace" if order.groups else "size"


def read_order(text: str, has_draft: bool, saved: Sequence[str]) -> Step | None:
    """An order that is plain from the form of the message."""
    order = command(text, has_draft, saved)
    if order is None or order.action != "undo":
        return order
    return order.model_copy(update={"steps": steps_back(text)})


def order_of(intent: Intent, text: str, saved: Sequence[str], has_draft: bool) -> Step | None:
    """The order that a message of an intent gives, with the arguments it names; None where it orders nothing."""
    if topic := _TOPICS.get(intent):
        return Step(action="answer", topic=topic)
    action = _ACTIONS.get(intent)
    if action is None:
        return None
    if (action == "compare" or (has_draft and action in ("refresh", "outcome"))) and to_before(text, saved):
        return Step(action="compare", audience=[BEFORE])
    named = references(text, saved) or None
    step = Step(action=action)
    if action in ("save", "rename"):
        new = name_in(text)
        others = [each for each in named or () if each in saved and each.lower() != (new or "").lower()]
        return step.model_copy(update={"name": new, "audience": others if action == "rename" and others else None})
    if action == "undo":
        return step.model_copy(update={"steps": steps_back(text)})
    if action == "hold_back":
        return step.model_copy(update={"holdout": share_in(text)})
    if action == "explain":
        return step.model_copy(update={"user_id": user_in(text)})
    if action == "export":
        return step.model_copy(update={"format": format_in(text), "audience": named})
    if action == "combine":
        operation = _operation(text)
        several = named is not None and len(named) >= _NEED_SEVERAL
        return step.model_copy(update={"audience": named, "operation": operation if several else None})
    if action == "like" and named is None and not (ids_in(text) or upload_in(text)) and has_draft:
        return step
    return step.model_copy(update={"audience": named})


def name_in(text: str) -> str | None:
    """The name a message gives: in quotes, or after a word that announces one."""
    for form in (_pattern("quoted"), _pattern("named")):
        found = [(match["name"] or match["name2"]).strip(" .,;!?:\"“”„«»‘’'") for match in form.finditer(text)]
        found = [each for each in found if each and not _pattern("no_name").fullmatch(each)]
        if found:
            return found[-1]
    return None


def steps_back(text: str) -> int:
    """How many changes a message takes back; one where it does not say."""
    match = _pattern("steps").search(text)
    if match is None:
        return 1
    said = next(value for value in match.groupdict().values() if value).lower()
    return int(said) if said.isdigit() else int(table("orders")["numbers"].get(said, 1))


def number_in(text: str) -> int | None:
    """The first small number of a message, in digits or words of five languages; None where there is none."""
    numbers = table("orders")["numbers"]
    words = "|".join(sorted(map(re.escape, numbers), key=len, reverse=True))
    match = re.search(rf"(?<![\w.,])(?:\d\b|(?:{words})\b)|[两二三四五]", text, re.IGNORECASE)
    if match is None:
        return None
    said = match[0].lower()
    return int(said) if said.isdigit() else int(numbers[said])


def share_in(text: str) -> float | None:
    """The share in percent that shall be kept back; None where the message does not say."""
    share, _ = held_back(text)
    match = _pattern("share").search(text)
    return share if share is not None or match is None else float(match["number"].replace(",", "."))


def user_in(text: str) -> str | None:
    """The id of the one user a message asks about."""
    match = _pattern("user").search(text)
    return match["user"] if match else None


def format_in(text: str) -> Literal["csv", "parquet"] | None:
    """The kind of file a message names."""
    match = re.search(r"\b(csv|parquet)\b", text, re.IGNORECASE)
    if match is None:
        return None
    return "parquet" if match[1].lower() == "parquet" else "csv"


def _operation(text: str) -> Literal["and", "or", "not"]:
    if _pattern("minus").search(text):
        return "not"
    return "and" if _pattern("both").search(text) else "or"


@lru_cache
def _pattern(key: str) -> re.Pattern[str]:
    return re.compile(str(table("orders")[key]), re.IGNORECASE)

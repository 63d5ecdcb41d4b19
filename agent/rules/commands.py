"""Messages that ask for something to be done, rather than say whom to reach."""

import re
from collections.abc import Sequence
from typing import Literal

from agent.rules.campaign import BEFORE, campaign_order, held_back, to_before
from agent.steps import Step
from prompts.loader import table

_FORMAT = re.compile(r"\b(csv|parquet)\b", re.IGNORECASE)
_NEED_DRAFT = {"undo", "broader", "narrower", "save", "unfilter"}
"""Orders that, where there is no audience yet, are answered by saying so."""

_SHORT = 3
_ANY = re.compile(r"(?:(?:the|my|all|any|other|another|saved|audiences?|ones?|them|others?)\s*)*", re.IGNORECASE)
_TOPICS: dict[str, Literal["data", "help", "hello"]] = {"data": "data", "help": "help", "hello": "hello"}


def command(text: str, has_draft: bool, saved: Sequence[str]) -> Step | None:
    """The step a message orders; None when it is not an order."""
    if order := campaign_order(text, has_draft, saved):
        return order
    held, text = held_back(text)
    for each in table("commands")["commands"]:
        match = re.search(each["say"], text, re.IGNORECASE)
        if match and each.get("draft") and not has_draft:
            short = len(text.split()) <= _SHORT
            return Step(action="save") if short and each["do"] in _NEED_DRAFT else None
        if match:
            said = {name: (value or "").strip() for name, value in match.groupdict().items()}
            return _step(each["do"], said, saved).model_copy(update={"holdout": held})
    return None


def hostile(text: str) -> Literal["sql", "orders", ""]:
    """Whether a message is code, or orders to a language model, rather than a request."""
    patterns = table("commands")["hostile"]
    if re.search(patterns["sql"], text, re.IGNORECASE):
        return "sql"
    return "orders" if re.search(patterns["orders"], text, re.IGNORECASE) else ""


def courteous(text: str) -> bool:
    """Whether a message is nothing but thanks, praise or a greeting, in which there is nothing to judge."""
    return re.fullmatch(table("commands")["clauses"]["courtesy"], text, re.IGNORECASE) is not None


def _step(do: str, said: dict[str, str], saved: Sequence[str]) -> Step:
    rest = said.get("rest", "").strip(" .!?'\"“”‘’")
    if do in _TOPICS:
        return Step(action="answer", topic=_TOPICS[do])
    if do == "undo":
        return Step(action="undo")
    if do == "restart":
        return Step(action="restart")
    if do == "skew":
        return Step(action="skew")
    if do in {"broader", "narrower"}:
        return Step(action="adjust", direction="broader" if do == "broader" else "narrower")
    if do == "reopen":
        return Step(action="answer", topic="horizon" if re.search(r"\d", rest) else "newness")
    if do == "rather":
        return Step(action="adjust", groups=[rest])
    if do == "explain":
        return Step(action="explain", user_id=said["user"])
    if do == "unfilter":
        field = said.get("after") or rest
        return Step(action="filter", unfilter=[field] if field else [])
    if do == "lift":
        return Step(action="filter", unfilter=[said["rest"]])
    if do == "compare" and to_before(rest, saved):
        return Step(action="compare", audience=[BEFORE])
    if do == "compare":
        return Step(action="compare", audience=_audiences(rest, saved))
    if do == "save":
        return Step(action="save", name=rest or None)
    found = _FORMAT.search(rest)
    form: Literal["csv", "parquet"] | None = None
    if found:
        form = "parquet" if found[1].lower() == "parquet" else "csv"
    return Step(action="export", format=form, audience=[name for name in saved if name.lower() in rest.lower()])


def _audiences(rest: str, saved: Sequence[str]) -> list[str]:
    """Saved audiences that are named, or else the words that should name one."""
    named = [name for name in saved if name.lower() in rest.lower()]
    words = re.sub(r"^(?:with|to|and|the|my|saved|audience|audiences)\s+", "", rest, flags=re.IGNORECASE)
    return named or ([] if _ANY.fullmatch(words) else [words])

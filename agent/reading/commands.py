"""Steps for orders: save, export, compare, combine, measure, undo and the like."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Literal

from agent.steps import Step
from prompts.loader import table
from tools.uploads import UPLOADED

THIS = "this"
"""Stands for the audience on the page among the names of saved ones."""
LATEST = "latest"
"""Stands for the audience that was saved last."""
BEFORE = "before"
"""Stands for the audience on the page as it was before its last change."""

_DAYS = ("%d %B %Y", "%d %b %Y", "%B %d %Y", "%b %d %Y")
_DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2}|\d{1,2} [a-z]{3,9} \d{4}|[a-z]{3,9} \d{1,2},? \d{4})\b", re.IGNORECASE)
_ID = re.compile(r"(?<![\w.-])[\w.-]*\d[\w.-]*(?<![.-])")

Operation = Literal["and", "or", "not"]


def campaign_order(text: str, has_draft: bool, saved: Sequence[str]) -> Step | None:
    """The step a message orders once audiences are kept; None when it orders nothing of the kind."""
    if _says("like_only", text) or (_says("like", text) and (ids_in(text) or upload_in(text))):
        return Step(action="like")
    held, rest = held_back(text)
    if held is not None and not re.search(r"\w{2}", rest):
        return Step(action="hold_back", holdout=held)
    named = references(text, saved)
    if _says("angles", text):
        return Step(action="angles")
    if _says("refresh", text):
        return Step(action="refresh", audience=named)
    if _says("outcome", text) and not (named and _says("overlap", text)):
        return Step(action="outcome", audience=named)
    if len(named) < 2:
        return None
    return _of_several(text, has_draft, named)


def held_back(text: str) -> tuple[float | None, str]:
    """The share in percent that a message wants held out (None: it does not say), and the message without it."""
    match = _pattern("held").search(text)
    if match is None:
        return None, text
    said = next((value.lower() for value in match.groupdict().values() if value), "none")
    number = re.match(r"\d+(?:\.\d+)?", said)
    fractions: dict[str, float] = table("campaign")["fractions"]
    share = float(number[0]) if number else float(fractions.get(said.split()[-1], 0))
    return share, f"{text[: match.start()]} {text[match.end() :]}".strip()


def platform_in(text: str) -> str | None:
    """The ad platform a message names."""
    named = table("campaign")["platforms"].items()
    return next((key for key, pattern in named if re.search(pattern, text, re.IGNORECASE)), None)


def day_in(text: str) -> date | None:
    """The day a message names: 2017-11-01, 1 November 2017, November 1, 2017."""
    match = _DAY.search(text)
    if match is None:
        return None
    words = match[0].replace(",", "")
    for form in ("%Y-%m-%d", *_DAYS):
        try:
            return datetime.strptime(words, form).date()
        except ValueError:
            continue
    return None


def upload_in(text: str) -> str | None:
    """The uploaded file a message names."""
    match = re.search(rf"\b{UPLOADED}\b", text)
    return match[0] if match else None


def ids_in(text: str) -> list[str]:
    """The ids of users a message lists after its colon, or everywhere in it: words with a digit, or all after it."""
    _, colon, rest = text.partition(":")
    if colon and not upload_in(text):
        return list(dict.fromkeys(word for word in re.split(r"[\s,;|]+", rest) if word))
    return list(dict.fromkeys(_ID.findall(re.sub(UPLOADED, " ", text))))


def to_before(text: str, saved: Sequence[str]) -> bool:
    """Whether a message compares with what stood before the last change, rather than with a saved audience."""
    named = [name for name in saved if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE)]
    return not named and not _says("kept", text) and _says("before", text)


def from_data(text: str) -> bool:
    """Whether a message wants the outcome worked out from the data itself."""
    return _says("from_data", text)


def version_in(text: str) -> int | None:
    """The version of a saved audience a message names."""
    match = _pattern("version").search(text)
    return int(match["number"]) if match else None


def name_in(text: str) -> str | None:
    """The name a message gives to what it makes."""
    match = _pattern("named").search(text)
    return match["name"].strip() if match else None


def references(text: str, saved: Sequence[str]) -> list[str]:
    """The audiences a message names, in its order: saved ones by name, ``THIS`` and ``LATEST``."""
    found: dict[int, str] = {}
    rest = text
    for name in sorted(saved, key=len, reverse=True):
        match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", rest, re.IGNORECASE)
        if match:
            found[match.start()] = name
            rest = f"{rest[: match.start()]}{' ' * len(match[0])}{rest[match.end() :]}"
    for key, reference in (("latest", LATEST), ("this", THIS)):
        if match := _pattern(key).search(rest):
            found[match.start()] = reference
    return [found[place] for place in sorted(found)]


def _of_several(text: str, has_draft: bool, named: list[str]) -> Step | None:
    """What to do with several audiences: see their overlap, or make one of them."""
    if THIS in named and not has_draft:
        return None
    if _says("overlap", text):
        return Step(action="compare", audience=named)
    operation: Operation | None = None
    if _says("both", text):
        operation = "and"
    elif re.search(table("orders")["minus"], text, re.IGNORECASE):
        operation = "not"
    elif _says("union", text):
        operation = "or"
    return Step(action="combine", operation=operation, audience=named, name=name_in(text)) if operation else None


def _says(key: str, text: str) -> bool:
    return bool(_pattern(key).search(text))


@lru_cache
def _pattern(key: str) -> re.Pattern[str]:
    texts = table("campaign")
    return re.compile(str(texts[key]).replace("{share}", texts["share"]), re.IGNORECASE)


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
            plain_order = len(text.split()) <= _SHORT or re.match(r"\W*save\b", text, re.IGNORECASE)
            if not plain_order or each["do"] not in _NEED_DRAFT:
                return None
            return Step(action="undo" if each["do"] == "undo" else "save")
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

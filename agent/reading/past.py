"""Conditions on the past in English: what the people did before or did not do, how often, for how much, since when."""

import re
from collections.abc import Callable
from functools import lru_cache

from agent.reading.message import Life, PastCondition
from agent.rules.horizon import back, duration
from agent.rules.phrases import noun_phrases
from prompts.loader import table

_NUMBERS = {
    "once": 1,
    "one": 1,
    "twice": 2,
    "two": 2,
    "three": 3,
    "thrice": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "ten": 10,
}
_ANYTHING = re.compile(r"\b(?:anything|something|at all|nothing)\b", re.IGNORECASE)
_ITSELF = re.compile(r"^\W*(?:it|them|this|that|any|one|some)\b", re.IGNORECASE)
MOST = 6
"""Conditions that are read from one message."""

Taken = tuple[tuple[PastCondition, ...], str]


def take_past(text: str, tongue: str = "English") -> Taken:
    """The conditions on the past that ``text`` states, and the text without them."""
    found: list[PastCondition] = []
    for key, reading in _READINGS.items():
        while len(found) < MOST and (match := _pattern(key).search(text)):
            condition = reading(match, tongue, found)
            before, after = text[: match.start()], text[match.end() :]
            if condition is not None and condition.days is None and not condition.life:
                days, before = _said_before(before)
                condition = condition.model_copy(update={"days": days})
            text = f"{before} , {after}"
            if condition is not None:
                found.append(condition)
    for life in _LIVES:
        if match := re.search(table("past")["life"][life], text, re.IGNORECASE):
            text = f"{text[: match.start()]} , {text[match.end() :]}"
            found.append(PastCondition(life=life))
            break
    return tuple(dict.fromkeys(found)), text


def _said_before(text: str) -> tuple[int | None, str]:
    """The time right before a condition ("in the last 3 months who bought ..."), and the text without it."""
    match = re.search(r"\bin the last (?:\d+ )?\w+\W*$", text)
    return (back(match[0])[0], text[: match.start()]) if match else (None, text)


_LIVES: tuple[Life, ...] = ("lapsing", "lapsed", "inactive", "loyal", "new", "spend", "heavy", "coupons")


def _spent(match: re.Match[str], tongue: str, found: list[PastCondition]) -> PastCondition:
    days, rest = back(match["what"] or "")
    return PastCondition(phrases=noun_phrases(rest, tongue), days=days, amount=_amount(match))


def _last(match: re.Match[str], tongue: str, found: list[PastCondition]) -> PastCondition | None:
    days = duration(match["span"])
    what = next((match[name] for name in ("what3", "what2", "what") if match[name]), "")
    return None if days is None else PastCondition(phrases=_things(what, tongue), days=days, ago=True)


def _silent(match: re.Match[str], tongue: str, found: list[PastCondition]) -> PastCondition:
    return PastCondition(life="lapsed", phrases=noun_phrases(match["what"] or "", tongue))


def _and_not(match: re.Match[str], tongue: str, found: list[PastCondition]) -> PastCondition:
    """'... but not in the last 3 months': the same things as in the condition before it."""
    same = found[-1].phrases if found else ()
    return PastCondition(did=False, phrases=same, days=back(match["span"])[0])


def _act(match: re.Match[str], tongue: str, found: list[PastCondition]) -> PastCondition | None:
    what = match["what"]
    days, what = back(what)
    times, what = _times(what)
    money = _pattern("money").search(what)
    amount = None
    if money:
        amount, what = _amount(money), f"{what[: money.start()]} {what[money.end() :]}"
    anything = _ANYTHING.search(what) is not None
    did = not (match["neg"] or re.search(r"\bnothing\b", what, re.IGNORECASE))
    phrases = () if anything or _ITSELF.match(what) else _things(what, tongue)
    return PastCondition(did=did, phrases=phrases, anything=anything, days=days, times=times, amount=amount)


def _often(match: re.Match[str], tongue: str, found: list[PastCondition]) -> PastCondition:
    days, what = back(match["what"] or "")
    return PastCondition(phrases=_things(what, tongue), days=days, times=_times(match["times"])[0])


_READINGS: dict[str, Callable[[re.Match[str], str, list[PastCondition]], PastCondition | None]] = {
    "spent": _spent,
    "last": _last,
    "stopped": _silent,
    "act": _act,
    "and_not": _and_not,
    "often": _often,
}


def _things(what: str, tongue: str) -> tuple[str, ...]:
    return noun_phrases(_pattern("no_thing").sub(" , ", what), tongue)


def _times(what: str) -> tuple[int | None, str]:
    """How often at least, and the words without it."""
    match = _pattern("times").search(what)
    if match is None:
        return None, what
    said = next(value for value in match.groupdict().values() if value).lower()
    number = int(said) if said.isdigit() else _NUMBERS.get(said)
    return number, f"{what[: match.start()]} {what[match.end() :]}"


def _amount(match: re.Match[str]) -> float | None:
    groups = match.groupdict()
    said = str(groups["amount"] or groups.get("amount2")).lower().replace(",", "")
    if said.endswith("k"):
        return float(said[:-1]) * 1000
    return float(said) if re.fullmatch(r"\d+(?:\.\d+)?", said) else None


@lru_cache
def _pattern(key: str) -> re.Pattern[str]:
    texts = table("past")["patterns"]
    form = re.sub(r"\{([a-z]+)\}", lambda match: str(texts[match[1]]), str(texts[key]))
    return re.compile(form, re.IGNORECASE)

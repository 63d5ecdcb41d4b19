"""Attribute filters in words ("only homeowners", "aged 35-44", "income over 100k"), mapped to values that exist."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf
from typing import Any, Literal, NamedTuple

from prompts.loader import table
from tools.types import DataCard, Filter

Fields = Mapping[str, Sequence[str]]
"""Field name to its values."""

_WHO = r"(?:people|persons|ppl|those|anyone|anybody|everyone|ones|customers|households|shoppers|viewers|users)"
_NEGATION = (
    r"(?:not|no|non|nobody|excluding|exclude|except(?: for)?|without|w/out|leave out|leaving out|minus|drop|remove"
    rf"|take out|cut|skip|but not)(?:\s+(?:any|the|for|be|being|{_WHO}|who are|that are|aged?|with)){{0,9}}"
)
_LIMITS = rf"(?:(?P<lead>only|just|for|who are|that are|and|but|with|an?|the|those|{_WHO})\s+){{0,9}}"
"""Bounded, as ``_NEGATION`` is: a text of nothing but such words would be tried from each of them to the end."""
_FANS = r"(?:\w{3,}ers|fans?|buffs|addicts|enthusiasts|girls|ladies|women|men|guys|folks?|parents)"
"""Words for people by what they do or like: an age behind them is theirs ("action buffs under 25")."""
_AFTER = r"(?:\s+(?:only|alone|people|ones|group|households|bracket|range))*"
_NUMBER = r"\$?\d[\d,.]*\s?k?\b"
_SPAN = rf"(?P<low>{_NUMBER})\s*(?:-|–|to|and)\s*(?P<high>{_NUMBER})"
_UNKNOWN: Mapping[str, Literal["is unknown", "is known"]] = {"unknown": "is unknown", "known": "is known"}
"""Words that stand where a value could, unless the data has them as a value."""


@dataclass(frozen=True)
class _Band:
    low: float
    high: float

    def inside(self, low: float, high: float) -> bool:
        return self.low >= low and self.high <= high

    def touches(self, low: float, high: float) -> bool:
        return self.low <= high and self.high >= low


def fields_of(card: DataCard) -> Fields:
    """The attributes of the data with their values."""
    return {each.field: tuple(value.value for value in each.values) for each in card.fields}


class PeopleConditions(NamedTuple):
    """What a message says of who the people are."""

    filters: tuple[Filter, ...]
    words: tuple[str, ...]
    """The words of every condition."""
    missing: tuple[str, ...]
    """Those that the data knows nothing about."""


def read_filters(text: str, fields: Fields) -> tuple[tuple[Filter, ...], str]:
    """Filters that ``text`` asks for, at most one a field and way, and the text without their words."""
    people, rest = take_people(text, fields)
    return people.filters, rest


def take_people(text: str, fields: Fields) -> tuple[PeopleConditions, str]:
    """Conditions on who the people are, and the text without their words."""
    found: dict[str, Filter] = {}
    words: list[str] = []
    for spotted, rest in _spot(text, fields):
        words.append(_gone(text, rest))
        text = rest
        earlier = found.get(spotted.field)
        if earlier is not None and earlier.op == spotted.op:
            spotted = earlier.model_copy(update={"values": tuple(dict.fromkeys(earlier.values + spotted.values))})
        found[spotted.field] = spotted
    missing = []
    for rule in table("attributes")["words"]:
        if not _named(rule["field"], fields) and (match := _worded(rule["say"], text)):
            missing.append(match["said"].strip())
            text = _without(text, match)
    return PeopleConditions(tuple(found.values()), tuple(filter(None, (*words, *missing))), tuple(missing)), text


def _gone(before: str, after: str) -> str:
    """The words that were taken out between two states of a text."""
    start = next((place for place, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(after))
    while start and before[start - 1] not in " ,":
        start -= 1
    length = len(before) - len(after) + 3 + 0
    return " ".join(before[max(start - 1, 0) : start + length].strip(" ,.").split())


def _worded(say: str, text: str) -> re.Match[str] | None:
    return re.search(
        rf"\b(?P<negated>{_NEGATION}\s+)?{_LIMITS}(?P<said>(?<!\b\w-)\b(?:{say})\b){_AFTER}(?!\s+(?:films?|movies?))",
        text,
        re.IGNORECASE,
    )


def parse_filter(text: str, fields: Fields) -> tuple[Filter | None, str]:
    """One "field = value | value" as a model writes it: the filter, or None and what exists instead."""
    match = re.match(r"\s*(?P<field>.+?)\s*(?P<op>!=|=|\bis not\b|\bis\b)\s*(?P<values>.+?)\s*$", text)
    if match is None:
        return None, f"'{text}' is not of the form field = value"
    names = {name.lower(): name for name in fields}
    field = names.get(match["field"].lower())
    if field is None:
        near = _nearest(match["field"], fields)
        return None, f"the data has no field '{match['field']}'; it has {near}"
    values, known = [], {value.lower(): value for value in fields[field]}
    if match["values"].lower() in _UNKNOWN and match["values"].lower() not in known:
        return Filter(field=field, op=_UNKNOWN[match["values"].lower()]), ""
    for value in re.split(r"\s*\|\s*", match["values"]):
        if value.lower() not in known:
            return None, f"'{field}' has no value '{value}'; it has {_nearest(value, fields[field])}"
        values.append(known[value.lower()])
    op: Any = "is not" if match["op"] in {"!=", "is not"} else "is"
    return Filter(field=field, op=op, values=tuple(values)), ""


def write_filter(condition: Filter) -> str:
    """The form that ``parse_filter`` reads."""
    if not condition.values:
        return f"{condition.field} {condition.op}"
    return f"{condition.field} {'=' if condition.op == 'is' else '!='} {' | '.join(condition.values)}"


def _spot(text: str, fields: Fields) -> Iterable[tuple[Filter, str]]:
    """Every filter with the text that is left after its words, one after the other."""
    rules = table("attributes")
    for rule in sorted(rules["words"], key=lambda each: -len(each["say"])):
        for name, values in _named(rule["field"], fields):
            wanted = tuple(value for value in values if re.search(rule["values"], value, re.IGNORECASE))
            if wanted and (match := _worded(rule["say"], text)):
                text = _without(text, match)
                yield Filter(field=name, op="is not" if match["negated"] else "is", values=wanted), text
                break
    for rule in rules["ranges"]:
        match = _worded(rule["say"], text)
        if match and (spotted := _within(rule["field"], rule.get("low", 0), rule.get("high", inf), fields)):
            text = _without(text, match)
            yield _turned(spotted, match), text
    for rule in rules["numbers"]:
        asked = _asked(rule, text)
        if asked and (spotted := _within(rule["field"], asked[0], asked[1], fields)):
            text = asked[2]
            yield spotted.model_copy(update={"op": "is not"}) if asked[3] else spotted, text
    yield from _literal(text, fields)


def _literal(text: str, fields: Fields) -> Iterable[tuple[Filter, str]]:
    """Values that are written out in the text as they stand in the data, "field: value" included."""
    for name, values in fields.items():
        for value in values:
            prefix = rf"(?<![\w$])(?P<negated>{_NEGATION}\s+)?(?:{re.escape(name)}\s*(?:=|:|is)?\s*)?"
            pattern = rf"{prefix}{re.escape(value)}s?(?!\w)"
            telling = len(value) > 3 and not value.isdigit()
            if telling and (match := re.search(pattern, text, re.IGNORECASE)):
                text = _without(text, match)
                yield Filter(field=name, op="is not" if match["negated"] else "is", values=(value,)), text


def _asked(rule: Mapping[str, str], text: str) -> tuple[float, float, str, bool] | None:
    """Low, high, the text left over and whether it is negated, where ``text`` names a span of the rule's field."""
    decade = re.search(rf"\b(?P<negated>{_NEGATION}\s+)?{_LIMITS}in their (?P<decade>\d0)s\b", text, re.IGNORECASE)
    if rule["field"] == "age" and decade:
        low = float(decade["decade"])
        return low, low + 9, _without(text, decade), bool(decade["negated"])
    if rule["field"] == "age" and (bare := _bare_age(text)):
        return bare
    forms = [
        rf"{rule['before']}\s*(?:between|from)?\s*{_SPAN}(?:\s*{rule['after']})?",
        rf"(?:between\s+|from\s+)?{_SPAN}\s*{rule['after']}",
        rf"{rule['before']}\s*(?:{rule['least']})\s*(?P<low>{_NUMBER})(?:\s*{rule['after']})?",
        rf"(?:{rule['least']})\s*(?P<low>{_NUMBER})\s*{rule['after']}",
        rf"{rule['before']}\s*(?:{rule['most']})\s*(?P<high>{_NUMBER})(?:\s*{rule['after']})?",
        rf"(?:{rule['most']})\s*(?P<high>{_NUMBER})\s*{rule['after']}",
    ]
    for form in forms:
        match = re.search(rf"(?:\b(?P<negated>{_NEGATION})\s+)?\b{_LIMITS}{form}{_AFTER}", text, re.IGNORECASE)
        if match:
            ends = match.groupdict()
            low, high = _number(ends.get("low") or "0"), _number(ends["high"]) if ends.get("high") else inf
            return low, high, _without(text, match), bool(match["negated"])
    return None


_SPAN_OF_AGES = (
    r"(?:between\s+|from\s+|aged?\s+)?(?<![\d$€£.,-])(?P<low>[1-9]\d)\s*(?:-|–|to|and)\s*(?P<high>[1-9]\d)"
    r"(?:s|\s*-?\s*year[- ]olds?)?"
)
_OVER = r"(?P<over>over|above|older than|at least)\s+(?P<low2>[1-9]\d)(?P<s>s?)"
_UNDER = r"(?P<under>under|below|younger than)\s+(?P<high2>[1-9]\d)(?P<s2>s?)"
_AND_UP = r"(?<![\d$€£.,-])(?P<low3>[1-9]\d)\s*(?:\+|plus\b|and (?:up|over|older))"
_NO_AGE = (
    r"(?![\w%.,]*\d|\s*(?:%|percent|days?|weeks?|months?|years?(?! ?old)|people|households|of\b|dollars|euros|k\b"
    r"|[$€£]|times))"
)
_BARE_AGE = re.compile(
    rf"(?:\b(?P<negated>{_NEGATION})\s+)?(?P<before>\b{_LIMITS})"
    rf"(?:{_SPAN_OF_AGES}|{_OVER}|{_UNDER}|{_AND_UP}){_NO_AGE}{_AFTER}",
    re.IGNORECASE,
)


def _bare_age(text: str) -> tuple[float, float, str, bool] | None:
    """An age without the word: "women 18-24", "people under 25", "55 and up"; money and counts are none."""
    for match in _BARE_AGE.finditer(text):
        said = match.groupdict()
        of_people = bool(
            re.search(_WHO, said["lead"] or "", re.IGNORECASE) or said["s"] or said["s2"] or said["negated"]
        )
        of_people = of_people or bool(re.search(rf"\b{_FANS}\W*$", text[: match.start()], re.IGNORECASE))
        of_people = (
            of_people or re.fullmatch(r"\W*(?:only|just|pls|please)?\W*", text.replace(match[0], "")) is not None
        )
        if said["low"] and int(said["low"]) < int(said["high"]):
            return float(said["low"]), float(said["high"]), _without(text, match), bool(said["negated"])
        if (said["over"] or said["under"]) and of_people:
            low, high = float(said["low2"] or 0), float(said["high2"] or inf)
            return low, high - 1 if said["under"] else high, _without(text, match), bool(said["negated"])
        if said["low3"]:
            return float(said["low3"]), inf, _without(text, match), bool(said["negated"])
    return None


def _turned(condition: Filter, match: re.Match[str]) -> Filter:
    return condition.model_copy(update={"op": "is not"}) if match["negated"] else condition


def _within(field: str, low: float, high: float, fields: Fields) -> Filter | None:
    """The values of the field whose whole band lies within the span; where there is none, those that touch it."""
    for name, values in _named(field, fields):
        bands = [(value, band) for value in values if (band := _band(value))]
        bands.sort(key=lambda each: each[1].low)
        inside = tuple(value for value, band in bands if band.inside(low, high))
        touching = tuple(value for value, band in bands if band.touches(low, high))
        if inside or touching:
            return Filter(field=name, values=inside or touching)
    return None


def _band(value: str) -> _Band | None:
    """Read "35-44", "under $15,000", "65 or older", "3 people" as a span of numbers; None for other words."""
    numbers = [_number(found) for found in re.findall(_NUMBER, value, re.IGNORECASE)]
    if not numbers:
        return None
    if re.search(r"^(?:under|below|less)", value, re.IGNORECASE):
        return _Band(0, numbers[0] - 1)
    if re.search(r"\+|or (?:more|older|over)", value, re.IGNORECASE):
        return _Band(numbers[0], inf)
    return _Band(numbers[0], numbers[-1])


def _number(text: str) -> float:
    digits = re.sub(r"[^\d.]", "", text).rstrip(".")
    return float(digits) * (1000 if text.strip().lower().endswith("k") else 1)


def _named(pattern: str, fields: Fields) -> list[tuple[str, Sequence[str]]]:
    return [(name, values) for name, values in fields.items() if re.search(pattern, name, re.IGNORECASE)]


def _nearest(word: str, existing: Iterable[str]) -> str:
    names = list(existing)
    near = get_close_matches(word.lower(), [name.lower() for name in names], n=3, cutoff=0.3)
    return ", ".join([name for name in names if name.lower() in near] or names[:6])


def _without(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]} , {text[match.end() :]}"

"""What one message says, taken apart by rules: time, newness, filters, conditions on the past, and what is left."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import ValidationError

from agent.rules.campaign import held_back
from agent.rules.horizon import ahead, back
from agent.rules.languages import code_of, into_english, language
from agent.rules.phrases import noun_phrases
from prompts.loader import table
from tools.attributes import Fields, read_filters
from tools.goals import Goal
from tools.types import Filter

Newness = Literal["everyone", "first time"]


@dataclass(frozen=True)
class Condition:
    """Things the people must (not) have done before; without ``phrases``, what the demand itself is about."""

    phrases: tuple[str, ...]
    days: int | None


@dataclass(frozen=True)
class Heard:
    """One message, taken apart."""

    phrases: tuple[str, ...] = ()
    """What is wanted, in the message's own words."""
    horizon_days: int | None = None
    newness: Newness | None = None
    filters: tuple[Filter, ...] = ()
    without: Condition | None = None
    within: Condition | None = None
    percent: float | None = None
    goal: Goal | None = None
    """What the audience is for, in precision or money."""
    users: int | None = None
    wish: bool = False
    """Whether it is a wish to sell something, rather than a description of people."""
    foreign: str = ""
    """The language, when it is not English."""

    @property
    def looked_up(self) -> tuple[str, ...]:
        """Every phrase that has to be found in the data."""
        conditions = [each.phrases for each in (self.without, self.within) if each]
        return tuple(dict.fromkeys(self.phrases + sum(conditions, ())))

    @property
    def says_something(self) -> bool:
        """Whether the message would change an audience at all."""
        return replace(self, wish=False, foreign="") != Heard()


def hear(text: str, fields: Fields) -> Heard:
    """Take ``text`` apart; ``fields`` are the attributes of the data with their values."""
    clauses = table("commands")["clauses"]
    _, text = held_back(text)
    spoken = language(text)
    text = into_english(text, code_of(spoken))
    wish = bool(re.search(table("words")["wish"], text, re.IGNORECASE))
    goal, text = _goal(text)
    percent, text = _amount(clauses["percent"], text)
    users, text = _amount(clauses["users"], text)
    filters, text = read_filters(text, fields)
    newness: Newness | None = None
    if re.search(clauses["first"], text, re.IGNORECASE):
        newness, text = "first time", re.sub(clauses["first"], " , ", text, flags=re.IGNORECASE)
    elif re.search(clauses["everyone"], text, re.IGNORECASE):
        newness, text = "everyone", re.sub(clauses["everyone"], " , ", text, flags=re.IGNORECASE)
    without, text = _condition(clauses["without"], text, spoken)
    within, text = _condition(clauses["within"], text, spoken)
    days, text = ahead(text)
    return Heard(
        phrases=noun_phrases(text, spoken),
        horizon_days=days,
        newness=newness,
        filters=filters,
        without=without,
        within=within,
        percent=percent,
        goal=goal,
        users=None if users is None else int(users),
        wish=wish,
        foreign="" if spoken == "English" else spoken,
    )


def _condition(pattern: str, text: str, spoken: str) -> tuple[Condition | None, str]:
    """The condition a clause of ``text`` states, and the text without the clause."""
    match = re.search(pattern, text, re.IGNORECASE)
    if match is None:
        return None, text
    days, what = back(match["what"])
    rest = f"{text[: match.start()]} , {text[match.end() :]}"
    return Condition(noun_phrases(what, spoken), days), rest


def _goal(text: str) -> tuple[Goal | None, str]:
    """The goal that a message states, and the message without it; money without the cost of a contact is no goal."""
    clauses, found = table("commands")["clauses"], {}
    for name in ("cost", "value", "budget", "precision"):
        number, text = _amount(clauses[name], text)
        if number:
            found[name] = number / 100 if name == "precision" else number
    try:
        return (Goal.model_validate(found) if found else None), text
    except ValidationError:
        return None, text


def _amount(pattern: str, text: str) -> tuple[float | None, str]:
    """The number a clause of ``text`` names, and the text without the clause."""
    match = re.search(pattern, text, re.IGNORECASE)
    if match is None:
        return None, text
    number = next(value for value in match.groupdict().values() if value is not None)
    return float(number.replace(",", "")), f"{text[: match.start()]} , {text[match.end() :]}"

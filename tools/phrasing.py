"""Hard conditions in words, with the verbs of the data: "bought coffee on at least 3 days in the last 60 days".

``tools.sentence`` reads what is written here, so a change of one is a change of both.
"""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tools.types import Behaviour, DataCard, Filter, LifeCycle, Membership

EVER = "at any time before"
ABOUT = "when it comes to"
NO_WORDING = "have {items} in"
"""How a source is spoken of that nobody worded; its name comes after it, in quotes."""

Name = Callable[[str], str]

_PAST = {
    "buy": "bought", "bring": "brought", "catch": "caught", "choose": "chose", "do": "did", "drink": "drank",
    "drive": "drove", "eat": "ate", "find": "found", "fly": "flew", "get": "got", "give": "gave", "go": "went",
    "have": "had", "hear": "heard", "hold": "held", "keep": "kept", "leave": "left", "make": "made", "meet": "met",
    "pay": "paid", "put": "put", "read": "read", "ride": "rode", "run": "ran", "see": "saw", "sell": "sold",
    "send": "sent", "sing": "sang", "spend": "spent", "take": "took", "tell": "told", "wear": "wore", "win": "won",
    "write": "wrote",
}  # fmt: skip


def past(verb: str) -> str:
    """The past of an English verb."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2:-1] not in tuple("aeiou"):
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


def plural(name: str) -> bool:
    """Whether a name looks like one for several things ("kids"), as far as its ending tells."""
    return name.endswith("s") and not name.endswith(("ss", "us", "is"))


def quoted(name: str) -> str:
    """A name in quotes, whatever is in it."""
    return json.dumps(name, ensure_ascii=False)


def _plainly(name: str) -> str:
    return name


class Wording(NamedTuple):
    """How a source is spoken of: the verb, and what stands before and after the things."""

    verb: str
    before: str
    after: str


class Phrasing:
    """The words for conditions on one data set."""

    def __init__(self, wordings: Mapping[str, str], main_source: str) -> None:
        """Speak with the wordings of the sources ("buy {items}")."""
        self.wordings, self.main_source = wordings, main_source

    @classmethod
    def of(cls, card: DataCard) -> "Phrasing":
        """The words for the data that ``card`` describes."""
        return cls({each.source: each.wording for each in card.sources if each.wording}, card.main_source)

    def wording(self, source: str) -> Wording:
        """How a source is spoken of; empty is the main one."""
        template = self.wordings.get(source or self.main_source)
        if template is None:
            template = f"{NO_WORDING} {quoted(source or self.main_source)}"
        before, _, after = template.partition("{items}")
        verb, _, rest = before.strip().partition(" ")
        return Wording(verb, rest, after.strip())

    def wish(self, things: str) -> str:
        """What somebody does with things in the main source, such as "buy coffee"."""
        said = self.wording("")
        return " ".join(part for part in (said.verb, said.before, things, said.after) if part)

    def filter(self, each: Filter, name: Name = _plainly) -> str:
        """Such as "age is 35-44 or 45-54", "age is not known"."""
        values = " or ".join(map(name, each.values))
        op = each.op.replace("is", "are", 1) if plural(each.field) else each.op
        return f"{name(each.field)} {op} {values}".rstrip()

    def behaviour(self, each: Behaviour, name: Name = _plainly) -> str:
        """Such as "bought coffee at any time before", "did not buy coffee in the last 30 days"."""
        said = self.wording(each.source)
        things = " ".join(part for part in (said.before, name(each.what), said.after) if part)
        if each.ago:
            return f"last {past(said.verb)} {things} more than {each.days} days ago"
        verb = past(said.verb) if each.did else f"did not {said.verb}"
        often = f" on at least {each.times} days" if each.times is not None else ""
        worth = f" for at least {number(each.amount)} in all" if each.amount is not None else ""
        return f"{verb} {things}{often}{worth} {EVER if each.days is None else f'in the last {each.days} days'}"

    def life_cycle(self, each: LifeCycle, meaning: str = "", name: Name = _plainly) -> str:
        """Such as "loyal when it comes to coffee (on at least ...)", "not new in the last 91 days"."""
        about = "" if (each.what, each.source) == ("anything", "") else f" {ABOUT} {name(each.what)}"
        where = f" in {quoted(each.source)}" if each.source else ""
        when = f" in the last {each.days} days" if each.days is not None else ""
        return f"{'' if each.holds else 'not '}{each.stage}{about}{where}{when}{f' ({meaning})' if meaning else ''}"

    def membership(self, each: Membership) -> str:
        """In, or not in, the audience of that name."""
        return f"{'' if each.member else 'not '}in the audience {quoted(each.audience)}"


def number(value: float) -> str:
    """A number as people write it, and exactly: 100, 12.5."""
    return str(int(value)) if value.is_integer() else repr(value)

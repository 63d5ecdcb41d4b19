"""The demand as one sentence, written from parts that were checked against the data."""

from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from encoders.language.demand import quoting
from prompts.loader import table
from tools.phrasing import number
from tools.types import ANYTHING, AudienceSpec, Behaviour, Filter, LifeCycle


class Parts(BaseModel):
    """What a demand is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[str, ...] = Field(min_length=1, description="groups of the data, or words that name some")
    action: str = Field("buy", description="the action of the source the items come from")
    first_time: bool = False
    days: int
    join: Literal["any", "all"] = Field("any", description="all: each item is required of the same user")
    asked: str = Field("", description="the request's own words, where the items are a reading of them that is unsure")
    struck: tuple[str, ...] = Field((), description="things read from those words that the person left out again")

    def sentence(self, unit_plural: str) -> str:
        """The demand, such as "Households that will buy coffee in the next 28 days"."""
        first = " for the first time" if self.first_time else ""
        what = f"{verb(self.action)} {self._named()}"
        who = f"{unit_plural[:1].upper()}{unit_plural[1:]}"
        asked = "" if self.struck else self.asked  # they speak of what was left out, too
        return f"{who} that will {what}{quoting(asked)}{first} in the next {self.days} days"

    @property
    def anything(self) -> bool:
        """Whether it names no thing, and the conditions alone say who is meant."""
        return self.items == (ANYTHING,)

    def _named(self) -> str:
        return " as well as ".join(self.items) if self.join == "all" else listed(self.items, "or")

    def newcomers(self) -> tuple[Behaviour, ...]:
        """The hard conditions that "for the first time" stands for: none of the items at any time before."""
        return tuple(Behaviour(did=False, what=item) for item in self.items) if self.first_time else ()


def verb(action: str) -> str:
    """What a user does, in words; an action nobody has worded yet stands as it is."""
    return str(table("words")["verbs"].get(action, action))


def listed(names: tuple[str, ...] | list[str], joint: str) -> str:
    """Names as people list them: "a, b or c"."""
    return f" {joint} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def conditions(spec: AudienceSpec) -> list[str]:
    """The hard conditions of a spec, each in words; things that are done alike stand together."""
    words = [_filter(each) for each in spec.filters]
    alike: dict[Behaviour, list[str]] = {}
    for each in spec.behaviours:
        alike.setdefault(each.model_copy(update={"what": ANYTHING}), []).append(each.what)
    words += [_behaviour(each, things) for each, things in alike.items()]
    words += [_life_cycle(each) for each in spec.life_cycle]
    words += [f'{"" if each.member else "not "}in "{each.audience}"' for each in spec.memberships]
    return words


def each_condition(spec: AudienceSpec) -> list[str]:
    """Each hard condition of an audience in words, so that each can be removed by itself."""
    return [_one(kind, one) for kind in _KINDS for one in getattr(spec, kind)]


def keep_conditions(spec: AudienceSpec, kept: Collection[str]) -> AudienceSpec:
    """Only those hard conditions whose words are among ``kept``."""
    left = {kind: tuple(one for one in getattr(spec, kind) if _one(kind, one) in kept) for kind in _KINDS}
    return spec.model_copy(update=left)


_KINDS = ("filters", "behaviours", "life_cycle", "memberships")
"""The fields of an audience that hold its conditions."""


def _one(kind: str, condition: object) -> str:
    return conditions(AudienceSpec.model_validate({"demand": "-", kind: (condition,)}))[0]


def _filter(each: Filter) -> str:
    if not each.values:
        return f"{each.field}: {each.op.removeprefix('is ')}"
    return f"{each.field}: {'not ' if each.op == 'is not' else ''}{listed(each.values, 'or')}"


def _behaviour(each: Behaviour, things: list[str]) -> str:
    """What was done, or not, to several things alike."""
    what = listed(things, "and") if each.did else f"no {listed(things, 'or')}".replace(f"no {ANYTHING}", "nothing")
    if each.source:
        what += f" ({each.source})"
    if each.ago:
        return f"{what}, the last time more than {each.days} days ago"
    if each.times is not None:
        what += f" on at least {each.times} days"
    if each.amount is not None:
        what += f" for at least {number(each.amount)} in all"
    return f"{what} {f'in the last {each.days} days' if each.days else 'at any time before'}"


def _life_cycle(each: LifeCycle) -> str:
    about = "" if each.what == ANYTHING else f": {each.what}"
    source = f" ({each.source})" if each.source else ""
    when = f" in the last {each.days} days" if each.days else ""
    return f"{'' if each.holds else 'not '}{each.stage}{about}{source}{when}"


def plain(name: str, limit: int = 80) -> str:
    """A text from the data, safe to show: no markup, no line breaks, not too long."""
    kept = "".join(character for character in name if character.isprintable() and character not in "<>[]`*_#|\\")
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"

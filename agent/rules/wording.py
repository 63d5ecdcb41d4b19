"""The demand as one sentence, written from parts that were checked against the data."""

from pydantic import BaseModel, ConfigDict, Field

from encoders.language.demand import quoting
from prompts.loader import table
from tools.types import AudienceSpec, Behaviour


class Parts(BaseModel):
    """What a demand is made of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: tuple[str, ...] = Field(min_length=1, description="groups of the data, or words that name some")
    action: str = Field("buy", description="the action of the source the items come from")
    first_time: bool = False
    days: int
    asked: str = Field("", description="the request's own words, where the items are a reading of them that is unsure")

    def sentence(self, unit_plural: str) -> str:
        """The demand, such as "Households that will buy coffee in the next 28 days"."""
        first = " for the first time" if self.first_time else ""
        what = f"{verb(self.action)} {listed(self.items, 'or')}"
        who = f"{unit_plural[:1].upper()}{unit_plural[1:]}"
        return f"{who} that will {what}{quoting(self.asked)}{first} in the next {self.days} days"

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
    """The hard conditions of a spec, each in words."""
    signs = {"is": "", "is not": "not "}
    words = [f"{each.field}: {signs[each.op]}{listed(each.values, 'or')}" for each in spec.filters]
    alike: dict[tuple[bool, int | None], list[str]] = {}
    for each in spec.behaviours:
        alike.setdefault((each.did, each.days), []).append(each.what)
    for (did, days), things in alike.items():
        when = f"in the last {days} days" if days else "at any time before"
        what = listed(things, "and") if did else f"no {listed(things, 'or')}"
        words.append(f"{what} {when}")
    return words


def plain(name: str, limit: int = 80) -> str:
    """A text from the data, safe to show: no markup, no line breaks, not too long."""
    kept = "".join(character for character in name if character.isprintable() and character not in "<>[]`*_#|\\")
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"

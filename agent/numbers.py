"""Numbers as people write them, in the language that is spoken."""

from typing import NamedTuple

from prompts.loader import reply, spoken, table
from tools.types import DataCard


class Units(NamedTuple):
    """What users are called, and the smallest number of them that is shown."""

    unit_plural: str
    minimum_size: int


def counted(users: float | None, card: DataCard | Units) -> str:
    """A count of users that may be withheld: '1,234', or 'fewer than 50'."""
    return reply("fewer_than", minimum=card.minimum_size) if users is None else count(users)


def count(number: float) -> str:
    """A number of users, as people write it."""
    return decimal(number, 0)


def decimal(number: float, digits: int) -> str:
    """A number with so many digits behind the point, with the marks of the language that is spoken: 1,234.5."""
    written = f"{number:,.{digits}f}"
    if not spoken():
        return written
    marks = table(f"languages/{spoken()}")["marks"]
    return written.translate(str.maketrans({",": marks["thousands"], ".": marks["decimal"]}))


def percent(share: float | None) -> str:
    """A share in 0..1 as a percentage, with one digit below ten; '? %' where it is withheld."""
    if share is None:
        return "? %"
    written = 100 * share
    return f"{decimal(written, 0 if share >= 0.1 or round(written, 1).is_integer() else 1)} %"

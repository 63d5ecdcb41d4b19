"""Numbers and dates in the words a marketer reads."""

import re
from datetime import date
from string import punctuation

from tools.types import Interval

_LITERAL = str.maketrans({sign: f"\\{sign}" for sign in punctuation})


def count(number: float) -> str:
    """A number of users, rounded, with thousands separated: 2317.2 -> '2,317'."""
    return f"{round(number):,}"


def span(interval: Interval) -> str:
    """The 80 % interval of a number of users: '110 to 170'."""
    return f"{count(interval.low)} to {count(interval.high)}"


def percent(share: float) -> str:
    """A share of 0..1 as a percentage that keeps one decimal only where it says something."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"


def times(ratio: float) -> str:
    """How many times the average: '3.9'."""
    return f"{ratio:.1f}"


def day(moment: date) -> str:
    """A date as people write it: '1 October 2017'."""
    return f"{moment.day} {moment:%B %Y}"


def together(text: str) -> str:
    """Text in which a number and its percent sign stay on one line."""
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def literal(text: str) -> str:
    """Text that a markdown reader shows exactly as it was typed: no markup, no links, no pictures."""
    return text.translate(_LITERAL)

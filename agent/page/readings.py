"""What the assistant understood, as chips: each thing of the demand under what it was found by."""

from collections.abc import Sequence
from typing import NamedTuple

from agent.rules.wording import listed
from agent.state import Thing

MOST = 4
"""Groups of chips on the page; what comes after them stands in the last."""

_NAMED, _OTHERS = "In your words", "Also"


class Chips(NamedTuple):
    """Things that were found by the same words."""

    label: str
    things: tuple[Thing, ...]

    @property
    def names(self) -> list[str]:
        """All of them."""
        return [each.name for each in self.things]

    @property
    def kept(self) -> list[str]:
        """Those that are not struck out."""
        return [each.name for each in self.things if not each.struck]


def chips(things: Sequence[Thing]) -> list[Chips]:
    """The things by what they were found by, at most ``MOST`` groups; none where a single thing was named."""
    if len(things) < 2 and not any(each.because for each in things):
        return []
    found: dict[str, list[Thing]] = {}
    for each in things:
        found.setdefault(each.because, []).append(each)
    by_words = [Chips(_label(because), tuple(those)) for because, those in found.items()]
    if len(by_words) <= MOST:
        return by_words
    rest = tuple(each for group in by_words[MOST - 1 :] for each in group.things)
    return [*by_words[: MOST - 1], Chips(_OTHERS, rest)]


def strike_request(things: Sequence[Thing], kept: Sequence[str]) -> str:
    """What a click on chips says to the conversation; empty where it changes nothing."""
    gone = [each.name for each in things if not each.struck and each.name not in kept]
    back = [each.name for each in things if each.struck and each.name in kept]
    said = (f"without {listed(gone, 'and')}" if gone else "", f"with {listed(back, 'and')} again" if back else "")
    text = ", ".join(each for each in said if each)
    return text[:1].upper() + text[1:]


def _label(because: str) -> str:
    return f"“{because}” means here" if because else _NAMED

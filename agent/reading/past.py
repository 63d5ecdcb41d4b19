"""Conditions on the past in English: what users did, where they stand, which saved audiences they are in."""

from collections.abc import Sequence
from typing import NamedTuple

from tools.stated.past import IT, PastReader
from tools.stated.stages import read_memberships, read_source_users, read_stages
from tools.types import Behaviour, DataCard, LifeCycle, Membership

MOST = 6
"""Conditions of one kind that are read from one message."""


class Past(NamedTuple):
    """The conditions on the past in a message, and its text without them."""

    behaviours: tuple[Behaviour, ...]
    life_cycle: tuple[LifeCycle, ...]
    memberships: tuple[Membership, ...]
    rest: str


def take_past(text: str, card: DataCard, saved: Sequence[str]) -> Past:
    """The conditions on the past that ``text`` states, and the text without them."""
    memberships, rest = read_memberships(text, saved)
    found, rest = read_source_users(rest, card)
    stages, rest = read_stages(rest, card.as_of)
    reader = PastReader(card)
    while len(found) < MOST and (spotted := reader.next(rest)):
        found += spotted.behaviours
        rest = f"{rest[: spotted.start]} , {rest[spotted.end :]}"
    named = next((each.what for each in found if each.did and each.what != IT), IT)
    same = (each.model_copy(update={"what": named}) if each.what == IT else each for each in found)
    return Past(tuple(dict.fromkeys(same))[:MOST], stages[:MOST], memberships[:MOST], rest)

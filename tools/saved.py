"""Saved audiences as they are shown: their counts, and who came and left between two of them."""

import json
from typing import NamedTuple

from tools.disclosure import Disclosure, Question
from tools.types import AudienceSpec, SavedAudience


class Moves(NamedTuple):
    """Users of an audience before and after, as their counts are shown."""

    stayed: int | None
    came: int | None
    left: int | None


def saved_question(saved: SavedAudience) -> Question:
    """Who is in a saved audience, in canonical words."""
    spec = canonical(saved.spec) if saved.spec else saved.definition
    return "saved", spec, str(saved.as_of), saved.data_version, saved.model_version


def canonical(spec: AudienceSpec) -> str:
    """A spec as JSON, the same as before it could say more: fields that were added since are there once they are set.

    Other words for an old audience would draw the noise on its counts again.
    """
    dumped = spec.model_dump(mode="json")
    for name in _ADDED:
        if not dumped[name]:
            del dumped[name]
    for each in dumped["behaviours"]:
        for name in _ADDED_TO_BEHAVIOURS:
            if not each[name]:
                del each[name]
    return json.dumps(dumped, ensure_ascii=False, separators=(",", ":"))


_ADDED = ("life_cycle", "memberships")
_ADDED_TO_BEHAVIOURS = ("source", "ago", "times", "amount")


def refresh_question(saved: SavedAudience) -> Question:
    """Who came and left when a saved audience was refreshed, in canonical words."""
    return "refreshed", saved.name, str(saved.version), *saved_question(saved)


def shown_audience(saved: SavedAudience, disclosure: Disclosure) -> SavedAudience:
    """A saved audience with its counts as they are shown; its holdout is as exact as they are.

    Args:
        saved: as the registry has it.
        disclosure: how counts are shown.
    """
    question, exact = saved_question(saved), saved.users or 0
    users = disclosure.count(exact, *question)
    holdout = None if users is None else round(users * (saved.holdout or 0) / exact)
    forecast = None if users is None else disclosure.interval(saved.forecast, *question)
    spec = saved.spec
    if spec and spec.cut is not None:
        spec = spec.model_copy(update={"cut": disclosure.cut(spec.cut)})
    return saved.model_copy(update={"users": users, "holdout": holdout, "forecast": forecast, "spec": spec})


def moves(
    members: tuple[set[str], set[str]],
    shown: tuple[int | None, int | None],
    disclosure: Disclosure,
    question: Question,
) -> Moves:
    """Who stayed, came and left; where those who moved are too few to be shown, the others are shown as all.

    Args:
        members: before and after.
        shown: how many they are, as it is shown.
        disclosure: how counts are shown.
        question: what is compared, in canonical words.
    """
    was, now = members
    if not disclosure.exact:
        moved = {"stayed": was & now, "came": now - was, "left": was - now}
        return Moves(**{name: disclosure.count(users, *question, name) for name, users in moved.items()})
    smaller = None if None in shown else min(each for each in shown if each is not None)
    stayed = disclosure.part(was & now, smaller, *question)
    left, came = (disclosure.rest(whole, stayed or 0) for whole in shown)
    return Moves(stayed, came, left)

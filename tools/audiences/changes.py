"""Saved audiences as they are shown, on which day they are refreshed, and who came and left."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from encoders.data.events import DatasetCard
from encoders.errors import RequestError
from tools.audiences.disclosure import Disclosure, Question, number_text
from tools.audiences.power import smallest_effect
from tools.operation_types import Refreshed
from tools.types import AudienceSpec, SampleUser, SavedAudience


class MembershipChanges(NamedTuple):
    """Users of an audience before and after, as their counts are shown."""

    users: tuple[int | None, int | None]
    """Before and after."""
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


def shown_aside(users: int, disclosure: Disclosure, saved: SavedAudience, *why: str) -> int | None:
    """How many users stand aside of a saved audience: its owner is told of few as well, others as of any group.

    Args:
        users: how many.
        disclosure: how counts are shown.
        saved: the version.
        why: they do, in canonical words.
    """
    return users if disclosure.exact else disclosure.count(users, *saved_question(saved), "aside", *why)


_COUNT = re.compile(r"[0-9][0-9,]*(?= )")


def shown_notes(saved: SavedAudience, disclosure: Disclosure) -> tuple[str, ...]:
    """The notes of a saved audience, which begin with a count of users, as a caller may read them."""

    def shown(place: int, note: str) -> str:
        found = _COUNT.match(note)
        if found is None:
            return note
        users = shown_aside(int(found[0].replace(",", "")), disclosure, saved, "note", str(place))
        return number_text(users, disclosure.minimum) + note[found.end() :]

    return tuple(shown(place, note) for place, note in enumerate(saved.notes))


def shown_audience(saved: SavedAudience, disclosure: Disclosure) -> SavedAudience:
    """A saved audience with its counts as they are shown; how many are held out follows from them.

    Args:
        saved: as the registry has it.
        disclosure: how counts are shown.
    """
    question, exact = saved_question(saved), saved.users or 0
    users = disclosure.count(exact, *question)
    holdout = None if users is None else _held_out(saved.holdout or 0, exact, users, disclosure, question)
    forecast = None if users is None else disclosure.interval(saved.forecast, *question)
    spec = saved.spec
    if spec and spec.cut is not None:
        spec = spec.model_copy(update={"cut": disclosure.cut(spec.cut)})
    counts = {"users": users, "holdout": holdout, "forecast": forecast, "notes": shown_notes(saved, disclosure)}
    detects = None
    if users and holdout and forecast:
        detects = smallest_effect(min(1.0, forecast.mid / users), users - holdout, holdout)
    return saved.model_copy(update={**counts, "spec": spec, "detects": detects})


def _held_out(held: int, members: int, users: int, disclosure: Disclosure, question: Question) -> int | None:
    """How many are held out of an audience that is shown with so many ``users``.

    The exact share would say how many the members are: 10 of 105 are another share than 11 of 106. So others than the
    owner see the share that was asked for, where it is one that people ask for, and else a count like any other.
    """
    if disclosure.exact:
        return held
    steps = round(held / members / _STEP) if members else 0
    if abs(held - steps * _STEP * members) <= 0.5 + 1e-6:
        return round(users * steps * _STEP)
    number = disclosure.count(held, *question, "held out")
    return None if number is None else min(users, number)


_STEP = 0.05
"""Shares that are held out are mostly a multiple of this."""


def moves(
    members: tuple[set[str], set[str]],
    shown: tuple[int | None, int | None],
    disclosure: Disclosure,
    question: Question,
) -> MembershipChanges:
    """Who stayed, came and left; where those who moved are too few to be shown, both are shown as they are after.

    Args:
        members: before and after.
        shown: how many they are, as it is shown.
        disclosure: how counts are shown.
        question: what is compared, in canonical words.
    """
    was, now = members
    if not disclosure.exact:
        moved = {"stayed": was & now, "came": now - was, "left": was - now}
        counts = {name: disclosure.count(users, *question, name) for name, users in moved.items()}
        return MembershipChanges(shown, **counts)
    common = disclosure.common(was & now, shown, *question)
    left, came = common.apart
    return MembershipChanges(common.users, common.both, came, left)


_SHOWN = 3

Sampling = Callable[[Sequence[str]], tuple[SampleUser, ...]]


def refresh_day(saved: SavedAudience, now: date, wanted: date | None, card: DatasetCard) -> date:
    """The day to refresh an audience at: the one that is wanted, or else the one that counts as now.

    Raises:
        RequestError: it has no demand of its own, or the day is not after its own, or after the end of the data.
    """
    if saved.spec is None:
        raise RequestError(f"'{saved.name}' was combined from others; refresh those, and combine them again.")
    day, last = wanted or now, card.last + timedelta(days=1)
    if day > last:
        raise RequestError(
            f"The data ends on {card.last}, so nobody can say who fits on {day}; choose a day up to {last}, or prepare "
            "the data again with what came since."
        )
    if day <= saved.as_of:
        later = (
            f"name a later day, up to {last}" if last > saved.as_of else "prepare the data again with what came since"
        )
        raise RequestError(f"'{saved.name}' is as of {saved.as_of} already; {later}.")
    return day


def compared(
    versions: tuple[SavedAudience, SavedAudience],
    members: tuple[set[str], set[str]],
    disclosure: Disclosure,
    sample: Sampling | None,
) -> Refreshed:
    """The new version beside the one before.

    Args:
        versions: the one before and the new one, as they are shown.
        members: who is in each.
        disclosure: how counts of those who stayed, came and left are shown.
        sample: shows some of those who came and left; None where nobody of them is shown.
    """
    (before, saved), (was, now) = versions, members
    moved = moves(members, (before.users, saved.users), disclosure, refresh_question(saved))
    return Refreshed(
        saved=saved,
        before=before.model_copy(update={"users": moved.users[0]}),
        stayed=moved.stayed,
        came=moved.came,
        left=moved.left,
        came_samples=_some(now - was, moved.came, sample),
        left_samples=_some(was - now, moved.left, sample),
    )


def _some(users: set[str], shown: int | None, sample: Sampling | None) -> tuple[SampleUser, ...]:
    """A few of them; none where they are too few to be counted."""
    return sample(_spaced(sorted(users))) if sample and shown is not None else ()


def _spaced(users: list[str]) -> list[str]:
    return users[:: max(1, len(users) // _SHOWN)][:_SHOWN]

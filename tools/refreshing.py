"""Refreshing a saved audience: on which day, and who came and who left."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from encoders.errors import RequestError
from encoders.history.events import DatasetCard
from tools.campaign_types import Refreshed
from tools.disclosure import Disclosure
from tools.saved import moves, refresh_question
from tools.types import SampleUser, SavedAudience

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
        before=before,
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

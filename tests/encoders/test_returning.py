"""When users do something again, learned from how soon those of an earlier date did."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl
import pytest

from encoders.data.events import Past
from encoders.returning import ReturnForecast, fit_returning

FIRST, AS_OF = date(2017, 1, 1), date(2017, 10, 1)


class Table:
    """A past over a table of events."""

    def __init__(self, events: pl.DataFrame, as_of: date = AS_OF) -> None:
        self._events, self.as_of = events, as_of
        card = SimpleNamespace(main_source="purchases", first=FIRST)
        self.dataset = SimpleNamespace(card=card, before=lambda day: Table(events, day))

    def events(self, days: int | None = None) -> pl.LazyFrame:
        """Events of the last so many days."""
        start = (
            datetime.min if days is None else datetime.combine(self.as_of - timedelta(days=days), datetime.min.time())
        )
        end = datetime.combine(self.as_of, datetime.min.time())
        return self._events.lazy().filter(pl.col("time").is_between(start, end, closed="left"))

    @property
    def population(self) -> list[str]:
        """Users of the last 91 days."""
        return sorted(set(self.events(91).collect()["user_id"]))


def world(users: int, rng: np.random.Generator, end: date = AS_OF) -> tuple[pl.DataFrame, list[str], np.ndarray]:
    """Users who each come at random with a rate of their own, from once a day to once in half a year."""
    rates = np.exp(rng.uniform(np.log(1 / 180), 0.0, users))
    ids = [f"u{number:04}" for number in range(users)]
    days = (end - FIRST).days
    came = rng.random((users, days)) < 1 - np.exp(-rates)[:, None]
    user, day = np.nonzero(came)
    rows = {
        "user_id": [ids[each] for each in user],
        "time": [datetime.combine(FIRST, datetime.min.time()) + timedelta(days=int(each)) for each in day],
        "source": ["purchases"] * len(user),
    }
    return pl.DataFrame(rows), ids, rates


def fitted(events: pl.DataFrame, ids: list[str], source: str = "purchases") -> ReturnForecast:
    past = cast(Past, Table(events))
    here = np.isin(ids, past.population)
    return fit_returning(past, ids, here, source)


def test_probabilities_follow_the_rate_at_which_users_come() -> None:
    events, ids, rates = world(1500, np.random.default_rng(0))
    found = fitted(events, ids)
    assert found.learned
    here = np.isin(ids, Table(events).population)
    for days in (7, 28, 91):
        truth = 1 - np.exp(-rates * days)
        assert abs(found.within(days)[here].mean() - truth[here].mean()) < 0.03
        assert np.abs(found.within(days) - truth)[here].mean() < 0.08


def test_a_longer_time_never_has_the_lower_probability() -> None:
    events, ids, _ = world(400, np.random.default_rng(1))
    found = fitted(events, ids)
    for sooner, later in pairwise([1, 2, 7, 28, 60, 91, 120, 400]):
        assert (found.within(sooner) <= found.within(later) + 1e-12).all()
        assert (found.within(later) < 1).all()


def test_nothing_after_the_as_of_date_is_read() -> None:
    events, ids, _ = world(400, np.random.default_rng(2), date(2018, 1, 1))
    known = events.filter(pl.col("time") < datetime.combine(AS_OF, datetime.min.time()))
    one, other = fitted(events, ids), fitted(known, ids)
    assert one.scores.tolist() == other.scores.tolist()
    assert one.within(28).tolist() == other.within(28).tolist()


@pytest.mark.parametrize("source", ["purchases", "coupons"])
def test_too_little_data_gives_everybody_the_share_of_the_days_before(source: str) -> None:
    events, ids, _ = world(40, np.random.default_rng(3))
    found = fitted(events, ids, source)
    assert not found.learned
    recent = set(Table(events).events(28).filter(pl.col("source") == source).collect()["user_id"])
    here = np.isin(ids, Table(events).population)
    share = np.mean([user in recent for user in np.array(ids)[here]])
    assert found.within(28) == pytest.approx(np.clip(share, 0.5 / (here.sum() + 1), 1 - 0.5 / (here.sum() + 1)))
    assert np.ptp(found.within(28)) == 0

"""Stages of the life cycle of a user, from what users did and the data's own distribution."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.demand_reader import Items
from encoders.errors import RequestError
from encoders.predictor import Forecaster
from tools.audiences.disclosure import Disclosure
from tools.types import ANYTHING, Behaviour, LifeCycle, Stage

Numbers = npt.NDArray[np.float64]

_REMEMBERED = 32
_FEWEST_GAPS = 2
"""Breaks between the days of a user from which on they have a usual one."""


class ActivityDays(NamedTuple):
    """When N users did something, in days before the as-of date; NaN where they never did."""

    days: Numbers
    """[N], on how many days; 0 where never."""
    first: Numbers
    """[N], how long ago for the first time."""
    last: Numbers
    """[N], how long ago for the last time: 1 is the day before the as-of date."""
    usual: Numbers
    """[N], the median number of days between two of a user's own days; NaN for fewer than three days."""
    stretched: Numbers
    """Every such break over the usual one of its user, sorted: how far people stray from their rhythm."""
    weights: Numbers
    """What each of these counts: the breaks of one user together 1."""


class PastActivity:
    """The past of the users of one forecaster; answers are remembered."""

    def __init__(self, forecaster: Forecaster) -> None:
        """Read nothing yet."""
        self._histories = forecaster.snapshot.histories
        self._days = lru_cache(maxsize=_REMEMBERED)(self._count_days)
        self._values = lru_cache(maxsize=_REMEMBERED)(self._add_up)
        self._rhythms = lru_cache(maxsize=_REMEMBERED)(self._find_rhythm)

    @property
    def reaches_back(self) -> int:
        """Days of data before the as-of date."""
        past = self._histories.past
        return (past.as_of - past.dataset.card.first).days

    def days(self, items: Items, within: int | None) -> Numbers:
        """[N], on how many days each user did any of the items in the last ``within`` days (None: ever)."""
        return self._days(items.tobytes(), within)

    def value(self, items: Items, within: int | None) -> Numbers:
        """[N], what each user's events with the items are worth together, less what was returned."""
        return self._values(items.tobytes(), within)

    def rhythm(self, items: Items) -> ActivityDays:
        """When each user did any of the items."""
        return self._rhythms(items.tobytes())

    def _events(self, items: bytes, within: int | None) -> pl.LazyFrame:
        wanted = pl.Series(np.frombuffer(items, np.int64)).cast(pl.UInt32).implode()
        today = pl.lit(self._histories.past.as_of)
        age = (today - pl.col("time").dt.date()).dt.total_days().alias("age")
        return self._histories.past.events(within).filter(pl.col("item_id").is_in(wanted)).with_columns(age)

    def _count_days(self, items: bytes, within: int | None) -> Numbers:
        counted = self._events(items, within).group_by("user_id").agg(pl.col("age").n_unique().alias("days"))
        return self._by_user(counted, "days", 0.0)

    def _add_up(self, items: bytes, within: int | None) -> Numbers:
        of_items = self._histories.past.dataset.with_returns(np.frombuffer(items, np.int64))
        events = self._events(of_items.tobytes(), within)
        return self._by_user(events.group_by("user_id").agg(pl.col("value").sum()), "value", 0.0)

    def _find_rhythm(self, items: bytes) -> ActivityDays:
        days = self._events(items, None).select("user_id", "age").unique().sort("user_id", "age")
        gaps = days.with_columns(gap=pl.col("age").diff().over("user_id")).collect()
        usual = pl.col("gap").median().alias("usual")
        enough = pl.col("gap").count() >= _FEWEST_GAPS
        found = (
            gaps.lazy()
            .group_by("user_id")
            .agg(
                pl.len().alias("days"),
                pl.col("age").max().alias("first"),
                pl.col("age").min().alias("last"),
                pl.when(enough).then(usual).alias("usual"),
            )
            .collect()
        )
        each = gaps.join(found.select("user_id", "usual"), on="user_id").drop_nulls(["gap", "usual"])
        each = each.select(stretched=pl.col("gap") / pl.col("usual"), weight=1 / pl.len().over("user_id"))
        stretched, weights = each.sort("stretched").cast(pl.Float64).to_numpy().T
        columns = {name: self._by_user(found.lazy(), name, np.nan) for name in ("first", "last", "usual")}
        return ActivityDays(
            days=self._by_user(found.lazy(), "days", 0.0), stretched=stretched, weights=weights, **columns
        )

    def _by_user(self, table: pl.LazyFrame, column: str, missing: float) -> Numbers:
        """[N] in the order of the users."""
        users = pl.LazyFrame({"user_id": self._histories.user_ids})
        joined = users.join(table, on="user_id", how="left", maintain_order="left").collect()
        numbers = joined[column].cast(pl.Float64).fill_null(missing).to_numpy()
        return np.asarray(numbers, np.float64)


Mask = npt.NDArray[np.bool_]

WINDOW = 182
"""Days in which counts and amounts are compared unless others are asked for."""
RECENT_WINDOW = 91
"""The same for those who do it most now, and for those who are new."""
_LATE, _GONE = 0.9, 0.98
"""Shares of all breaks that are shorter than what counts as late, and as gone."""
_LATE_FOR_ONE, _GONE_FOR_ONE = 0.75, 0.9
"""The same for one thing. It is done at longer and less even intervals than anything at all, so that stricter shares
wait for longer than most histories are; and those they leave come back no less (docs/sentences.md has figures)."""
_PARTS = {0.75: "3 in 4", 0.9: "9 in 10", 0.98: "49 in 50"}
LATE_DAYS, GONE_DAYS = 14, 28
"""Silence of fewer days is never late, or gone: weekdays and holidays make such breaks."""


class StageMembers(NamedTuple):
    """What a stage stands for in this data."""

    meaning: str
    """The thresholds in words, to be stated as an assumption."""
    behaviours: tuple[Behaviour, ...] = ()
    """The stage, or the part of it that these can say, all of them together."""
    key: str = ""
    mask: Mask | None = None
    """[N], the part that they cannot say, and its name."""


class StagePopulation(NamedTuple):
    """What those did whose distribution counts."""

    deeds: PastActivity
    items: Items
    population: Mask
    """[N]"""
    disclosure: Disclosure
    """How their thresholds are shown; what fewer than its minimum do has no usual way."""
    key: str
    """Of the items."""

    def quantile(self, values: Numbers, share: float, of: str, weights: Numbers | None = None) -> float:
        """What that share of some values of theirs stays below."""
        return self.disclosure.quantile(values, share, "usual", of, self.key, weights=weights)

    def enough(self, users: int, of: str) -> bool:
        """Whether so many users may be said to have a usual way."""
        return self.disclosure.count(users, "enough", of, self.key) is not None

    def days(self, within: int | None) -> Numbers:
        """On how many days those of the population did it who did it in the window at all."""
        days = self.deeds.days(self.items, within)[self.population]
        return self._enough(days[days > 0], within)

    def values(self, within: int) -> Numbers:
        """What it was worth to them."""
        did = self.population & (self.deeds.days(self.items, within) > 0)
        return self._enough(self.deeds.value(self.items, within)[did], within)

    def rhythm(self, stage: Stage) -> ActivityDays:
        """When they did it, where enough of them did it again and again."""
        rhythm = self.deeds.rhythm(self.items)
        if not self.enough(int(np.isfinite(rhythm.usual[self.population]).sum()), "rhythm"):
            raise RequestError(
                f"Too few have done this on three days or more to say who is {stage}; name something more common, or "
                "say since when they have not done it."
            )
        return rhythm

    def _enough(self, found: Numbers, within: int | None) -> Numbers:
        if not self.enough(len(found), f"days {within}"):
            when = "" if within is None else f" in the last {within} days"
            raise RequestError(f"Too few have done this{when} to say what is usual; name something more common.")
        return found


def standing(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    """What a stage stands for.

    Args:
        wanted: the stage, whether it has to hold or not.
        doers: whose distribution counts.

    Raises:
        RequestError: too few have done it, or too few again and again, to say what is usual.
    """
    doers.days(None)
    return _STAGES[wanted.stage](wanted, doers)


def _did(wanted: LifeCycle, **limits: object) -> Behaviour:
    limited = {"did": True, "what": wanted.what, "source": wanted.source} | limits
    return Behaviour.model_validate(limited)


def _new(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    days = wanted.days or RECENT_WINDOW
    with np.errstate(invalid="ignore"):
        mask = doers.deeds.rhythm(doers.items).first <= days
    return StageMembers(f"for the first time in the last {days} days", key=f"new {days}", mask=mask)


def _often(share: float, named: str, window: int, least: int) -> "_Stage":
    def stage(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
        within = wanted.days or window
        times = max(least, _whole(doers, doers.days(within), share, f"days {within}"))
        meaning = f"on at least {times} days in the last {within} days; {named} of those who do"
        return StageMembers(meaning, (_did(wanted, times=times, days=within),))

    return stage


def _loyal(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    within = wanted.days or WINDOW
    times = max(3, _whole(doers, doers.days(within), 0.75, f"days {within}"))
    rhythm = doers.deeds.rhythm(doers.items)
    usual = rhythm.usual[doers.population & (doers.deeds.days(doers.items, within) >= times)]
    usual = usual[np.isfinite(usual)]
    if not doers.enough(len(usual), f"loyal {times} {within}"):
        raise RequestError(
            f"Too few have done this on {times} days of the last {within} to say who is loyal; look further back, or "
            "name something more common."
        )
    pace = doers.quantile(usual, 0.75, f"pace {times} {within}")
    recent = max(LATE_DAYS, int(np.ceil(pace * _stretch(doers, rhythm, _LATE))))
    return StageMembers(
        f"on at least {times} days in the last {within} days, and again in the last {recent} days; the top quarter of "
        "those who do, none of them late",
        (_did(wanted, times=times, days=within), _did(wanted, days=recent)),
    )


def _high_spending(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    within = wanted.days or WINDOW
    amount = _amount(doers, within, 0.8)
    meaning = f"at least {amount:g} in all in the last {within} days; the top fifth of those who do"
    return StageMembers(meaning, (_did(wanted, amount=amount, days=within),))


def _low_spending(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    within = wanted.days or WINDOW
    amount = _amount(doers, within, 0.2)
    meaning = f"something, but less than {amount:g} in all in the last {within} days; the bottom fifth of those who do"
    return StageMembers(meaning, (_did(wanted, days=within), _did(wanted, did=False, amount=amount, days=within)))


def _amount(doers: StagePopulation, within: int, share: float) -> float:
    """What that share of those who do it stay below, in two digits."""
    return max(0.01, float(f"{doers.quantile(doers.values(within), share, f'worth {within} {share}'):.2g}"))


def _due(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    rhythm = doers.rhythm(wanted.stage)
    share, _ = _shares(wanted)
    late = _stretch(doers, rhythm, share)
    with np.errstate(invalid="ignore"):
        mask = (rhythm.last >= rhythm.usual) & (rhythm.last <= np.maximum(LATE_DAYS, late * rhythm.usual))
    meaning = f"their own usual interval is over, but not yet {late:g} times it, as {_PARTS[share]} breaks are"
    return StageMembers(meaning, key=f"due {late:g}", mask=mask)


def _lapsing(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    rhythm = doers.rhythm(wanted.stage)
    share, most = _shares(wanted)
    late, gone = _stretch(doers, rhythm, share), _stretch(doers, rhythm, most)
    with np.errstate(invalid="ignore"):
        over = rhythm.last > np.maximum(LATE_DAYS, late * rhythm.usual)
        mask = over & (rhythm.last <= np.maximum(GONE_DAYS, gone * rhythm.usual))
    meaning = (
        f"silent for more than {late:g} times their own usual interval, which {_PARTS[share]} breaks are not, and for "
        f"more than {LATE_DAYS} days, but not for {gone:g} times yet"
    )
    return StageMembers(meaning, key=f"lapsing {late:g} {gone:g}", mask=mask)


def _lapsed(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    rhythm = doers.rhythm(wanted.stage)
    _, share = _shares(wanted)
    gone = _stretch(doers, rhythm, share)
    with np.errstate(invalid="ignore"):
        mask = rhythm.last > np.maximum(GONE_DAYS, gone * rhythm.usual)
    meaning = (
        f"on at least 3 days, then silent for more than {gone:g} times their own usual interval, which {_PARTS[share]} "
        f"breaks are not, and for more than {GONE_DAYS} days"
    )
    return StageMembers(meaning, key=f"lapsed {gone:g}", mask=mask)


def _inactive(wanted: LifeCycle, doers: StagePopulation) -> StageMembers:
    last = doers.deeds.rhythm(doers.items).last[doers.population]
    days = wanted.days or max(1, _whole(doers, last[np.isfinite(last)], 0.9, "last"))
    quietest = "" if wanted.days else "; longer than 9 in 10"
    meaning = f"the last time more than {days} days ago{quietest}"
    return StageMembers(meaning, (_did(wanted), _did(wanted, did=False, days=days)))


def _shares(wanted: LifeCycle) -> tuple[float, float]:
    """Shares of all breaks that stay below what is late, and what is gone."""
    return (_LATE, _GONE) if wanted.what == ANYTHING else (_LATE_FOR_ONE, _GONE_FOR_ONE)


def _stretch(doers: StagePopulation, rhythm: ActivityDays, share: float) -> float:
    """How many times the usual interval that share of all breaks stay below, in steps of a half."""
    if not len(rhythm.stretched):
        return 1.0
    stretched = doers.quantile(rhythm.stretched, share, f"stretched {share}", rhythm.weights)
    return max(1.0, float(np.ceil(2 * stretched) / 2))


def _whole(doers: StagePopulation, days: Numbers, share: float, of: str) -> int:
    return int(np.ceil(doers.quantile(days, share, f"{of} {share}")))


_Stage = Callable[[LifeCycle, StagePopulation], StageMembers]

_STAGES: dict[Stage, _Stage] = {
    "new": _new,
    "regular": _often(0.5, "the upper half", WINDOW, 3),
    "loyal": _loyal,
    "heavy": _often(0.8, "the top fifth", RECENT_WINDOW, 2),
    "high spending": _high_spending,
    "low spending": _low_spending,
    "due again": _due,
    "lapsing": _lapsing,
    "lapsed": _lapsed,
    "inactive": _inactive,
}

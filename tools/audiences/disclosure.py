"""What may leave of counts of users, for one kind of caller.

Nobody sees a count below the minimum size, nor one that is the rest of two others that are seen. Beyond that, the owner
and admins see counts as they are (``Disclosure``). All others see protected figures (``Protected``): from two answers
that differ by one user, it can hardly be told whether that user is counted.
"""

import hmac
from collections.abc import Collection, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from encoders.overdispersion import Vector
from tools.types import Interval

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]
Users = int | Mask | Collection[str]
"""Users who are counted: a mask over all of them, their ids, or only how many they are."""
Question = tuple[str, ...]
"""What is counted, in canonical words: other words for the same conditions are the same question."""

UNKNOWN = "\0"
"""Before what stands for no user: no id has it."""

SCALE = 8.0
"""Of the noise on a count: one user more or less changes the odds of any answer by at most e ** (1 / SCALE)."""
ROUNDED_TO = 5
CERTAIN = 0.001
"""How likely one answer tells a user for certain at most, since only groups that are large enough are ever shown."""
DIGITS = 3
"""Significant digits of a cut."""
EDGES = (0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.55, 0.75, 1.0)
"""Bounds of the classes in which probabilities are counted before they are shown to others than the owner."""
_LEAST = 1e-4


class Common(NamedTuple):
    """Two groups beside each other, as their counts are shown."""

    users: tuple[int | None, int | None]
    """Of each; where fewer than the minimum are apart on either side, both are the second one."""
    both: int | None
    apart: tuple[int | None, int | None]
    """Only in the one, and only in the other."""
    share: float | None
    """Both over either, from tens where few are in both or in the smaller one alone; None where one is withheld."""

    @property
    def either(self) -> int | None:
        """Users of the one, the other or both; None where one is withheld."""
        one, other = self.users
        return None if one is None or other is None else one + other - (self.both or 0)


class Disclosure:
    """Counts as the owner and admins see them: exact, except where few users would be singled out."""

    exact = True
    noise_variance = 0.0
    """Of what is added to a count."""

    def __init__(self, minimum: int) -> None:
        """Withhold what is below ``minimum``."""
        self.minimum = minimum

    @property
    def smallest(self) -> int:
        """So many users are recommended at least."""
        return self.minimum

    def count(self, users: Users, *question: str) -> int | None:
        """How many users; None for fewer than the minimum.

        Args:
            users: who is counted.
            question: what was asked, in canonical words.
        """
        number = _number(users)
        return number if number >= self.minimum else None

    def part(self, users: Users, whole: int | None, *question: str) -> int | None:
        """How many users of a ``whole`` that is shown beside it; all where the others are fewer than the minimum."""
        number = self.count(users, *question)
        if number is None or whole is None:
            return None
        return number if whole - number >= self.minimum else whole

    def total(self, total: float, users: int | None, *question: str) -> float | None:
        """A sum over users, of events or of what they spent, where the users themselves are shown beside it.

        Args:
            total: the sum.
            users: how many they are, as it is shown.
            question: what was asked, in canonical words.
        """
        return None if users is None else total

    def rest(self, whole: int | None, part: int | None) -> int | None:
        """What is left of a whole that is shown beside its part; None where either is withheld or the rest is small."""
        if whole is None or part is None or whole - part < self.minimum:
            return None
        return whole - part

    def common(self, both: Users, users: tuple[int | None, int | None], *question: str) -> Common:
        """What two groups that are shown beside each other have in common.

        Args:
            both: who is in both.
            users: how many are in each, as it is shown.
            question: what is compared, in canonical words.
        """
        one, other = users
        if one is None or other is None:
            apart = self.rest(one, 0), self.rest(other, 0)
            return Common(users, None, apart, None)
        number, smaller = _number(both), min(users, key=lambda each: each or 0)
        assert smaller is not None
        shown = self.part(both, smaller, *question)
        about = self._about(number, smaller, shown)
        share = None if about is None else about / (one + other - about)
        if self.exact and shown == smaller and abs(one - other) < self.minimum:
            users, shown = (other, other), other
        return Common(users, shown, (self.rest(users[0], shown or 0), self.rest(users[1], shown or 0)), share)

    def _about(self, both: int, smaller: int, shown: int | None) -> int | None:
        """About how many are in both, where it has to be said in a share; None where nothing may be."""
        if shown is None:
            about = self.rough(both)
            return None if about is None else min(smaller, about)
        few = self.rough(smaller - both) if shown == smaller else None
        return shown - (few or 0)

    def conditions(self, users: Sequence[Mask], questions: Sequence[Question]) -> tuple[int | None, ...]:
        """How many meet each of some conditions, beside everyone and those who meet them all.

        Two groups that fewer than the minimum are apart are shown alike, else the few in one of them would follow from
        two counts. Where few would follow from more counts, as of "not in the north" and "not in the south", those who
        meet one condition are shown in tens.

        Args:
            users: [N] everyone, those who meet all conditions, and those who meet each.
            questions: what was asked of each, in canonical words.
        """
        numbers = [_number(each) for each in users]
        shown: list[int | None] = [None] * len(users)
        told: list[int] = []
        for place in sorted(range(len(users)), key=lambda place: -numbers[place]):
            if numbers[place] < self.minimum:
                break
            alike = [each for each in told if self._alike(users[each], users[place])]
            told += [] if alike else [place]
            shown[place] = numbers[alike[-1] if alike else place]
        if len(users) > _MOST_TRIED or _few_follow(users, shown, self.minimum):
            kept = [each if each in (None, shown[0]) else self.rough(each) for each in shown[2:]]
            return *shown[:2], *kept
        return tuple(shown)

    def _alike(self, one: Mask, other: Mask) -> bool:
        return max(_number(one & ~other), _number(other & ~one)) < self.minimum

    def cells(
        self, users: Sequence[Users], questions: Sequence[Question], wholes: Sequence[Users] | None = None
    ) -> tuple[int | None, ...]:
        """Counts that add up to a total that is known; none that is withheld can be computed from the others.

        Args:
            users: who is counted, each user in one cell.
            questions: what was asked of each, in canonical words.
            wholes: what each is a part of, where it is shown beside; nor can be computed how many are left of it.
        """
        shown = [self.count(each, *question) for each, question in zip(users, questions, strict=True)]
        numbers = [_number(each) for each in users]
        rests = [0] * len(users)
        if wholes is not None:
            rests = [_number(whole) - number for whole, number in zip(wholes, numbers, strict=True)]
            shown = [None if 0 < rest < self.minimum else each for rest, each in zip(rests, shown, strict=True)]
        while any(each is not None for each in shown):
            hidden = [place for place, each in enumerate(shown) if each is None]
            small = (0 < sum(each[place] for place in hidden) < self.minimum for each in (numbers, rests))
            if not any(small):
                break
            shown[min((count, place) for place, count in enumerate(shown) if count is not None)[1]] = None
        return tuple(shown)

    def rough(self, users: Users) -> int | None:
        """About how many users, where their count is withheld and yet something has to be said about their share."""
        step = max(1, self.minimum // 5)
        return step * round(_number(users) / step)

    def ranked(self, probabilities: Vector, eligible: int | None, *question: str) -> Vector:
        """Probabilities, highest first, as figures may be computed from them: [eligible], none where it is withheld.

        Args:
            probabilities: of the users who are eligible, highest first.
            eligible: how many they are, as it is shown.
            question: what was asked, in canonical words.
        """
        if eligible is None:
            return np.zeros(0)
        return probabilities if len(probabilities) == eligible else _resampled(probabilities, eligible)

    def spread(self, spread: float, ranked: Vector) -> float:
        """How far responders may be off beyond chance, with what the protection of ``ranked`` adds."""
        return spread

    def interval(self, interval: Interval | None, *question: str) -> Interval | None:
        """Expected responders of a group that is shown."""
        return interval

    def measured(self, responders: int, *question: str) -> int | None:
        """How many users of a group that is shown responded: the owner brought, or has, the events themselves."""
        return responders

    def fraction(self, users: int, whole: int, *question: str) -> float:
        """A share of users that is shown where their number is not; 0 of nobody."""
        return users / whole if whole else 0.0

    def share(self, share: float) -> float:
        """A probability, or another figure of one user or one model."""
        return share

    def cut(self, cut: float) -> float:
        """A cut, as it is shown and as it selects."""
        return cut

    def quantile(self, values: Numbers, share: float, *question: str, weights: Numbers | None = None) -> float:
        """What a share of some values stays below, as a threshold that is said and that selects.

        Args:
            values: at least one.
            share: 0 to 1.
            question: what was asked, in canonical words.
            weights: of the values, those of one user together 1; None where each user has one value.
        """
        return float(np.quantile(values, share))


class Protected(Disclosure):
    """Counts as everybody else sees them: withheld, or with noise that stays the same as often as one asks.

    The noise belongs to the question and not to the users who are counted. Noise that belonged to the users would tell
    whether two questions select the same ones, and so whether one user is among them.
    """

    exact = False
    noise_variance = 2 * np.exp(-1 / SCALE) / (1 - np.exp(-1 / SCALE)) ** 2 + ROUNDED_TO**2 / 12

    def __init__(self, minimum: int, key: bytes, edition: str) -> None:
        """Protect the counts of one edition of the data.

        Args:
            minimum: a count below it is withheld.
            key: nobody outside knows it.
            edition: which data, model and day are counted: another one has noise of its own.
        """
        super().__init__(minimum)
        self._key, self._edition = key, edition

    @property
    def smallest(self) -> int:
        """As many as are nearly always shown."""
        return self.minimum + int(np.searchsorted(shown_above(), _NEARLY))

    @property
    def always_shown(self) -> int:
        """From so many on, a group is shown whatever was asked."""
        return self.minimum + len(shown_above()) - 1

    def count(self, users: Users, *question: str) -> int | None:
        """How many users, within a few; None for fewer than the minimum, and often for some more.

        How many more belongs to the question, as the noise does: whoever scans the cuts of one question finds one edge,
        and does not know at how many users it lies. Drawn anew for each group of users, the pattern of what is withheld
        along the cuts would give the exact size of the whole.
        """
        above = _number(users) - self.minimum
        chances = shown_above()
        if above < 0 or self._random("minimum", *question).random() >= chances[min(above, len(chances) - 1)]:
            return None
        number = _number(users)
        rounded = ROUNDED_TO * round((number + self._noise(1, "count", *question)[0]) / ROUNDED_TO)
        return int(max(self.minimum, rounded))

    def part(self, users: Users, whole: int | None, *question: str) -> int | None:
        """How many users of a ``whole`` that is shown beside it, never more than that."""
        number = self.count(users, *question)
        return None if number is None or whole is None else min(number, whole)

    def total(self, total: float, users: int | None, *question: str) -> float | None:
        """With noise, and two digits of it: each user counts as the average of them does, who may have much more.

        Without noise, a sum at the edge of two roundings would say for certain who is in it.
        """
        if users is None:
            return None
        noisy = total + self._laplace("total", *question) * total / users
        return float(f"{noisy:.2g}")

    def conditions(self, users: Sequence[Mask], questions: Sequence[Question]) -> tuple[int | None, ...]:
        """Each count by itself, never more than everyone."""
        everyone = self.count(users[0], *questions[0])
        others = zip(users[1:], questions[1:], strict=True)
        return everyone, *(self.part(each, everyone, *question) for each, question in others)

    def cells(
        self, users: Sequence[Users], questions: Sequence[Question], wholes: Sequence[Users] | None = None
    ) -> tuple[int | None, ...]:
        """Each count by itself: with their noise they add up to nothing exact."""
        return tuple(self.count(each, *question) for each, question in zip(users, questions, strict=True))

    def rough(self, users: Users) -> int | None:
        """Nothing."""
        return None

    def ranked(self, probabilities: Vector, eligible: int | None, *question: str) -> Vector:
        """Probabilities that are distributed like those of the users, drawn from noisy counts by classes."""
        if eligible is None:
            return np.zeros(0)
        counted = np.histogram(probabilities, EDGES)[0] + self._noise(len(EDGES) - 1, "classes", *question)
        kept = np.where(counted < SCALE, 0.0, counted)
        kept = kept if kept.any() else (counted == counted.max()).astype(float)
        below = np.concatenate([[0.0], np.cumsum(kept)]) / kept.sum()
        places = (np.arange(eligible)[::-1] + 0.5) / eligible
        return np.asarray(np.exp(np.interp(places, below, np.log(np.maximum(EDGES, _LEAST)))))

    def spread(self, spread: float, ranked: Vector) -> float:
        """The noise of the classes comes on top, where a class holds users at all."""
        middles = (np.asarray(EDGES[:-1]) + EDGES[1:]) / 2
        used = np.histogram(ranked, EDGES)[0] > 0
        deviation = np.sqrt(2) * SCALE * float(np.sqrt((middles[used] ** 2).sum()))
        return float(np.hypot(spread, deviation / max(float(ranked.sum()), deviation, 1.0)))

    def interval(self, interval: Interval | None, *question: str) -> Interval | None:
        """Moved as a whole, in whole responders, and as wide as it is within a few: its ends would say who is in it."""
        if interval is None:
            return None
        mid = interval.mid + self._laplace("interval", *question)
        below, above = (self._laplace(end, "interval", *question) / 2 for end in ("low", "high"))
        low, high = (
            mid - max(0.0, interval.mid - interval.low + below),
            mid + max(0.0, interval.high - interval.mid + above),
        )
        return Interval(low=max(0.0, round(low)), mid=max(0.0, round(mid)), high=max(0.0, round(high)))

    def measured(self, responders: int, *question: str) -> int | None:
        """As any other count."""
        return self.count(responders, "responders", *question)

    def fraction(self, users: int, whole: int, *question: str) -> float:
        """With the noise of a count, and two digits of it."""
        noisy = users + self._laplace("fraction", *question)
        return round(min(1.0, max(0.0, noisy / whole)), 2) if whole else 0.0

    def share(self, share: float) -> float:
        """Two digits of it."""
        return round(share, 2)

    def cut(self, cut: float) -> float:
        """A few digits of it, so that no user can be isolated between two cuts."""
        return float(f"{cut:.{DIGITS}g}")

    def quantile(self, values: Numbers, share: float, *question: str, weights: Numbers | None = None) -> float:
        """The value of a user some ranks away: one user more or less moves every rank by one at most.

        The ends are kept clear, where a single user's value would be likely to be shown.
        """
        order = np.argsort(values, kind="stable")
        ranks = np.cumsum(np.ones(len(values)) if weights is None else weights[order])
        ends = min(float(ROUNDED_TO), ranks[-1] / 2)
        rank = share * ranks[-1] + float(self._noise(1, "quantile", *question)[0])
        place = np.searchsorted(ranks, np.clip(rank, ends, ranks[-1] - ends))
        return float(values[order[min(int(place), len(values) - 1)]])

    def _noise(self, size: int, *question: str) -> npt.NDArray[np.int64]:
        """Discrete Laplace noise (the difference of two geometric numbers), [size]."""
        one, other = self._random(*question).geometric(_STOP, (2, size))
        return np.asarray(one - other, np.int64)

    def _laplace(self, *question: str) -> float:
        """Laplace noise for what is divided and rounded: whole numbers over two wholes are never the same shares."""
        return float(self._random(*question).laplace(0.0, SCALE))

    def _random(self, *question: str) -> np.random.Generator:
        return np.random.default_rng(int.from_bytes(self.fingerprint(*question), "big"))

    def fingerprint(self, *question: str) -> bytes:
        """A question as 32 bytes that nobody without the key can recognise."""
        return hmac.digest(self._key, "\0".join((self._edition, *question)).encode(), "sha256")


_STOP = 1 - np.exp(-1 / SCALE)
_NEARLY = 0.98


@lru_cache
def shown_above() -> npt.NDArray[np.float64]:
    """How likely a group is shown, by how many users it has above the minimum; the last of them, 1, holds for all more.

    With each user it grows by what the odds may change, and by ``CERTAIN`` beside that. No rule that shows nothing
    below the minimum may show more: Desfontaines, Voss, Gipson and Mandayam, Differentially private partition
    selection, 2022. Where the first users above it made a group likely to be shown, an answer about 49 users whom one
    knows and one more would say for certain that the one is there.
    """
    grows, chances = float(np.exp(1 / SCALE)), [CERTAIN]
    while chances[-1] < 1:
        last = chances[-1]
        chances.append(min(grows * last + CERTAIN, 1 - (1 - last - CERTAIN) / grows, 1.0))
    return np.array(chances)


_MOST_TRIED = 6
"""Of so many counts all sums and differences are tried, 3 to the power of them."""


def _few_follow(users: Sequence[Mask], shown: Sequence[int | None], minimum: int) -> bool:
    """Whether fewer than the minimum are counted by a sum of counts, each added, taken away or left."""
    known = [place for place, count in enumerate(shown) if count is not None]
    if not known:
        return False
    parts, numbers = np.unique(np.array([users[place] for place in known]), axis=1, return_counts=True)
    meant = np.array(list(product((-1, 0, 1), repeat=len(known)))) @ parts.astype(int)
    one_group = ((meant == 0) | (meant == 1)).all(1)
    counted = meant[one_group] @ numbers
    return bool(((counted > 0) & (counted < minimum)).any())


def _number(users: Users) -> int:
    if isinstance(users, int):
        return users
    return int(np.count_nonzero(users)) if isinstance(users, np.ndarray) else len(users)


def _resampled(probabilities: Vector, length: int) -> Vector:
    """As many probabilities as are wanted, distributed like those given."""
    known = (np.arange(len(probabilities)) + 0.5) / len(probabilities)
    return np.asarray(np.interp((np.arange(length) + 0.5) / length, known, probabilities))


def number_text(users: float | None, minimum: int) -> str:
    """A count of users in words: '1,234', or 'fewer than 50' where it is withheld."""
    return f"fewer than {minimum}" if users is None else f"{users:,.0f}"

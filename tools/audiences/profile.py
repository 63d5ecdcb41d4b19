"""What sets an audience apart: profile, parity report, and evidence in plain sentences."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk

from encoders.predictor import Reason
from tools.audiences.conditions import unknown_key, value_key
from tools.audiences.disclosure import Disclosure, Mask, Question
from tools.types import Interval, ProfileRow, SkewField, SkewReport, SkewRow

SMALLEST_CELL = 10
"""A row that fewer users of the audience stand behind is not shown."""
_CLEAR = 1.64
"""Differences within so many standard errors of nothing are left out."""


Shown = tuple[int | None, int | None]
"""A count of the audience and one of everyone, as they are shown."""


class Group(NamedTuple):
    """A group of items."""

    name: str
    key: str
    """Of having done something of it lately."""


class Profile:
    """An audience beside the population, as counts of both are shown."""

    def __init__(self, audience: Mask, everyone: Mask, disclosure: Disclosure, question: Question) -> None:
        """Count nothing yet.

        Args:
            audience: [N], who is in it.
            everyone: [N], the population it is compared with.
            disclosure: how counts of them are shown.
            question: who is in the audience, in canonical words.
        """
        self._audience, self._everyone = audience, everyone
        self._disclosure, self._question = disclosure, question

    def rows(
        self, attributes: pl.DataFrame, did: sp.csr_matrix, groups: Sequence[Group], limit: int
    ) -> tuple[ProfileRow, ...]:
        """The rows that differ most, half of them attributes where there are so many.

        Args:
            attributes: N rows; unknown values count neither here nor there.
            did: [N, G], whether a user did something of each group lately.
            groups: G of them.
            limit: how many rows at most.
        """
        rows = [row for name in attributes.columns if name != "user_id" for row in self._of(attributes[name])]
        done, whole = did.toarray() > 0, self._whole()
        size = whole[0] or len(self._audience)
        field = "did in the last 91 days"
        for number, group in enumerate(groups):
            has = done[:, number]
            [shown] = self._shown([has], [group.key], ~has, f"not {group.key}")
            rows.append(self._row("behaviour", field, group.name, has, whole, shown))
        clear = sorted((row for row in rows if row is not None), key=lambda row: (-_surely(row, size), row.value))
        attribute = [row for row in clear if row.kind == "attribute"][: limit // 2]
        behaviour = [row for row in clear if row.kind == "behaviour"][: limit - len(attribute)]
        return tuple(sorted([*attribute, *behaviour], key=lambda row: -row.index))

    def _of(self, values: pl.Series) -> list[ProfileRow | None]:
        """One row a value of an attribute."""
        known = values.is_not_null().to_numpy()
        named = [str(value) for value in values.drop_nulls().unique().sort()]
        whole = self._whole(known, value_key(values.name, *named))
        has = [(values == value).fill_null(False).to_numpy() for value in named]
        shown = self._shown(has, [value_key(values.name, value) for value in named], ~known, unknown_key(values.name))
        return [
            self._row("attribute", values.name, value, mine, whole, counts)
            for value, mine, counts in zip(named, has, shown, strict=True)
        ]

    def _whole(self, known: Mask | None = None, key: str = "") -> Shown:
        """Users of both of whom something is known, as they are shown; all of them where it is nearly all."""
        inside, everyone = (
            self._disclosure.count(self._audience, *self._question),
            self._disclosure.count(self._everyone),
        )
        if known is None:
            return inside, everyone
        part = self._disclosure.part
        return part(self._audience & known, inside, *self._question, key), part(self._everyone & known, everyone, key)

    def _shown(self, has: Sequence[Mask], keys: Sequence[str], others: Mask, key: str) -> list[Shown]:
        """Users of the audience and of everyone in each of some groups that have each user once, as they are shown.

        The ``others``, who are in none of them, are a group where they are part of the whole that is shown.
        """
        found = []
        for side, question in ((self._audience, self._question), (self._everyone, ())):
            few = len(has) == 1 or 0 < int((side & others).sum()) < self._disclosure.minimum
            groups = [*has, others] if few else has
            asked = [(*question, each) for each in ([*keys, key] if few else keys)]
            found.append(self._disclosure.cells([side & each for each in groups], asked)[: len(has)])
        return list(zip(*found, strict=True))

    def _row(self, kind: str, field: str, value: str, has: Mask, whole: Shown, counts: Shown) -> ProfileRow | None:
        inside, everyone = whole
        if not inside or not everyone or int((self._audience & has).sum()) < SMALLEST_CELL:
            return None
        users, all_users = counts
        shown = users or self._disclosure.rough(self._audience & has)
        usually = all_users or self._disclosure.rough(self._everyone & has)
        if not shown or not usually:
            return None
        share, usual = min(1.0, shown / inside), min(1.0, usually / everyone)
        if share - usual <= _CLEAR * np.sqrt(usual * (1 - usual) / inside):
            return None
        return ProfileRow(
            kind="attribute" if kind == "attribute" else "behaviour",
            field=field,
            value=value,
            audience_share=share,
            everyone_share=usual,
            index=100 * share / usual,
            users=users,
        )


def _surely(row: ProfileRow, size: int) -> float:
    """The index that can be relied on: the lower end of its interval, so that a few users do not lead the list."""
    share = row.audience_share
    error = np.sqrt(share * (1 - share) / size)
    return float((share - _CLEAR * error) / row.everyone_share)


FOUR_FIFTHS = 0.8
FEWEST = 30
"""A value that fewer users have is shown as too few to judge: a handful more or less would turn it around."""
_CONFIDENCE = 0.8


def skew_report(
    audience: Mask, everyone: Mask, attributes: pl.DataFrame, disclosure: Disclosure, question: Question
) -> SkewReport:
    """Compare who is in the audience with everyone, by each attribute.

    Args:
        audience: [N], who is in it; all of them among ``everyone``.
        everyone: [N], the population it was picked from.
        attributes: N rows; users without a value are counted apart.
        disclosure: how counts of them are shown.
        question: who is in the audience, in canonical words.
    """
    fields = tuple(
        _field(audience, everyone, attributes[field], disclosure, question)
        for field in attributes.columns
        if field != "user_id"
    )
    users, population = disclosure.count(audience, *question), disclosure.count(everyone)
    return SkewReport(users=users, population=population or 0, fields=fields)


def _field(audience: Mask, everyone: Mask, values: pl.Series, disclosure: Disclosure, question: Question) -> SkewField:
    named = [str(value) for value in values.drop_nulls().unique().sort()]
    has = [(values == value).fill_null(False).to_numpy() for value in named]
    has.append(values.is_null().to_numpy())
    keys = [value_key(values.name, value) for value in named] + [unknown_key(values.name)]
    inside, everybody = [audience & each for each in has], [everyone & each for each in has]
    selected = disclosure.cells(inside, [(*question, key) for key in keys], everybody)
    users = disclosure.cells(everybody, [(key,) for key in keys])
    about = [count or disclosure.rough(audience & each) for count, each in zip(selected, has, strict=True)]
    about = [None if each is None else min(each, of or each) for each, of in zip(about, users, strict=True)]
    rows = tuple(_rows([*zip(named, users, selected, about, strict=False)]))
    return SkewField(
        field=values.name,
        rows=rows,
        lowest_ratio=min((row.ratio for row in rows if row.ratio is not None), default=None),
        unknown=users[-1],
        unknown_selected=selected[-1],
    )


def _rows(counted: list[tuple[str, int | None, int | None, int | None]]) -> Iterator[SkewRow]:
    """One row a value, in the order of their names; ratios only where at least two values have enough users.

    The value selected most is what the others are compared with, so its own ratio is 1 and nothing is uncertain in it.

    Args:
        counted: per value its users, those of them who are selected, both as they are shown, and about how many those
            are where they are not.
    """
    judged = [(users, about) for _, users, _, about in counted if users and users >= FEWEST and about is not None]
    most = max(judged, key=lambda each: each[1] / each[0], default=(0, 0))
    comparable = len(judged) > 1 and most[1] > 0
    for value, users, selected, about in counted:
        if not users or users < FEWEST or about is None or not comparable:
            yield SkewRow(value=value, users=users, selected=None, rate=None, ratio=None, interval=None, verdict="few")
            continue
        ratio = (about / users) / (most[1] / most[0])
        yield SkewRow(
            value=value,
            users=users,
            selected=selected,
            rate=about / users,
            ratio=ratio,
            interval=_interval(users, about, most) if ratio < 1 else Interval(low=1.0, mid=1.0, high=1.0),
            verdict="below" if ratio < FOUR_FIFTHS else "even",
        )


def _interval(users: int, selected: int, most: tuple[int, int]) -> Interval:
    """The 80 % interval of the ratio; of none selected, what none of so many still leaves possible."""
    if not selected:
        high = binomtest(0, users).proportion_ci(_CONFIDENCE).high / (most[1] / most[0])
        return Interval(low=0.0, mid=0.0, high=float(high))
    risk = relative_risk(selected, users, most[1], most[0])
    bounds = risk.confidence_interval(_CONFIDENCE)
    return Interval(low=float(bounds.low), mid=float(risk.relative_risk), high=float(bounds.high))


_MOST = 3


def why(reasons: Sequence[tuple[str, Reason]]) -> str:
    """One sentence about a user's past, from item texts and their reasons."""
    if not reasons:
        return "There are no past events that point to this demand."
    direct = [_did(text, reason) for text, reason in reasons if reason.direct][:_MOST]
    related = [_did(text, reason) for text, reason in reasons if not reason.direct][:_MOST]
    sentences = []
    if direct:
        sentences.append(f"Before the as-of date: {_listed(direct)}.")
    if related:
        sentences.append(f"{'Also d' if direct else 'D'}id what often goes with it: {_listed(related)}.")
    return " ".join(sentences)


def _did(text: str, reason: Reason) -> str:
    times = "once" if reason.times == 1 else f"on {reason.times} days"
    return f"{text} {times} (last {reason.last:%-d %b %Y})"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{'; '.join(parts[:-1])}; and {parts[-1]}"

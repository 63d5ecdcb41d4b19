"""Whether an audience takes some groups of users much more often than others, attribute by attribute.

The measure is the four-fifths rule: the share of a group that is selected, over the share of the group selected most
(what fairlearn calls the demographic parity ratio, here one value at a time).
"""

from collections.abc import Iterator

import polars as pl
from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk

from tools.conditions import value_key
from tools.disclosure import Disclosure, Mask, Question
from tools.types import Interval, SkewField, SkewReport, SkewRow

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
    keys = [value_key(values.name, value) for value in named] + [f"unknown {values.name}"]
    users = disclosure.cells([everyone & each for each in has], [(key,) for key in keys])
    selected = disclosure.cells([audience & each for each in has], [(*question, key) for key in keys])
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

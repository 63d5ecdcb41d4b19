"""Whether an audience takes some groups of users much more often than others, attribute by attribute.

The measure is the four-fifths rule: the share of a group that is selected, over the share of the group selected most
(what fairlearn calls the demographic parity ratio, here one value at a time).
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.stats import binomtest
from scipy.stats.contingency import relative_risk

from tools.types import Interval, SkewField, SkewReport, SkewRow

Mask = npt.NDArray[np.bool_]

FOUR_FIFTHS = 0.8
FEWEST = 30
"""A value that fewer users have is shown as too few to judge: a handful more or less would turn it around."""
_CONFIDENCE = 0.8


def skew_report(audience: Mask, everyone: Mask, attributes: pl.DataFrame) -> SkewReport:
    """Compare who is in the audience with everyone, by each attribute.

    Args:
        audience: [N], who is in it; all of them among ``everyone``.
        everyone: [N], the population it was picked from.
        attributes: N rows; users without a value are counted apart.
    """
    fields = []
    for field in (name for name in attributes.columns if name != "user_id"):
        known = attributes[field].is_not_null().to_numpy()
        rows = tuple(_rows(audience, everyone, attributes[field]))
        fields.append(
            SkewField(
                field=field,
                rows=rows,
                lowest_ratio=min((row.ratio for row in rows if row.ratio is not None), default=None),
                unknown=int((everyone & ~known).sum()),
                unknown_selected=int((audience & ~known).sum()),
            )
        )
    return SkewReport(users=int(audience.sum()), population=int(everyone.sum()), fields=tuple(fields))


def _rows(audience: Mask, everyone: Mask, values: pl.Series) -> Iterator[SkewRow]:
    """One row a value, in the order of their names; ratios only where at least two values have enough users.

    The value selected most is what the others are compared with, so its own ratio is 1 and nothing is uncertain in it.
    """
    counted = []
    for value in values.drop_nulls().unique().sort():
        has = (values == value).fill_null(False).to_numpy()
        counted.append((str(value), int((everyone & has).sum()), int((audience & has).sum())))
    judged = [(users, selected) for _, users, selected in counted if users >= FEWEST]
    most = max(judged, key=lambda each: each[1] / each[0], default=(0, 0))
    comparable = len(judged) > 1 and most[1] > 0
    for value, users, selected in counted:
        if not users:
            continue
        if users < FEWEST or not comparable:
            yield SkewRow(value=value, users=users, selected=None, rate=None, ratio=None, interval=None, verdict="few")
            continue
        ratio = (selected / users) / (most[1] / most[0])
        yield SkewRow(
            value=value,
            users=users,
            selected=selected,
            rate=selected / users,
            ratio=ratio,
            interval=_interval(users, selected, most) if ratio < 1 else Interval(low=1.0, mid=1.0, high=1.0),
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

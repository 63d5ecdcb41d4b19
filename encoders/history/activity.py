"""How much a user does at all, whatever it is: the plainest forecast, and a strong one."""

import numpy as np
import numpy.typing as npt
import polars as pl

Matrix = npt.NDArray[np.float32]

_WINDOWS = (14, 28, 91, 366)
_HALF_LIVES = (7, 30, 90)
_NEVER = 366.0
"""Days since the last event, and days of history, of a user without an event of the main source."""

ACTIVITY = (
    *(f"days active in {days}" for days in _WINDOWS),
    *(f"things done, half-life {days}" for days in _HALF_LIVES),
    "things done",
    "groups touched",
    "value",
    "months since the last event",
    "months since the first event",
)


def read_activity(days: pl.DataFrame, users: int) -> Matrix:
    """What each of N users did in the main source, all items together.

    Args:
        days: row, age, item_id, group_id and value per user (a row number), item and day, sorted by row and age;
            only the main source.
        users: N.

    Returns:
        [N, len(ACTIVITY)]: counts and value as logarithms, ages in months of 30 days.
    """
    age = pl.col("age")
    features = days.group_by("row", maintain_order=True).agg(
        *(age.filter(age <= window).n_unique().log1p().alias(f"days{window}") for window in _WINDOWS),
        *((2.0 ** (-age / half)).sum().log1p().alias(f"things{half}") for half in _HALF_LIVES),
        pl.len().log1p().alias("things"),
        pl.col("group_id").n_unique().log1p().alias("groups"),
        pl.col("value").sum().clip(0).log1p().alias("value"),
        (age.min() / 30).alias("last"),
        (age.max() / 30).alias("first"),
    )
    table = np.zeros((users, len(ACTIVITY)), np.float32)
    table[:, ACTIVITY.index("months since the last event")] = _NEVER / 30
    table[features["row"].to_numpy()] = features.drop("row").to_numpy()
    return table

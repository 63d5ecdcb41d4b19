"""Who did what a demand says after a date: for measuring what then happened, never for scoring."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.history.events import Dataset
from encoders.language.demand import Demand


def responders(dataset: Dataset, as_of: date, demand: Demand, items: Sequence[npt.NDArray[np.int64]]) -> set[str]:
    """Ids of the users who did it in the horizon from ``as_of`` on.

    Args:
        dataset: where the events are.
        as_of: the day the demand was made on.
        demand: taken apart; every part must hold, and for the first time means nothing of it before ``as_of``.
        items: per part, the items that it means.

    Raises:
        DataError: the horizon is not over in this data.
    """
    then = dataset.outcome(as_of, demand.horizon_days)
    did = [_users(then, meant) for meant in items]
    found = set.intersection(*(each for each, part in zip(did, demand.parts, strict=True) if not part.negated))
    found = found.difference(*(each for each, part in zip(did, demand.parts, strict=True) if part.negated))
    if demand.first_time:
        wanted = [meant for meant, part in zip(items, demand.parts, strict=True) if not part.negated]
        found -= _users(dataset.before(as_of).events().collect(), np.concatenate(wanted))
    return found


def _users(events: pl.DataFrame, items: npt.NDArray[np.int64]) -> set[str]:
    return set(events.filter(pl.col("item_id").is_in(items.tolist()))["user_id"])

import math
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.features.counts import ACTIVITY, read_activity, read_user_features
from tests.planted import AS_OF, World

USERS = 5
SCHEMA = pl.Schema({"row": pl.UInt32, "age": pl.Float32, "item_id": pl.UInt32, "value": pl.Float64})
LINE = st.tuples(st.integers(0, USERS - 1), st.integers(1, 400), st.integers(0, 5), st.floats(-20, 20))


def by_hand(lines: list[tuple[int, int, int, float]]) -> list[float]:
    """The features of one user from (age, item, group, value) of every item and day."""
    if not lines:
        return [0.0] * (len(ACTIVITY) - 2) + [366 / 30, 0.0]
    ages = [age for age, *_ in lines]
    return [
        *(math.log1p(len({age for age in ages if age <= days})) for days in (14, 28, 91, 366)),
        *(math.log1p(sum(2 ** (-age / half) for age in ages)) for half in (7, 30, 90)),
        math.log1p(len(lines)),
        math.log1p(len({group for _, _, group, _ in lines})),
        math.log1p(max(0.0, sum(value for *_, value in lines))),
        min(ages) / 30,
        max(ages) / 30,
    ]


@given(st.lists(LINE, max_size=30, unique_by=lambda line: line[:3]))
def test_activity_equals_a_count_by_hand(lines: list[tuple[int, int, int, float]]) -> None:
    table = pl.DataFrame(sorted(lines), schema=SCHEMA, orient="row")
    table = table.with_columns(group_id=(pl.col("item_id") // 2).cast(pl.Int64))
    found = read_activity(table, USERS)
    assert found.shape == (USERS, len(ACTIVITY))
    assert found.dtype == np.float32
    for user in range(USERS):
        mine = [(age, item, item // 2, value) for row, age, item, value in lines if row == user]
        assert found[user] == pytest.approx(by_hand(mine), rel=1e-4, abs=1e-5)


def test_activity_is_that_of_the_main_source(world: World) -> None:
    histories = read_user_features(world.dataset.before(AS_OF))
    items = world.dataset.items
    group = dict(zip(items["item_id"], items["group"], strict=True))
    spent: dict[tuple[str, int, int], float] = defaultdict(float)
    events = world.dataset.before(AS_OF).events().filter(pl.col("source") == "purchases").collect()
    for user, time, item, value in events.select("user_id", "time", "item_id", "value").rows():
        spent[user, (AS_OF - time.date()).days, item] += value
    lines: dict[str, list[tuple[int, int, int, float]]] = defaultdict(list)
    for (user, age, item), value in spent.items():
        lines[user].append((age, item, group[item], value))
    assert len(lines) > 300
    for row, user in enumerate(histories.user_ids):
        assert histories.activity[row] == pytest.approx(by_hand(lines[user]), rel=1e-4, abs=1e-5)

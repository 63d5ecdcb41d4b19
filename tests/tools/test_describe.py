import polars as pl
import pytest

from tools.describe import _fields


@pytest.mark.parametrize("name", ["age", "count", "users", "value"])
def test_values_are_counted_whatever_the_attribute_is_called(name: str) -> None:
    [card] = _fields(pl.DataFrame({"user_id": ["a", "b", "c", "d"], name: ["x", "y", None, "x"]}))
    assert (card.field, card.unknown) == (name, 1)
    assert [(value.value, value.users) for value in card.values] == [("x", 2), ("y", 1)]

import polars as pl
import pytest

from tools.audiences.disclosure import Disclosure
from tools.audiences.population import field_cards


@pytest.mark.parametrize("name", ["age", "count", "users", "value"])
def test_values_are_counted_whatever_the_attribute_is_called(name: str) -> None:
    table = pl.DataFrame({"user_id": ["a", "b", "c", "d"], name: ["x", "y", None, "x"]})
    [card] = field_cards(table, Disclosure(0))
    assert (card.field, card.unknown) == (name, 1)
    assert [(value.value, value.users) for value in card.values] == [("x", 2), ("y", 1)]


def test_a_value_that_few_users_have_is_not_counted_and_does_not_follow_from_the_others() -> None:
    values = ["x"] * 60 + ["y"] * 30 + [None] * 8
    table = pl.DataFrame({"user_id": [str(user) for user in range(98)], "age": values})
    [card] = field_cards(table, Disclosure(20))
    assert card.unknown is None
    assert [(value.value, value.users) for value in card.values] == [("x", 60), ("y", None)]

"""Lists that come in, in every type of input: bounded, and left at the first element that does not fit."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from annotated_types import MaxLen
from pydantic import BaseModel, FailFast, ValidationError

from agent.page.state import Transcript
from tools.interfaces.adcp.tasks import TASKS
from tools.operations.operation import misfit
from tools.operations.table import BY_NAME, OPERATIONS

INPUTS: list[type[BaseModel]] = [
    *(each.input for each in OPERATIONS),
    *(each.request for each in TASKS.values()),
    Transcript,
]
LISTS = (tuple, list, set, frozenset)
MANY = 50_000


def lists_in(kind: Any, metadata: tuple[Any, ...], place: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Every list in a type, wherever it stands, with what is declared about it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from lists_in(arguments[0], (*flat(arguments[1:]), *metadata), place)
    elif origin in LISTS or kind in LISTS:
        yield place, metadata
        yield from (found for each in arguments if each is not ... for found in lists_in(each, (), f"{place}[]"))
    elif origin in (Union, UnionType):
        # What is said of a choice holds for a list in it only where there is no other choice but null.
        alone = len([each for each in arguments if each is not type(None)]) == 1
        yield from (found for each in arguments for found in lists_in(each, metadata if alone else (), place))
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, about in kind.model_fields.items():
            yield from lists_in(about.annotation, tuple(about.metadata), f"{place}.{name}")


def flat(metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one for each in metadata for one in (each, *getattr(each, "metadata", ())))


FOUND = {place: metadata for each in INPUTS for place, metadata in lists_in(each, (), each.__name__)}


def test_the_lists_are_found() -> None:
    some = {"CompareInput.audiences", "CompareInput.audiences[].filters[].values", "TuneInput.seeds"}
    assert some | {"ForgetInput.users", "SyncRequest.accounts", "SizeInput.spec.filters"} <= FOUND.keys()


@pytest.mark.parametrize("place", FOUND)
def test_a_list_that_comes_in_is_bounded_and_left_at_its_first_misfit(place: str) -> None:
    declared = FOUND[place]
    assert any(isinstance(each, FailFast) for each in declared), "tools.types.FAIL_FAST is missing"
    assert any(isinstance(each, MaxLen) for each in declared), "max_length is missing"


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("compare", {"audiences": [1] * MANY}),
        ("compare", {"audiences": ["a"] * MANY}),
        ("combined_users", {"operation": "and", "audiences": [1] * MANY}),
        ("size", {"spec": {"demand": "x", "filters": [{"field": "a", "values": [1] * MANY}]}}),
        ("tune", {"name": "a", "seeds": [1] * MANY}),
        ("forget", {"users": [1] * MANY, "approved_by": "Ada"}),
        ("add_webhook", {"url": "https://example.com", "events": ["audience.lost"] * MANY}),
    ],
)
def test_what_is_said_of_a_long_list_does_not_grow_with_it(operation: str, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        BY_NAME[operation].input.model_validate(given)
    assert caught.value.error_count() <= 4
    assert len(misfit(caught.value)) < 1_000

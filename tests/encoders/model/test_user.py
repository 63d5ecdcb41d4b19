from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from encoders.features.counts import ACTIVITY
from encoders.model.users import TIMES, UserInputs, UserTower, attribute_texts

USERS, ITEMS, DIMENSION, WIDTH = 9, 6, 5, 8
VECTORS = torch.nn.functional.normalize(
    torch.randn(ITEMS, DIMENSION, generator=torch.Generator().manual_seed(1)), dim=1
)
Encode = Callable[[UserInputs], Tensor]


def some_slots(density: float, seed: int) -> sp.csr_matrix:
    rng = np.random.default_rng(seed)
    return sp.random(USERS * TIMES, ITEMS, density, "csr", np.float32, rng)


def without_users(slots: sp.csr_matrix, users: list[int]) -> sp.csr_matrix:
    """The same with nothing left of some users."""
    kept = np.repeat([user not in users for user in range(USERS)], TIMES).astype(np.float32)
    return sp.csr_matrix(sp.diags_array(kept) @ slots)


def some_inputs(seed: int = 0) -> UserInputs:
    """Two sources and three fields; user 0 has nothing at all, user 1 one source only, user 2 no attributes."""
    rng = np.random.default_rng(seed)
    attributes = rng.integers(-1, 7, (USERS, 3))
    attributes[[0, 2]] = -1
    main, other = some_slots(0.3, seed), some_slots(0.3, seed + 1)
    return UserInputs(
        slots=(without_users(main, [0]), without_users(other, [0, 1])),
        attributes=attributes,
        attribute_vectors=rng.standard_normal((7, DIMENSION)).astype(np.float32),
        activity=rng.standard_normal((USERS, len(ACTIVITY))).astype(np.float32),
    )


@pytest.fixture(scope="module")
def tower() -> UserTower:
    torch.manual_seed(5)
    made = UserTower(DIMENSION, WIDTH)
    for parameter in made.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return made.eval()


@pytest.fixture(scope="module")
def encode(tower: UserTower) -> Encode:
    @torch.no_grad()
    def encode(inputs: UserInputs) -> Tensor:
        vectors: Tensor = tower(VECTORS, inputs)
        return vectors

    return encode


@pytest.mark.parametrize("name", ["age", "row", "value", "variable", "text", "count", "user", "literal"])
def test_attributes_become_texts_whatever_they_are_called(name: str) -> None:
    users = pl.DataFrame({"user_id": ["a", "b", "c"], name: ["old", None, "young"], "other": ["x", None, None]})
    texts, owned = attribute_texts(users, ["c", "a", "b", "without attributes"])
    assert texts == sorted([f"{name}: old", f"{name}: young", "other: x"])
    assert owned.shape == (4, 2)
    mine = [[texts[place] if place >= 0 else None for place in row] for row in owned]
    assert mine == [[f"{name}: young", None], [f"{name}: old", "other: x"], [None, None], [None, None]]


@pytest.mark.parametrize("kind", [pl.String, pl.Null])
def test_a_field_of_which_nothing_is_known(kind: type[pl.DataType]) -> None:
    users = pl.DataFrame({"user_id": ["a", "b"], "age": pl.Series([None, None], dtype=kind)})
    texts, owned = attribute_texts(users, ["a", "b"])
    assert texts == []
    assert owned.tolist() == [[-1], [-1]]


def test_users_without_attributes_at_all() -> None:
    texts, owned = attribute_texts(pl.DataFrame({"user_id": ["a"]}), ["a", "b"])
    assert texts == []
    assert owned.shape == (2, 0)


def test_vectors_are_unit_vectors_even_of_a_user_nobody_knows_anything_of(encode: Encode) -> None:
    vectors = encode(some_inputs())
    assert vectors.shape == (USERS, WIDTH)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(USERS))


@given(st.lists(st.integers(0, USERS - 1), min_size=1, max_size=6))
def test_a_vector_does_not_depend_on_who_else_is_encoded(encode: Encode, chosen: list[int]) -> None:
    rows = np.array(chosen)
    torch.testing.assert_close(encode(some_inputs().take(rows)), encode(some_inputs())[rows])


def test_a_source_without_events_is_as_if_there_were_none(encode: Encode) -> None:
    inputs = some_inputs()
    empty = sp.csr_matrix(inputs.slots[1].shape, dtype=np.float32)
    absent, silent = replace(inputs, slots=inputs.slots[:1]), replace(inputs, slots=(inputs.slots[0], empty))
    torch.testing.assert_close(encode(silent), encode(absent))
    torch.testing.assert_close(encode(inputs)[[0, 1]], encode(absent)[[0, 1]])
    assert not torch.allclose(encode(inputs)[2:], encode(absent)[2:])


def test_a_field_that_is_not_known_is_as_if_there_were_none(encode: Encode) -> None:
    inputs = some_inputs()
    hidden = inputs.attributes.copy()
    hidden[:, 1] = -1
    unknown, absent = replace(inputs, attributes=hidden), replace(inputs, attributes=inputs.attributes[:, [0, 2]])
    torch.testing.assert_close(encode(unknown), encode(absent))
    nothing = replace(inputs, attributes=np.zeros((USERS, 0), np.int64), attribute_vectors=np.zeros((0, 5), np.float32))
    torch.testing.assert_close(encode(nothing)[[0, 2]], encode(inputs)[[0, 2]])
    assert not torch.allclose(encode(nothing)[3:], encode(inputs)[3:])


def test_neither_fields_nor_further_sources_have_an_order(encode: Encode) -> None:
    inputs = some_inputs()
    three = replace(inputs, slots=(*inputs.slots, some_slots(0.3, 8)))
    turned = replace(three, slots=(three.slots[0], *three.slots[:0:-1]), attributes=three.attributes[:, ::-1].copy())
    torch.testing.assert_close(encode(turned), encode(three))


def test_when_something_was_done_matters(encode: Encode) -> None:
    inputs = some_inputs()
    later = inputs.slots[0].toarray().reshape(USERS, TIMES, ITEMS)[:, ::-1].reshape(USERS * TIMES, ITEMS)
    turned = replace(inputs, slots=(sp.csr_matrix(later), inputs.slots[1]))
    assert not torch.allclose(encode(turned)[1:], encode(inputs)[1:], atol=1e-3)


@pytest.mark.parametrize("times", [slice(0, 2), slice(2, 4), slice(4, None)])
@torch.no_grad()
def test_a_view_reads_its_time_slots_only(tower: UserTower, times: slice) -> None:
    inputs = some_inputs()
    seen = np.zeros(TIMES, np.float32)
    seen[times] = 1
    only = sp.diags_array(np.tile(seen, USERS))
    cut = replace(inputs, slots=tuple(sp.csr_matrix(only @ slots) for slots in inputs.slots))
    torch.testing.assert_close(tower(VECTORS, inputs, times), tower(VECTORS, cut))


@pytest.mark.parametrize("with_activity", [False, True])
@torch.no_grad()
def test_activity_is_read_only_where_that_is_wanted(with_activity: bool) -> None:
    torch.manual_seed(1)
    tower, inputs = UserTower(DIMENSION, WIDTH, with_activity=with_activity), some_inputs()
    busier = replace(inputs, activity=inputs.activity + 3)
    assert torch.equal(tower(VECTORS, busier), tower(VECTORS, inputs)) != with_activity


@pytest.mark.parametrize("times", [slice(None), slice(2, 4)])
def test_what_is_missing_gives_finite_gradients(times: slice) -> None:
    torch.manual_seed(2)
    tower, inputs = UserTower(DIMENSION, WIDTH), some_inputs()
    silent = replace(inputs, slots=(inputs.slots[0], without_users(inputs.slots[1], list(range(USERS)))))
    for each in (inputs, silent):
        tower(VECTORS, each, times)[:, 0].sum().backward()
    learned = {name: parameter.grad for name, parameter in tower.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[0] for name in learned} >= {"main", "other", "fields", "project", "gate", "kind", "out"}
    assert all(gradient.isfinite().all() for gradient in learned.values())

import os
import subprocess
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from encoders import user_vectors
from encoders.model.users import TIMES, FeatureSnapshot, UserInputs, read_snapshot
from encoders.predictor import Forecaster
from encoders.user_vectors import fingerprints, hash_inputs
from encoders.workspace import Workspace
from tests.planted import AS_OF, World, world_settings

pytestmark = pytest.mark.slow

ITEMS = tuple(f"{source}: {text}" for source in ("buys", "views") for text in ("tea", "wine", "bread"))
TEXTS = ("age: old", "age: young", "region: north", "region: south")
Event = tuple[int, int, int]
"""Item, time slot and how often."""
User = tuple[frozenset[Event], frozenset[int]]
"""Distinct events and attributes."""

events = st.dictionaries(
    st.tuples(st.integers(0, len(ITEMS) - 1), st.integers(0, TIMES - 1)), st.integers(1, 3), max_size=4
).map(lambda found: frozenset((item, time, count) for (item, time), count in found.items()))
population = st.lists(st.tuples(events, st.frozensets(st.integers(0, 3), max_size=2)), min_size=1, max_size=12)


def inputs_of(users: Sequence[User], places: Sequence[int], fields: Sequence[int]) -> UserInputs:
    """What the tower reads when item k has row ``places[k]`` and attribute k has row ``fields[k]``."""
    sources = [np.zeros((len(users) * TIMES, max(places) + 1), np.float32) for _ in range(2)]
    attributes = np.full((len(users), 2), -1)
    for row, (done, known) in enumerate(users):
        for item, time, count in done:
            sources[item // 3][row * TIMES + time, places[item]] = np.log1p(count)
        attributes[row, : len(known)] = [fields[each] for each in known]
    nothing = np.zeros((len(users), 4), np.float32)
    return UserInputs(tuple(map(sp.csr_matrix, sources)), attributes, np.zeros((len(TEXTS), 2), np.float32), nothing)


def texts_at(texts: Sequence[str], places: Sequence[int]) -> list[str]:
    """The texts, each in its row; other rows belong to what nobody did."""
    rows = [f"nobody's {row}" for row in range(max(places) + 1)]
    for text, place in zip(texts, places, strict=True):
        rows[place] = text
    return rows


@given(population)
def test_fingerprints_are_equal_exactly_where_users_are(users: list[User]) -> None:
    found = hash_inputs(inputs_of(users, range(6), range(4)), ITEMS, TEXTS)
    assert len({*found.tolist()}) == len({*users})
    assert len({*zip(users, found.tolist(), strict=True)}) == len({*users})


def test_every_little_difference_counts() -> None:
    done = list(product((0, 1, 3), (0, 1, TIMES - 1), (1, 2)))
    two = [frozenset(pair) for pair in combinations(done, 2) if pair[0][:2] != pair[1][:2]]
    habits = [frozenset[Event](), *(frozenset([event]) for event in done), *two]
    users = list(product(habits, [frozenset(known) for known in ((), (0,), (1,), (2,), (0, 2), (1, 2))]))
    found = hash_inputs(inputs_of(users, range(6), range(4)), ITEMS, TEXTS)
    assert len({*found.tolist()}) == len(users) == 6 * (1 + 18 + 144)


@given(population, st.permutations(range(9)), st.permutations(range(4)))
def test_row_numbers_of_items_and_attributes_do_not_matter(
    users: list[User], places: list[int], fields: list[int]
) -> None:
    usual = hash_inputs(inputs_of(users, range(6), range(4)), ITEMS, TEXTS)
    moved = inputs_of(users, places[:6], fields)
    assert (hash_inputs(moved, texts_at(ITEMS, places[:6]), texts_at(TEXTS, fields)) == usual).all()


@given(population, st.data())
def test_a_user_is_hashed_alone(users: list[User], data: st.DataObject) -> None:
    inputs = inputs_of(users, range(6), range(4))
    rows = np.array(data.draw(st.lists(st.integers(0, len(users) - 1), min_size=1)))
    everyone = hash_inputs(inputs, ITEMS, TEXTS)
    assert (hash_inputs(inputs.take(rows), ITEMS, TEXTS) == everyone[rows]).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_vectors, "BLOCK", 2)
        assert (hash_inputs(inputs, ITEMS, TEXTS) == everyone).all()


def test_zeros_that_are_stored_are_nothing() -> None:
    inputs = inputs_of([(frozenset({(0, 0, 1), (1, 2, 1)}), frozenset())], range(6), range(4))
    without = inputs_of([(frozenset({(0, 0, 1)}), frozenset())], range(6), range(4))
    inputs.slots[0].data[1] = 0
    assert inputs.slots[0].nnz == 2
    assert (hash_inputs(inputs, ITEMS, TEXTS) == hash_inputs(without, ITEMS, TEXTS)).all()


def test_a_side_source_does_not_pass_for_the_main_one() -> None:
    one = inputs_of([(frozenset({(0, 0, 1)}), frozenset())], range(6), range(4))
    swapped = replace(one, slots=one.slots[::-1])
    assert (hash_inputs(one, ITEMS, TEXTS) != hash_inputs(swapped, ITEMS, TEXTS)).all()


def test_without_items_done_and_attributes_all_are_alike() -> None:
    nobody = inputs_of([(frozenset(), frozenset())] * 3, range(6), range(4))
    nobody = replace(nobody, attributes=np.zeros((3, 0), np.int64))
    assert len({*hash_inputs(nobody, ITEMS, ()).tolist()}) == 1


def test_every_process_gives_the_same() -> None:
    code = (
        "import numpy as np, scipy.sparse as sp\nfrom encoders.user_vectors import hash_inputs\n"
        "from encoders.model.users import TIMES, UserInputs\n"
        "slots = sp.csr_matrix(np.eye(2 * TIMES, 3, dtype=np.float32))\n"
        "inputs = UserInputs((slots,), np.array([[0], [1]]), np.zeros((2, 2)), np.zeros((2, 4)))\n"
        "print(hash_inputs(inputs, ['tea', 'wine', 'bread'], ['old', 'young']))"
    )
    seeds = [os.environ | {"PYTHONHASHSEED": seed} for seed in ("1", "2")]
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env) for env in seeds]
    assert runs[0].stdout == runs[1].stdout != b""


@pytest.fixture(scope="module")
def forecaster(world_workspace: Workspace) -> Forecaster:
    [model] = world_workspace.models()
    return Forecaster.open(world_workspace, world_settings(world_workspace.path), model, AS_OF)


@pytest.fixture(scope="module")
def next_day(world: World, forecaster: Forecaster) -> FeatureSnapshot:
    return read_snapshot(
        world.dataset.before(AS_OF + timedelta(days=1)), forecaster.snapshot.vocabulary, forecaster.encoder
    )


def by_user(snapshot: FeatureSnapshot, found: NDArray[Any]) -> dict[str, Any]:
    return dict(zip(snapshot.histories.user_ids, found, strict=True))


def test_from_day_to_day_fingerprints_change_with_vectors(forecaster: Forecaster, next_day: FeatureSnapshot) -> None:
    model, snapshot = forecaster.model, forecaster.snapshot
    before, after = by_user(snapshot, fingerprints(model, snapshot)), by_user(next_day, fingerprints(model, next_day))
    changed = {user for user, found in after.items() if before.get(user) != found}
    assert changed == set(next_day.histories.past.events(1).collect()["user_id"])
    assert 0 < len(changed) < len(after) / 2
    with torch.no_grad():
        old, new = (by_user(each, model.encoder.user_vectors(each).numpy()) for each in (snapshot, next_day))
    moved = {user: np.abs(vector - old[user]).max() for user, vector in new.items() if user in old}
    assert {user for user, far in moved.items() if far > 1e-5} == changed & old.keys()


def test_other_weights_and_another_text_encoder_give_other_fingerprints(forecaster: Forecaster) -> None:
    model, snapshot = forecaster.model, forecaster.snapshot
    trained_on = deepcopy(model)
    with torch.no_grad():
        trained_on.encoder.users.kind[0, 0] += 1e-6
    renamed = replace(model, config=model.config.model_copy(update={"text_encoder": "minilm"}))
    usual = fingerprints(model, snapshot)
    for other in (trained_on, renamed):
        assert (fingerprints(other, snapshot) != usual).all()


def test_a_tower_that_reads_activity_sees_another_user_when_it_changes(
    forecaster: Forecaster, next_day: FeatureSnapshot
) -> None:
    alone = deepcopy(forecaster.model)
    alone.encoder.users.with_activity = True
    before, after = (by_user(snapshot, fingerprints(alone, snapshot)) for snapshot in (forecaster.snapshot, next_day))
    assert all(before[user] != after[user] for user in before)
    assert len({*before.values()}) == len(before)

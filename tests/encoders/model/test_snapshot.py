from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from encoders.features.counts import ACTIVITY
from encoders.model.dual import DualEncoder
from encoders.model.users import FeatureSnapshot, read_snapshot, read_vocabulary
from encoders.text.encoders import text_encoder
from encoders.workspace import Workspace
from tests.planted import AS_OF, World, narrowed


@pytest.fixture(scope="module")
def snapshot(world: World, world_workspace: Workspace) -> FeatureSnapshot:
    encoder = text_encoder("use")
    return read_snapshot(world.dataset.before(AS_OF), read_vocabulary(world.dataset, encoder, world_workspace), encoder)


def test_the_vocabulary_is_the_items_and_groups_of_the_data(world: World, snapshot: FeatureSnapshot) -> None:
    """Equal words of two sources are two groups; the main source comes first."""
    vocabulary, items = snapshot.vocabulary, world.dataset.items
    assert vocabulary.sources == ["purchases", "coupons", "views"]
    assert vocabulary.texts == items["text"].to_list()
    assert vocabulary.groups == items["group"].to_list()
    assert [vocabulary.sources[source] for source in vocabulary.source_of] == items["source"].to_list()
    names = world.dataset.groups["group"].to_list()
    assert [names[group] for group in vocabulary.group_of] == vocabulary.groups
    assert (vocabulary.source_of_group[vocabulary.group_of] == vocabulary.source_of).all()
    assert names.count("wine") == 3
    encoder = text_encoder("use")
    np.testing.assert_allclose(vocabulary.text_vectors, encoder.encode(vocabulary.texts), atol=1e-5)
    np.testing.assert_allclose(vocabulary.group_vectors, encoder.encode(names), atol=1e-5)


def test_an_item_without_a_group_is_its_own(world: World) -> None:
    dataset = world.dataset
    texts, groups = dataset.items["text"].to_list(), dataset.items["group"].to_list()
    groups[0] = groups[5] = None
    dataset.items = dataset.items.with_columns(pl.Series("group", groups))
    named = dataset.groups["group"].to_list()
    expected = [group or text for group, text in zip(groups, texts, strict=True)]
    assert [named[group] for group in dataset.group_of] == expected


def test_a_demand_may_mean_what_its_source_had_seen(world: World, snapshot: FeatureSnapshot) -> None:
    early = read_snapshot(world.dataset.before(AS_OF - timedelta(days=140)), snapshot.vocabulary, text_encoder("use"))
    events = world.dataset.before(AS_OF - timedelta(days=140)).events().collect()
    seen = set(events["item_id"])
    assert 0 < len(seen) < len(snapshot.vocabulary.texts)
    source = np.array([1, 0, 1])
    items = early.of_source(source)
    groups = early.groups_of_source(source)
    for row, number in enumerate(source):
        mine = {item for item in seen if snapshot.vocabulary.source_of[item] == number}
        assert set(np.flatnonzero(items[row])) == mine
        assert set(np.flatnonzero(groups[row])) == {snapshot.vocabulary.group_of[item] for item in mine}


def test_some_rows_are_rows_of_all(snapshot: FeatureSnapshot) -> None:
    rows = np.array([7, 2, 310])
    some = snapshot.counted(rows)
    assert np.array_equal(some.logged.toarray(), snapshot.counted().logged.toarray()[rows])
    assert some.rows is rows
    assert torch.equal(snapshot.activity(rows), snapshot.activity()[rows])
    assert np.array_equal(snapshot.in_population(rows), snapshot.in_population()[rows])
    taken = snapshot.inputs.take(rows)
    assert len(taken) == 3
    for few, everyone in zip(taken.slots, snapshot.inputs.slots, strict=True):
        assert np.array_equal(
            few.toarray(), everyone.toarray().reshape(len(snapshot.inputs), -1)[rows].reshape(few.shape)
        )


def test_activity_is_standardised_over_the_population(snapshot: FeatureSnapshot) -> None:
    here = snapshot.activity()[torch.from_numpy(snapshot.in_population())]
    assert here.shape[1] == len(ACTIVITY)
    torch.testing.assert_close(here.mean(0), torch.zeros(len(ACTIVITY)), atol=1e-4, rtol=0)
    assert ((here.std(0) > 0.5) & (here.std(0) <= 1)).all()
    assert not snapshot.in_population().all()


@torch.no_grad()
def test_a_vector_stays_while_its_user_does_nothing(world: World, snapshot: FeatureSnapshot) -> None:
    """Also when others buy, and when the day is another one."""
    model = DualEncoder(snapshot.vocabulary.text_vectors.shape[1])
    later = read_snapshot(world.dataset.before(AS_OF + timedelta(days=12)), snapshot.vocabulary, text_encoder("use"))
    between = set(world.dataset.outcome(AS_OF, 12)["user_id"])
    away = [user for user in snapshot.histories.user_ids if user not in between]
    busy = [user for user in snapshot.histories.user_ids if user in between]
    before, after = model.user_vectors(snapshot), model.user_vectors(later)

    def change(users: list[str]) -> torch.Tensor:
        rows = [[each.histories.row_of[user] for user in users] for each in (snapshot, later)]
        moved: torch.Tensor = torch.linalg.vector_norm(before[rows[0]] - after[rows[1]], dim=1)
        return moved

    assert len(away) > 15
    assert change(away).max() < 1e-5
    assert (change(busy) > 1e-3).double().mean() > 0.95


@pytest.mark.parametrize(
    ("sources", "fields"),
    [(("purchases",), ("age", "region")), (("purchases", "views"), ()), (("purchases",), ())],
)
@torch.no_grad()
def test_a_data_set_may_lack_sources_and_attributes(
    world: World, snapshot: FeatureSnapshot, tmp_path: Path, sources: tuple[str, ...], fields: tuple[str, ...]
) -> None:
    """A model encodes its users all the same, just as if every user of the whole data lacked them."""
    encoder, dataset = text_encoder("use"), narrowed(world, tmp_path / "data", "narrow", sources, fields)
    vocabulary = read_vocabulary(dataset, encoder, Workspace(tmp_path))
    narrow = read_snapshot(dataset.before(AS_OF), vocabulary, encoder)
    assert len(narrow.inputs.slots) == len(sources)
    assert narrow.inputs.attributes.shape == (len(narrow.histories.user_ids), len(fields))
    model = DualEncoder(vocabulary.text_vectors.shape[1])
    attributes = snapshot.inputs.attributes.copy()
    attributes[:, [name not in fields for name in world.dataset.attributes]] = -1
    named = zip(snapshot.inputs.slots, snapshot.vocabulary.sources, strict=True)
    present = tuple(slots * np.float32(source in sources) for slots, source in named)
    lacking = replace(snapshot, inputs=replace(snapshot.inputs, slots=present, attributes=attributes))
    assert narrow.histories.user_ids == snapshot.histories.user_ids
    vectors = model.user_vectors(narrow)
    assert vectors.isfinite().all()
    torch.testing.assert_close(vectors, model.user_vectors(lacking), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(vectors, model.user_vectors(snapshot), atol=1e-3)

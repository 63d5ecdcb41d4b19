"""Counts on disk are those in memory, whatever the blocks; what is damaged or out of date is counted again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import encoders.features.shards
from encoders.data.erasing import erase_from_folder
from encoders.data.events import Dataset, Past
from encoders.data.versions import COUNTS
from encoders.features.counts import UserFeatures, read_user_features
from encoders.features.shards import stored_features
from tests.planted import AS_OF, World


@pytest.fixture
def past(world: World, tmp_path: Path) -> Past:
    folder = shutil.copytree(world.folder, tmp_path / "data", ignore=shutil.ignore_patterns(COUNTS))
    return Dataset(folder).before(AS_OF)


def matrices(features: UserFeatures) -> list[sp.csr_matrix]:
    by_item = [*features.counts, features.value, features.age, *features.slots]
    return [*by_item, *features.group_days, features.group_last]


def assert_equal(one: UserFeatures, other: UserFeatures) -> None:
    assert one.user_ids == other.user_ids
    assert np.array_equal(one.in_population, other.in_population)
    assert np.array_equal(one.activity, other.activity)
    for mine, theirs in zip(matrices(one), matrices(other), strict=True):
        assert mine.shape == theirs.shape
        assert np.array_equal(mine.indptr, theirs.indptr)
        assert np.array_equal(mine.indices, theirs.indices)
        assert np.array_equal(mine.data, theirs.data)


@pytest.mark.parametrize("block", [1_000_000, 97, 13])
def test_counts_on_disk_are_those_in_memory_to_the_last_bit(
    past: Past, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(encoders.features.shards, "BLOCK", block)
    assert_equal(stored_features(past).features, read_user_features(past))
    assert not list((past.dataset.folder / COUNTS).glob("*/*events*")), "what was scattered is gone"


def test_counts_are_made_once_and_again_where_they_are_damaged(past: Past) -> None:
    stored_features(past)
    [folder] = (past.dataset.folder / COUNTS).iterdir()
    values = folder / "items.data0"
    made = values.stat().st_mtime_ns
    stored_features(past)
    assert values.stat().st_mtime_ns == made
    damaged = bytearray(values.read_bytes())
    damaged[100] ^= 1
    values.write_bytes(damaged)
    assert_equal(stored_features(past).features, read_user_features(past))


def test_only_the_dates_asked_for_last_are_kept(past: Past, world: World) -> None:
    dates = sorted({window.past.as_of for window in past.windows()})[-4:]
    assert len(dates) == 4
    for date in dates:
        stored_features(past.dataset.before(date))
    kept = {folder.name[:10] for folder in (past.dataset.folder / COUNTS).iterdir()}
    assert kept == {date.isoformat() for date in dates[1:]}


def test_where_nothing_may_be_written_they_lie_elsewhere(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    (past.dataset.folder / COUNTS).write_text("in the way")
    assert_equal(stored_features(past).features, read_user_features(past))


def test_nothing_of_an_erased_user_stays_in_them(past: Past) -> None:
    before = stored_features(past).features
    gone = before.user_ids[3]
    assert erase_from_folder(past.dataset.folder, [gone])
    held = [path.read_bytes() for path in past.dataset.folder.rglob("*") if path.is_file()]
    assert not any(gone.encode() in data for data in held)
    assert gone in before.user_ids, "who has it open keeps it"
    after = stored_features(Dataset(past.dataset.folder).before(AS_OF)).features
    assert gone not in after.user_ids


def test_counts_of_data_that_changed_meanwhile_do_not_stay(past: Past) -> None:
    gone = read_user_features(past).user_ids[3]
    erase_from_folder(past.dataset.folder, [gone])
    stored_features(past)  # opened before, counted after
    assert not list((past.dataset.folder / COUNTS).iterdir())

"""Versions of the prepared data: a service that is open goes on with its own while another process prepares."""

import logging
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from encoders.checksums import CHECKSUMS, clear_checksums, has_checksums
from encoders.data.events import Dataset
from encoders.data.versions import drop_unread, publish
from encoders.errors import DataError
from encoders.workspace import Workspace
from tests.faulty import flip, truncate
from tests.planted import AS_OF, World, world_settings
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import AudienceSpec, Behaviour

MILK = AudienceSpec(
    demand="households that will buy tea in the next 28 days",
    behaviours=(Behaviour(did=True, what="milk", days=20),),
    cut=1.0,
)
PREPARE = """
import dataclasses, sys
from pathlib import Path
import polars as pl
from encoders.data.versions import publish
from encoders.data.events import Dataset
from encoders.data.folders import About, Tables, write_folder
from encoders.workspace import Workspace

workspace, text = Workspace(sys.argv[1]), sys.argv[2]
dataset = Dataset.current(workspace)
events = pl.read_parquet(dataset.folder / "events.parquet")
events = events.join(dataset.items.drop("source"), on="item_id").drop("item_id")
if text:
    events = pl.concat([events, events.head(1).with_columns(text=pl.lit(text))])
about = About(**{field.name: getattr(dataset.card, field.name) for field in dataclasses.fields(About)})
publish(workspace, "it", lambda folder: write_folder(folder, Tables(events.lazy(), dataset.users.lazy()), about))
"""


def prepare_elsewhere(workspace: Workspace, text: str) -> None:
    """Another process prepares the same data again, with one product more."""
    command = [sys.executable, "-c", PREPARE, str(workspace.path), text]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[3])


def read_all(workspace: Workspace) -> None:
    read = Dataset.current(workspace)
    assert min(read.items.height, read.users.height, read.before(AS_OF).events().collect().height)


def bought_milk(world: World) -> set[str]:
    """Who really did, in the last 20 days before the as-of date."""
    items = world.dataset.items.filter((pl.col("group") == "milk") & (pl.col("source") == "purchases"))["item_id"]
    past = world.dataset.before(AS_OF).events(20).filter(pl.col("item_id").is_in(items.to_list())).collect()
    return set(past["user_id"])


def members(workspace: Workspace) -> set[str]:
    with Registry(workspace.registry) as registry:
        return set(registry.members(registry.get("Milk").id)[0])


def test_a_running_service_answers_with_the_same_people_after_other_data_was_prepared(
    own_workspace: Workspace, world: World
) -> None:
    chosen = world_settings(own_workspace.path)
    service = AudienceService.open(chosen)
    assert (own_workspace.data, service.describe_data().notice) == (own_workspace.data_folder, "")
    prepare_elsewhere(own_workspace, "aaa apricots")
    saved = service.save(MILK, "Milk", "Ann", holdout=0.0)
    assert members(own_workspace) == bought_milk(world)
    assert saved.data_version == Dataset(own_workspace.data_folder).card.version
    assert "Newer data was prepared" in service.describe_data().notice
    prepare_elsewhere(own_workspace, "")
    assert (own_workspace.data_folder / "events.parquet").is_file(), "it is still read"
    service.close()
    with_more = AudienceService.open(chosen)
    assert "aaa apricots" in with_more.forecaster.dataset.items["text"].to_list()
    with_more.save(MILK, "Milk", "Ann", holdout=0.0)
    assert members(own_workspace) == bought_milk(world)
    assert with_more.describe_data().notice == ""
    with_more.close()


def test_versions_nobody_reads_are_dropped_and_equal_data_is_the_same_version(own_workspace: Workspace) -> None:
    reading = Dataset.current(own_workspace)
    prepare_elsewhere(own_workspace, "aaa apricots")
    first = own_workspace.data
    assert own_workspace.data_versions() == [first, own_workspace.data_folder]
    before = (first / "events.parquet").stat()
    prepare_elsewhere(own_workspace, "")
    assert own_workspace.data == first
    after = (first / "events.parquet").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert reading.items.height
    del reading
    drop_unread(own_workspace)
    assert own_workspace.data_versions() == [first]
    locks = {".", "..next.lock", ".counts.lock"}
    assert {path.name for path in own_workspace.data_folder.iterdir()} - locks == {"current", first.name}


def test_a_failed_preparation_leaves_the_data_as_it_was(own_workspace: Workspace) -> None:
    before = own_workspace.data

    def fail(folder: Path) -> None:
        folder.mkdir()
        (folder / "events.parquet").write_bytes(b"half")
        raise DataError("no")

    with pytest.raises(DataError):
        publish(own_workspace, "it", fail)
    assert own_workspace.data == before
    assert own_workspace.data_versions() == [before]


def test_a_damaged_pointer_is_told_and_the_data_prepared_last_is_taken(
    own_workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    prepare_elsewhere(own_workspace, "aaa apricots")
    last = own_workspace.data
    for damage in (flip, truncate):
        damage(own_workspace.data_folder / "current")
        with caplog.at_level(logging.WARNING):
            assert own_workspace.data == last
        assert "current is damaged; the data prepared last is taken" in caplog.text


@pytest.mark.parametrize("name", ["events.parquet", "items.parquet", "users.parquet", "dataset.json", CHECKSUMS])
@pytest.mark.parametrize("damage", [flip, truncate])
def test_damaged_data_is_one_sentence(own_workspace: Workspace, name: str, damage: object) -> None:
    assert callable(damage)
    Dataset.current(own_workspace)
    damage(own_workspace.data / name)
    with pytest.raises(DataError, match="'audience prepare'"):
        read_all(own_workspace)


def test_a_version_that_has_lost_its_checksums_is_damaged(own_workspace: Workspace) -> None:
    prepare_elsewhere(own_workspace, "cocoa")
    folder = own_workspace.data
    assert folder != own_workspace.data_folder, "an earlier version had but one, there"
    clear_checksums(folder)
    read_all(own_workspace)
    assert has_checksums(folder), "whoever opens what an erasure left half done notes them"
    (folder / CHECKSUMS).unlink()
    with pytest.raises(DataError, match=rf"{CHECKSUMS} is damaged: .*'audience prepare'"):
        read_all(own_workspace)


def test_data_of_an_earlier_version_gets_checksums_when_it_is_opened(own_workspace: Workspace) -> None:
    (own_workspace.data / CHECKSUMS).unlink()
    Dataset.current(own_workspace)
    flip(own_workspace.data / "users.parquet")
    with pytest.raises(DataError, match=r"users\.parquet is damaged"):
        assert Dataset.current(own_workspace).users

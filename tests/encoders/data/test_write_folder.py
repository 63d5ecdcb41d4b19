import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from filelock import FileLock

from encoders.data.events import Dataset
from encoders.data.folders import About, Tables, write_folder
from encoders.errors import DataError, WorkspaceError


def about(**changed: Any) -> About:
    plain: dict[str, Any] = {
        "name": "small",
        "title": "Small",
        "note": "",
        "unit": "user",
        "unit_plural": "users",
        "main_source": "orders",
        "default_as_of": None,
        "wordings": {"orders": "buy {items}"},
        "rejected": {},
    }
    return About(**plain | changed)


def tables(texts: tuple[str, ...] = ("milk", "tea", "milk")) -> Tables:
    rows = [
        {
            "user_id": str(number % 2),
            "time": datetime(2026, 1, 10 - number),
            "source": "orders",
            "action": "buy",
            "value": 1.0,
            "text": text,
            "group": "food",
        }
        for number, text in enumerate(texts)
    ]
    users = pl.LazyFrame({"user_id": ["1", "0"], "age": ["old", None]})
    return Tables(pl.LazyFrame(rows), users)


def state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def visible(parent: Path) -> set[str]:
    return {path.name for path in parent.iterdir()} - {".data.lock"}


def test_a_folder_reads_back_as_a_data_set(tmp_path: Path) -> None:
    card = write_folder(tmp_path / "new" / "data", tables(), about())
    dataset = Dataset(tmp_path / "new" / "data")
    assert dataset.card == card
    assert dataset.items["text"].to_list() == ["milk", "tea"]
    assert dataset.users.rows() == [("0", None), ("1", "old")]
    assert dataset.before(card.default_as_of).events().collect().height == 3
    assert (card.first, card.last, card.default_as_of) == (date(2026, 1, 8), date(2026, 1, 10), date(2026, 1, 11))


def test_the_version_follows_the_content_alone(tmp_path: Path) -> None:
    first = write_folder(tmp_path / "a", tables(), about()).version
    shuffled = Tables(tables().events.reverse(), tables().users.reverse())
    assert write_folder(tmp_path / "b", shuffled, about(title="Other")).version == first
    assert write_folder(tmp_path / "c", tables(("milk", "tea", "tea")), about()).version != first


def test_side_tables_speak_of_item_ids(tmp_path: Path) -> None:
    side = pl.LazyFrame({"source": ["orders"], "text": ["tea"], "group": ["food"], "code": ["T"]})
    write_folder(
        tmp_path / "data", Tables(tables().events, tables().users, side_tables={"side.parquet": side}), about()
    )
    assert pl.read_parquet(tmp_path / "data" / "side.parquet").rows() == [(1, "T")]


@pytest.mark.parametrize("wrong", [{"main_source": "views"}, {"default_as_of": date(2027, 1, 1)}])
def test_a_card_that_cannot_be_true_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        write_folder(tmp_path / "data", tables(), about(**wrong))
    assert visible(tmp_path) == set()


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.encoders.data.test_write_folder import about, tables, write_folder

def die(description, fraction=None):
    if fraction is not None and fraction >= {fraction}:
        os.kill(os.getpid(), signal.SIGKILL)

write_folder(Path(sys.argv[1]), tables(("wine", "beer", "gin")), about(), die)
"""


@pytest.mark.parametrize("fraction", [0.2, 0.7, 0.9])
@pytest.mark.slow
def test_a_killed_run_leaves_the_old_folder(tmp_path: Path, fraction: float) -> None:
    folder = tmp_path / "data"
    write_folder(folder, tables(), about())
    before = state(folder)
    script = KILLED.replace("{fraction}", str(fraction))
    run = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=Path(__file__).parents[3], check=False)
    assert run.returncode == -signal.SIGKILL
    assert state(folder) == before
    assert any(name.endswith(".part") for name in visible(tmp_path))
    write_folder(folder, tables(("wine", "beer", "gin")), about())
    assert Dataset(folder).items["text"].to_list() == ["beer", "gin", "wine"]
    assert visible(tmp_path) == {"data"}


def full_by_python(frame: pl.LazyFrame, target: Path, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


SINK = pl.LazyFrame.sink_parquet


def full_by_polars(frame: pl.LazyFrame, target: Path, **options: Any) -> None:
    SINK(frame, "/dev/full")


@pytest.mark.parametrize("full", [full_by_python, full_by_polars])
def test_a_full_disk_is_told_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: Callable[..., None]
) -> None:
    folder = tmp_path / "data"
    write_folder(folder, tables(), about())
    before = state(folder)
    with monkeypatch.context() as patch:
        patch.setattr(pl.LazyFrame, "sink_parquet", full)
        with pytest.raises(WorkspaceError, match=r"disk is full.*free some space"):
            write_folder(folder, tables(("wine",)), about())
    assert state(folder) == before
    assert visible(tmp_path) == {"data"}


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match=r"not a folder|in the way"):
        write_folder(tmp_path / "file" / "data", tables(), about())


def test_a_second_preparation_has_to_wait(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".data.lock"), pytest.raises(WorkspaceError, match="Another preparation"):
        write_folder(tmp_path / "data", tables(), about())

"""Databases that are damaged, lost or on a disk that cannot be written."""

import logging
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest

from encoders.checksums import sum_of
from encoders.errors import DamagedError, WorkspaceError
from encoders.workspace import plain_faults
from tests.faulty import flip, truncate
from tools.access.callers import Scope, Tokens
from tools.jobs import Ledger
from tools.storage import backups
from tools.storage.backups import kept_files, newest_backup, restore
from tools.storage.registry import Registry

Damage = Callable[[Path, float], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


def save(registry: Registry, name: str = "Tea") -> None:
    registry.save_version(
        name,
        spec=None,
        definition="all",
        members=[f"user-{number:04}" for number in range(500)],
        holdout_share=0.1,
        as_of=date(2026, 1, 1),
        model_version="m",
        data_version="d",
        approved_by="Ann",
    )


def names(path: Path) -> list[str]:
    with Registry(path) as registry:
        return [each.name for each in registry.list()]


@pytest.mark.parametrize("damage", [flip, truncate])
@pytest.mark.parametrize("share", [0.0, 0.003, 0.3, 0.6, 0.9])
def test_a_damaged_registry_is_refused_and_its_backup_has_everything(path: Path, damage: Damage, share: float) -> None:
    with Registry(path) as registry:
        save(registry)
    with Registry(path) as registry:
        registry.record_event("someone", "call", {"operation": "size"})
    before = path.read_bytes()
    damage(path, share)
    broken = path.read_bytes()
    for _ in range(2):
        with pytest.raises(DamagedError, match=r"nothing was changed; 'audience restore' puts the backup of 20"):
            Registry(path)
    assert path.read_bytes() == broken != before
    assert restore(path)
    with Registry(path) as registry:
        assert [each.name for each in registry.list()] == ["Tea"]
        assert len(registry.members("Tea")[0]) == 500
        assert {line.action for line in registry.audit()} >= {"save", "call"}
    [aside] = (path.parent / "damaged").glob("registry.db-*[!tm]")
    assert aside.read_bytes() == broken


@pytest.mark.parametrize("name", ["registry.db", "registry.db-wal"])
def test_what_was_saved_before_a_kill_is_missed_where_the_file_lost_it(path: Path, tmp_path: Path, name: str) -> None:
    registry = Registry(path)
    save(registry)
    for each in tmp_path.glob("registry.db*"):
        (tmp_path / "killed").mkdir(exist_ok=True)
        shutil.copy(each, tmp_path / "killed")
    registry.close()
    killed = tmp_path / "killed" / "registry.db"
    assert names(killed) == ["Tea"]
    for each in tmp_path.glob("killed/registry.db*"):
        each.unlink()
    registry = Registry(path)
    save(registry, "Milk")
    for each in tmp_path.glob("registry.db*"):
        shutil.copy(each, tmp_path / "killed")
    registry.close()
    truncate(tmp_path / "killed" / name, 0.0)
    with pytest.raises(DamagedError, match="lacks what was saved last"):
        Registry(killed)
    assert restore(killed)
    assert names(killed) == ["Milk", "Tea"]


def test_lost_tokens_open_no_doors(tmp_path: Path) -> None:
    path = tmp_path / "tokens.db"
    with Tokens(path) as tokens:
        token = tokens.create("shop", [Scope.SIZE])
    path.unlink()
    with pytest.raises(DamagedError, match="'audience restore'"):
        Tokens(path)
    assert kept_files(tmp_path) == [path]
    restore(path)
    with Tokens(path) as tokens:
        assert tokens.caller(token).name == "shop"


@pytest.mark.parametrize("damage", [flip, truncate])
def test_damaged_jobs_are_set_aside_and_begin_anew(
    tmp_path: Path, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "jobs.db"
    ledger = Ledger(path)
    ledger.add("", "owner", "tune", "tea")
    ledger.close()
    damage(path, 0.5)
    with caplog.at_level(logging.WARNING):
        anew = Ledger(path)
    assert anew.page("", 10, "").jobs == ()
    anew.close()
    [line] = caplog.messages
    assert "jobs.db was damaged and is now" in line
    assert "jobs begin anew" in line
    assert not list(tmp_path.glob("jobs.db-backup*"))


def test_a_damaged_backup_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Registry(path) as registry:
        save(registry)
    [today] = path.parent.glob("registry.db-backup-????-??-??")
    old = today.with_name("registry.db-backup-2020-01-01")
    shutil.copy(today, old)
    shutil.copy(sum_of(today), sum_of(old))
    flip(today)
    found = newest_backup(path)
    assert found
    assert found.path == old
    flip(old)
    assert newest_backup(path) is None


def test_three_days_of_backups_are_kept(path: Path) -> None:
    for day in range(1, 6):
        shutil.copy(__file__, path.with_name(f"registry.db-backup-2020-01-0{day}"))
    with Registry(path) as registry:
        save(registry)
    found = sorted(each.name[-10:] for each in path.parent.glob("registry.db-backup-????-??-??"))
    assert len(found) == backups.KEPT
    assert found[:2] == ["2020-01-04", "2020-01-05"]


def test_a_backup_that_takes_long_is_made_less_often_and_at_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up = Mock(wraps=backups.back_up)
    clock = iter(range(0, 10_000, 7))  # each look at the clock is 7 seconds later
    monkeypatch.setattr(backups, "monotonic", lambda: next(clock))
    monkeypatch.setattr(backups, "back_up", back_up)
    with Registry(path) as registry:
        for number in range(5):
            save(registry, f"Tea {number}")
        assert back_up.call_count == 1
    assert back_up.call_count == 2
    path.unlink()
    restore(path)
    assert len(names(path)) == 5


def test_a_full_disk_keeps_no_save_from_being_acknowledged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Iterator[Path]:
        raise WorkspaceError("the disk is full")

    monkeypatch.setattr(backups, "atomic_file", full)
    with Registry(path) as registry:
        save(registry)
    assert names(path) == ["Tea"]


def test_databases_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "registry.db"
    before = os.umask(0)
    try:
        registry = Registry(path)
        save(registry)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        registry.close()
    finally:
        os.umask(before)
    assert {"registry.db", "registry.db-wal", "registry.db-shm"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o644)
    Registry(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("there", [True, False])
def test_on_a_read_only_disk_a_registry_is_read_and_takes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    if there:
        with Registry(path) as registry:
            save(registry)
    before = sorted((each.name, each.stat().st_mtime_ns) for each in path.parent.iterdir())
    monkeypatch.setattr(os, "access", lambda *_: False)
    with Registry(path) as registry:
        assert [each.name for each in registry.list()] == (["Tea"] if there else [])
        with pytest.raises(WorkspaceError, match="read-only"):
            save(registry, "Milk")
    assert sorted((each.name, each.stat().st_mtime_ns) for each in path.parent.iterdir()) == before


def test_no_room_for_what_connections_share_is_called_a_full_disk(path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    with pytest.raises(WorkspaceError, match="the disk is full"), plain_faults(path):
        raise error

"""A database that several connections and processes have open at the same time."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from agent.cli.erase import restore
from encoders.data.contacts import ContactFormat
from encoders.settings import Settings
from encoders.workspace import Workspace
from tests.faulty import truncate
from tools.erasure.files import erase_from_file
from tools.erasure.traces import traces_of
from tools.storage.registry import Registry
from tools.storage.sqlite import open_elsewhere

OTHER = """
import sys
from pathlib import Path
from tools.storage.registry import Registry
with Registry(Path(sys.argv[1])) as registry:
    print(*sorted(each.name for each in registry.list()), flush=True)
    if sys.argv[2:]:
        sys.stdin.read()
"""


def in_another_process(path: Path) -> list[str]:
    """Open the registry in a process of its own, and close it; the names of what it has."""
    done = subprocess.run([sys.executable, "-c", OTHER, path], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    """Have another process keep the registry open."""
    command = [sys.executable, "-c", OTHER, str(path), "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        other.stdout.readline()
        yield
        other.communicate(timeout=60)


def save(registry: Registry, name: str, first: int = 0) -> None:
    registry.save_version(
        name,
        spec=None,
        definition="all",
        members=[f"user-{number:04}" for number in range(first, 500)],
        holdout_share=0.1,
        as_of=date(2026, 1, 1),
        model_version="m",
        data_version="d",
        approved_by="Ann",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


def test_a_process_that_comes_and_goes_takes_nothing_from_those_who_stay(path: Path) -> None:
    with Registry(path) as one, Registry(path) as other:
        save(one, "Tea")
        assert in_another_process(path) == ["Tea"]
        log = path.with_name("registry.db-wal")
        assert log.exists()
        save(other, "Coffee")
        assert in_another_process(path) == ["Coffee", "Tea"]
        assert log.exists()
        save(one, "Milk")
        assert in_another_process(path) == ["Coffee", "Milk", "Tea"]


def test_erasing_leaves_a_database_that_is_open_to_those_who_have_it_open(path: Path) -> None:
    with Registry(path) as registry:
        save(registry, "Tea")
        traces = traces_of(["user-0007"], contacts={}, form=ContactFormat(), masks=(), units=())
        assert erase_from_file(path, traces)
        in_another_process(path)
        assert path.with_name("registry.db-wal").exists()
        save(registry, "Coffee", first=100)
        assert in_another_process(path) == ["Coffee", "Tea"]
    assert b"user-0006" in path.read_bytes()
    assert b"user-0007" not in path.read_bytes()


def test_a_backup_takes_no_place_of_what_is_in_use(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Settings(workspace=path.parent)
    monkeypatch.setattr("agent.cli.erase.open_workspace", lambda: (Workspace(path.parent), here))
    with Registry(path) as registry:
        save(registry, "Tea")
    with held_by_another_process(path):
        assert open_elsewhere(path)
        truncate(path, 0.5)
        restore()
        assert "in use by another process" in capsys.readouterr().out
        assert not (path.parent / "damaged").exists()
    assert not open_elsewhere(path)

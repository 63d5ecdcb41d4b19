"""The ledger that is damaged: a backup is there from its first moment, and has what was paid for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.labelling.ledger import LabelLedger, LabelRequest
from encoders.errors import DamagedError
from tests.faulty import flip, truncate
from tools.storage.backups import newest_backup, restore

REQUESTS = [LabelRequest("server", "write", {"messages": [number]}) for number in range(50)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels" / "ledger.db"


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_ledger_in_which_nothing_was_paid_for_can_be_restored(
    path: Path, damage: Callable[[Path, float], None]
) -> None:
    with LabelLedger.open(path):
        pass
    damage(path, 0.3)
    with pytest.raises(DamagedError, match="'audience restore' puts the backup"), LabelLedger.open(path):
        pass
    assert restore(path)
    with LabelLedger.open(path) as ledger:
        assert ledger.left(REQUESTS) == []


def test_answers_are_backed_up_while_the_ledger_is_open(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.storage.backups.REST", 0)
    ledger = LabelLedger(path)  # its process is killed: it is never closed
    ledger.add("set", REQUESTS)
    ledger.answered(REQUESTS[0].key, "tea", (1, 1))
    backup = newest_backup(path)
    assert backup
    with LabelLedger.open(backup.path) as saved:
        assert saved.answers(REQUESTS) == {REQUESTS[0].key: "tea"}


def test_many_answers_a_second_are_not_held_up_by_backups(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr("tools.storage.backups.back_up", lambda connection, path: written.append(path))
    monkeypatch.setattr("tools.storage.backups.monotonic", iter([0.0, 1.0, 1.5, 2.0, 30.0, 30.0, 31.0]).__next__)
    ledger = LabelLedger(path)
    ledger.add("set", REQUESTS)
    ledger.answered(REQUESTS[0].key, "tea", (1, 1))
    assert len(written) == 1
    ledger.answered(REQUESTS[1].key, "tea", (1, 1))
    assert len(written) == 2

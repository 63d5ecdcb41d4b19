from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.labelling.ledger import LabelLedger
from tests.agent.labelling.label_doubles import LabelServer


@pytest.fixture
def server() -> Iterator[LabelServer]:
    running = LabelServer()
    yield running
    running.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LabelLedger]:
    with LabelLedger.open(tmp_path / "ledger.db") as opened:
        yield opened

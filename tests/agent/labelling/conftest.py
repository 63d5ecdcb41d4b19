from collections.abc import Iterator
from pathlib import Path

import pytest
from label_doubles import LabelServer

from agent.labelling.ledger import Ledger


@pytest.fixture
def server() -> Iterator[LabelServer]:
    running = LabelServer()
    yield running
    running.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened

from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.workspace import Workspace
from tests.planted import MASK_KEY, World
from tools.service import AudienceService


@pytest.fixture
def own(service: AudienceService, world: World, tmp_path: Path) -> Iterator[AudienceService]:
    """The same service, with a workspace of its own."""
    workspace = Workspace(tmp_path / "own")
    workspace.path.mkdir()
    workspace.data.symlink_to(world.folder)
    (workspace.path / "mask.key").write_bytes(MASK_KEY)
    opened = AudienceService(service.settings, workspace, service.forecaster)
    yield opened
    opened.close()

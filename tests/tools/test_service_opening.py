"""Opening the service where something is missing."""

from datetime import timedelta
from pathlib import Path

import pytest

from encoders.errors import DataError, WorkspaceError
from encoders.workspace import Workspace
from tests.planted import AS_OF, FIRST, World, world_settings
from tools.service import AudienceService


def test_an_empty_workspace_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run 'audience demo' or 'audience prepare'"):
        AudienceService.open(world_settings(tmp_path))


def test_data_without_a_model_says_what_to_run(world: World, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(world.folder)
    with pytest.raises(WorkspaceError, match=f"run 'audience train --as-of {AS_OF}'"):
        AudienceService.open(world_settings(tmp_path))


def test_an_as_of_date_before_the_model_or_outside_the_data(world_workspace: Workspace) -> None:
    chosen = world_settings(world_workspace.path)
    with pytest.raises(WorkspaceError, match="has no model for this data"):
        AudienceService.open(chosen, AS_OF - timedelta(days=1))
    with pytest.raises(DataError, match="is outside the data"):
        AudienceService.open(chosen, FIRST)

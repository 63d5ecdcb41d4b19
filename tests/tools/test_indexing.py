from datetime import timedelta

import numpy as np
import pytest
from planted import AS_OF, world_settings

from encoders.errors import WorkspaceError
from encoders.workspace import Workspace
from tools.indexing import build_index, index_name, open_forecaster, read_index
from tools.service import AudienceService
from tools.store import VectorStore
from tools.types import Filter


def test_the_index_holds_every_user_as_the_model_sees_her(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    name = build_index(own_workspace, chosen)
    forecaster = open_forecaster(own_workspace, chosen, None)
    assert name == index_name(forecaster)
    np.testing.assert_allclose(read_index(own_workspace, chosen, forecaster), forecaster.user_vectors, atol=1e-6)
    with VectorStore(own_workspace) as store:
        assert store.count(name) == len(forecaster.scene.histories.user_ids)
        north = forecaster.dataset.users.filter(region="north")["user_id"].to_list()
        ids = store.nearest(name, forecaster.user_vectors[0], 5, (Filter(field="region", values=("north",)),))[0]
        assert len(ids) == 5
        assert set(ids) <= set(north)


def test_the_index_of_another_date_is_dropped(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    first = build_index(own_workspace, chosen)
    second = build_index(own_workspace, chosen, AS_OF + timedelta(days=3))
    assert first != second
    with VectorStore(own_workspace) as store:
        assert store.names() == [second]


def test_opening_writes_a_missing_index(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    later = AS_OF + timedelta(days=5)
    AudienceService.open(chosen, later).close()
    with VectorStore(own_workspace) as store:
        assert store.ready(index_name(open_forecaster(own_workspace, chosen, later)))


def test_a_store_in_use_elsewhere_is_told(own_workspace: Workspace) -> None:
    with own_workspace.lock("chroma"), pytest.raises(WorkspaceError, match="in use for 'chroma'"):
        AudienceService.open(world_settings(own_workspace.path))

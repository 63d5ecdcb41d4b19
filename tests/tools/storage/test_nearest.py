"""Users like one user: the vector store and comparing everybody find the same ones."""

from contextlib import closing

import numpy as np
import pytest

from encoders.errors import RequestError
from encoders.workspace import Workspace
from tests.planted import world_settings
from tools.access.callers import Caller, Scope
from tools.service import AudienceService
from tools.storage.indexing import build_index
from tools.types import AudienceSpec, Filter

pytestmark = pytest.mark.slow

TEA = AudienceSpec(demand="households that will buy tea", cut=0.5)
NORTH = TEA.model_copy(update={"filters": (Filter(field="region", values=("north",)),)})


@pytest.mark.parametrize("spec", [TEA, NORTH])
def test_the_store_finds_whom_comparing_everybody_finds(own_workspace: Workspace, spec: AudienceSpec) -> None:
    chosen = world_settings(own_workspace.path)
    with closing(AudienceService.open(chosen)) as service:
        first = service.preview(spec, 1)[0].masked_id
        scanned = service.similar(first, spec, 8)
    build_index(own_workspace, chosen)
    with closing(AudienceService.open(chosen)) as service:
        found = service.similar(first, spec, 8)
        inside = {sample.masked_id for sample in service.preview(spec, 20)} | {each.masked_id for each in found.users}
        for sample in found.users:
            assert service.explain(sample.masked_id, spec).in_audience
    assert (scanned.found_by, found.found_by) == ("scan", "index")
    assert [each.masked_id for each in found.users] == [each.masked_id for each in scanned.users]
    assert list(found.similarities) == sorted(found.similarities, reverse=True)
    assert first.endswith(found.user_id)
    assert first not in {each.masked_id for each in found.users}
    assert len(inside) > len(found.users)


def test_an_index_of_another_state_or_in_use_is_not_waited_for(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    build_index(own_workspace, chosen)
    with closing(AudienceService.open(chosen)) as service, own_workspace.lock("chroma"):
        first = service.preview(TEA, 1)[0].masked_id
        assert service.similar(first, TEA).found_by == "scan"


def test_below_admin_only_users_of_the_audience_are_found_and_shown(service: AudienceService) -> None:
    agent = service.of(Caller(name="agent", scopes=frozenset({Scope.PREVIEW, Scope.SIZE, Scope.READ})))
    first, *_, last = agent.preview(TEA, 20)
    small = TEA.model_copy(update={"cut": 0.2})
    assert first.masked_id not in {each.masked_id for each in agent.similar(first.masked_id, TEA, 20).users}
    with pytest.raises(RequestError, match="in this audience"):
        agent.similar(last.masked_id, small)
    with pytest.raises(RequestError, match="in this audience"):
        agent.similar(service.population.user_ids[int(np.flatnonzero(service.population.active)[0])], TEA)

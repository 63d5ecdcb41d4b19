from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from agent.guard.verdict import permit
from encoders.workspace import Workspace
from tests.planted import World
from tests.tools.interfaces.rest.rest_doubles import Nowhere, served, with_own_workspace
from tools.access.callers import Tokens
from tools.access.gate import Gate
from tools.interfaces.rest.api import make_api
from tools.service import AudienceService


@pytest.fixture
def own(service: AudienceService, world: World, tmp_path: Path) -> Iterator[AudienceService]:
    """The service with a workspace of its own."""
    opened = with_own_workspace(service, world, tmp_path / "own")
    yield opened
    opened.close()


@pytest.fixture
def web(own: AudienceService) -> Iterator[TestClient]:
    """A client of the resources over that service."""
    with TestClient(make_api(lambda: own, permit, Gate(Nowhere)), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def address(own: AudienceService) -> Iterator[str]:
    """A real server on a free port, with tokens in front, as the app has it; gives the address of the resources."""
    with Tokens(Workspace(own.settings.workspace).tokens) as tokens, served(own, tokens) as found:
        yield found

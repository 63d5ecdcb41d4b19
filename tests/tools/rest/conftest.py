from collections.abc import Iterator

import pytest
from rest_doubles import OpenGate
from starlette.testclient import TestClient

from agent.guard import permit
from tools.rest.api import make_api
from tools.service import AudienceService


@pytest.fixture
def gate() -> OpenGate:
    return OpenGate()


@pytest.fixture
def web(own: AudienceService, gate: OpenGate) -> Iterator[TestClient]:
    """A client of the resources over a service with a workspace of its own."""
    app = make_api(lambda: own, permit, gate)
    with TestClient(app, base_url="http://testserver", raise_server_exceptions=False) as client:
        yield client

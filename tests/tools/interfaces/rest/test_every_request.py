"""Schemathesis asks everything the description allows, and much that it does not."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from starlette.testclient import TestClient

from agent.guard.verdict import permit
from tests.planted import World
from tests.tools.interfaces.rest.rest_doubles import SEEDS, Nowhere, with_own_workspace
from tools.access.gate import Gate
from tools.interfaces.rest.api import make_api
from tools.service import AudienceService
from tools.types import AudienceSpec

OPENED: list[AudienceService] = []
APP = make_api(lambda: OPENED[0], permit, Gate(Nowhere))
ANSWERED = ["2xx", "3xx", "404", "409", "412", "422", "428"]
"""What fits the description is done, or turned down for what the data or the workspace has or lacks."""
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ANSWERED},
    "ignored_auth": {"enabled": False},  # without tokens there is nobody to be turned away
}
SCHEMA = schemathesis.openapi.from_asgi(
    "/openapi.json", APP, config=SchemathesisConfig.from_dict({"seed": 7, "checks": CHECKS})
)
KEYS = count()


@pytest.fixture(scope="module", autouse=True)
def opened(service: AudienceService, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A service that has something under the names of the examples."""
    own = with_own_workspace(service, world, tmp_path_factory.mktemp("asked") / "own")
    for thing in ("coffee", "tea"):
        spec = AudienceSpec(demand=f"Households that will buy {thing} in the next 28 days", cut=0.3)
        own.save(spec, thing.capitalize(), "Ada")
    own.tune("regulars", None, SEEDS)
    OPENED.append(own)
    with TestClient(APP):
        yield
    OPENED.pop()
    own.close()


def asking(operation: str) -> Callable[..., None]:
    """A test of one operation, so that each has a name of its own."""

    @SCHEMA.include(operation_id=operation).parametrize()
    @settings(max_examples=5, suppress_health_check=list(HealthCheck))
    def every_answer_is_as_described(case: Case[Any]) -> None:
        if case.meta and case.meta.generation.mode.is_positive and "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = f"key {next(KEYS)}"
            if case.method == "PUT":
                case.headers["If-Match"] = "*"
        case.call_and_validate()

    asked: Callable[..., None] = every_answer_is_as_described
    return asked


for path in APP.openapi()["paths"].values():
    for described in path.values():
        globals()[f"test_{described['operationId']}"] = asking(described["operationId"])

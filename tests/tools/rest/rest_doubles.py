"""What the tests of the resources share."""

from pathlib import Path
from typing import Any

from httpx2 import Response
from planted import World
from starlette.testclient import TestClient

from encoders.workspace import Workspace
from tools.service import AudienceService

SPEC: dict[str, Any] = {"demand": "Households that will buy coffee in the next 28 days", "cut": 0.3}
SAVE: dict[str, Any] = {"spec": SPEC, "name": "Coffee", "approved_by": "Ada"}
SEEDS = [f"h{number:03}" for number in range(100, 140, 4)]


class Nowhere:
    """Audit lines of tests that do not read them."""

    def record_call(self, operation: str, outcome: str) -> None:
        """Forget it."""


def with_own_workspace(service: AudienceService, world: World, folder: Path) -> AudienceService:
    """The same data and model, with everything that is written in a folder of its own."""
    workspace = Workspace(folder)
    workspace.path.mkdir()
    workspace.data.symlink_to(world.folder)
    settings = service.settings.model_copy(update={"workspace": workspace.path})
    return AudienceService(settings, workspace, service._forecaster)


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def problem(found: Response, status: int) -> str:
    """The one sentence of a problem."""
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), found.text
    told = found.json()
    assert told["status"] == status
    assert {"type", "title", "instance"} <= told.keys()
    assert "Traceback" not in found.text
    return str(told["detail"])


def ended(web: TestClient, job: Response) -> dict[str, Any]:
    """A job once nothing more comes."""
    assert job.status_code == 202, job.text
    while True:
        found: dict[str, Any] = web.get(job.headers["Location"]).json()
        if found["ended"]:
            return found

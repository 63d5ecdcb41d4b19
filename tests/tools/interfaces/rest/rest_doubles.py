"""What the tests of the resources share."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from socket import create_server
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI
from httpx2 import Response
from starlette.testclient import TestClient

from agent.guard.verdict import permit
from encoders.workspace import Workspace
from tests.planted import World
from tools.access.callers import Tokens, current
from tools.access.gate import CallLimits, Gate, RequestAudit
from tools.access.http import HttpGate
from tools.access.names import Names
from tools.interfaces.rest.api import make_api
from tools.service import AudienceService
from tools.storage.registry import Registry

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
    return AudienceService(settings, workspace, service.forecaster)


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def problem(found: Response, status: int) -> str:
    """The one sentence of a problem."""
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json"), found.text
    told = found.json()
    assert told["status"] == status
    assert {"type", "title"} <= told.keys()
    assert "Traceback" not in found.text
    return str(told["detail"])


def ended(web: TestClient, job: Response) -> dict[str, Any]:
    """A job once nothing more comes."""
    assert job.status_code == 202, job.text
    while True:
        found: dict[str, Any] = web.get(job.headers["Location"]).json()
        if found["ended"]:
            return found


@contextmanager
def served(service: AudienceService, tokens: Tokens) -> Iterator[str]:
    """A real server on a free port with tokens in front; gives the address of the resources."""

    def seen() -> AudienceService:
        return service.of(current())

    api = make_api(seen, permit, Gate(seen))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with api.router.lifespan_context(api):
            yield

    app = FastAPI(lifespan=lifespan)
    workspace, limits = Workspace(service.settings.workspace), CallLimits()
    trail = RequestAudit(lambda tenant: Registry(workspace.of_tenant(tenant).registry))
    app.add_middleware(HttpGate, tokens=tokens, names=Names("127.0.0.1"), trail=trail, limits=limits)
    app.mount("/api", api)
    listening = create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/api"
    server.should_exit = True
    thread.join()
    trail.close()

"""The real app, started by its command in a process of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from socket import create_server

import httpx2
import pytest

from encoders.workspace import Workspace
from tests import apart
from tests.conformance.sandbox import ENOUGH, HERE, Agent, save_all
from tools.access.callers import Scope, Tokens


@pytest.fixture(scope="session")
def agent(world_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The app on the planted world, from a cold start."""
    workspace = Workspace(tmp_path_factory.mktemp("served") / "workspace")
    shutil.copytree(world_workspace.path, workspace.path, ignore=shutil.ignore_patterns("locks", "registry.db"))
    with Tokens(workspace.tokens) as tokens:
        scopes = [Scope.READ, Scope.SIZE, Scope.ACTIVATE]
        given = [tokens.create(name, scopes, name, ENOUGH) for name in ("sandbox", "other")]
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    chosen = {"WORKSPACE": workspace.path, "PORT": port, "RATE_CARD": HERE / "rate_card.toml"}
    chosen |= {"MINIMUM_SIZE": 20, "TEXT_ENCODER": "use"}
    environment = os.environ | {f"AUDIENCE_{name}": str(value) for name, value in chosen.items()}
    command = [sys.executable, "-m", "tests.readers", "little", "serve"]
    app = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=HERE.parents[1])
    try:
        assert app.stderr
        assert f"http://127.0.0.1:{port}" in app.stderr.readline()
        started = Agent(f"http://127.0.0.1:{port}/mcp", *given)
        while not httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=60).json()["ready"]:
            assert app.poll() is None
        apart.run(save_all(started))
        yield started
    finally:
        app.terminate()
        app.communicate(timeout=30)

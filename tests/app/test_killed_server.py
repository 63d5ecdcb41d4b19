"""A server that is killed in the middle of a turn of the page and of a delivery: nothing acknowledged is lost."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from agent.conversation import Conversation
from encoders.workspace import Workspace
from tests.app.test_page_events import LOAD, SAY, Web
from tests.listening import Listener, listening
from tests.planted import MINIMUM, world_settings
from tools.delivery.outbox import LEASE, Outbox
from tools.erasure.erasure import threads
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.workers import deliver_due

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
ASKED, ANSWERED = "households that will buy tea next week", "households that will buy coffee in the next 28 days"
SPEC = {"demand": "Households that will buy coffee in the next 28 days", "cut": 0.5}


@dataclass
class Server:
    """A running `audience serve`."""

    address: str
    process: subprocess.Popen[str]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(timeout=60) == -signal.SIGKILL

    def ready(self) -> None:
        """Wait until the service is open."""
        for _ in range(600):
            with suppress(httpx2.HTTPError):
                if httpx2.get(f"{self.address}/healthz").json()["ready"]:
                    return
            time.sleep(0.5)
        raise AssertionError("The server is not ready.")


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as opened:
        yield opened


@pytest.fixture
def server(own_workspace: Workspace, listener: Listener) -> Iterator[Server]:
    """A server with a webhook."""
    with Registry(own_workspace.registry) as registry:
        Outbox(registry.database, private=True).add(listener.url, ("audience.ready",))
    own = {"AUDIENCE_WORKSPACE": str(own_workspace.path), "AUDIENCE_TEXT_ENCODER": "use", "AUDIENCE_PORT": "0"}
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.readers", "few", "serve"],
        cwd=ROOT,
        env=os.environ | own | {"AUDIENCE_MINIMUM_SIZE": str(MINIMUM)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stderr
        address = re.search(r"http://\S+", started.stderr.readline())
        assert address, started.stderr.read()
        made = Server(address[0], started)
        made.ready()
        yield made
    finally:
        started.kill()
        started.communicate(timeout=30)


def test_what_was_answered_saved_and_told_outlives_the_server(
    server: Server, own_workspace: Workspace, listener: Listener
) -> None:
    web = Web(server.address)
    with closing(web.http):
        web.send(LOAD, None)
        web.hear()
        web.send(SAY, None, ANSWERED)
        assert "coffee" in web.hear().lower()
        saved = web.http.post(
            "/api/audiences",
            json={"name": "Coffee", "spec": SPEC, "approved_by": "Ada"},
            headers={"Idempotency-Key": "once"},
        )
        assert saved.status_code == 201, saved.text
        web.send(SAY, None, ASKED)  # and while this is thought about, and the message about the save is on its way
        listener.first.wait(30)
        server.kill()
    settings = world_settings(own_workspace.path)
    with closing(AudienceService.open(settings)) as service:
        assert service.saved("Coffee").id == saved.json()["id"]
        with closing(Conversation(service, settings)) as talk:
            shown = {thread: talk.current(thread) for thread in threads(own_workspace)}
            drafts = {thread: reply.draft.spec.demand for thread, reply in shown.items() if reply.draft}
            answered = [thread for thread, demand in drafts.items() if "coffee" in demand]
            assert answered, (drafts, [reply.text for reply in shown.values()])
            reply = talk.say(answered[0], ASKED)
            assert reply.draft
            assert reply.draft.spec.demand == "Households that will buy tea in the next 7 days"
    with Registry(own_workspace.registry) as registry:
        outbox = Outbox(registry.database, private=True)
        [message] = outbox.deliveries()
        if message.state != "delivered":
            deliver_due(outbox, lambda: datetime.now(UTC) + timedelta(seconds=2 * LEASE))
        assert [each.state for each in outbox.deliveries()] == ["delivered"]
    told = {heard.headers["webhook-id"] for heard in listener.heard}
    assert len(told) == 1, "a message that was told again has the id that it had"

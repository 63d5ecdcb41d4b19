"""Jobs: watched, cancelled, one at a time on the same thing, and honest about what was interrupted."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient
from torch import Tensor

from agent.guard.verdict import permit
from encoders import tuning
from encoders.errors import NotThereError
from encoders.model.dual import DualEncoder
from encoders.workspace import Progress, Workspace
from tests.planted import AS_OF, world_settings
from tests.tools.interfaces.rest.rest_doubles import SAVE, SEEDS, Nowhere, ended, key, problem
from tools.access.callers import Caller, acting_as
from tools.access.gate import Gate
from tools.interfaces.rest.api import make_api
from tools.jobs import Jobs
from tools.service import AudienceService

TUNE = {"seeds": SEEDS}
HANGS = """
import sys, threading
from encoders.workspace import Workspace
from tools.jobs import Jobs

def work(progress):
    progress("At work", 0.5)
    print(job.id, flush=True)
    threading.Event().wait()

jobs = Jobs(Workspace(sys.argv[1]))
started = threading.Event()
job = jobs.start("tune", "tune regulars", lambda progress: started.wait() and work(progress))
started.set()
"""


class Held:
    """Holds tuning where it would score its seeds, until it is let go."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.there, self.go = Event(), Event()
        score = DualEncoder.score

        def held(encoder: DualEncoder, *given: Any) -> Tensor:
            self.there.set()
            assert self.go.wait(60)
            return score(encoder, *given)

        patch.setattr(DualEncoder, "score", held)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    found = Held(monkeypatch)
    yield found
    found.go.set()


def test_a_job_tells_how_far_it_is_and_is_the_same_when_asked_for_again(web: TestClient, held: Held) -> None:
    taken = web.put("/demands/regulars", json=TUNE, headers=key("a"))
    assert (taken.status_code, taken.headers["Retry-After"]) == (202, "1")
    assert held.there.wait(60)
    job = web.get(taken.headers["Location"]).json()
    assert (job["state"], job["progress"]["description"]) == ("running", "Tuning")
    assert 0 <= job["progress"]["fraction"] < 1
    busy = web.put("/demands/Regulars", json=TUNE, headers=key("b"))
    assert f"{job['id']} is at work on it already" in problem(busy, 409)
    other = web.put("/demands/other", json=TUNE, headers=key("c"))
    again = web.put("/demands/regulars", json=TUNE, headers=key("a"))
    assert (again.content, again.headers["Location"]) == (taken.content, taken.headers["Location"])
    held.go.set()
    done = ended(web, taken)
    assert (done["state"], done["progress"]) == ("done", {"description": "Done", "fraction": 1.0})
    assert done["result"]["name"] == "regulars"
    assert ended(web, other)["state"] == "done"
    assert [each["id"] for each in web.get("/jobs").json()["jobs"]] == [other.json()["id"], job["id"]]
    first = web.get("/jobs", params={"limit": 1}).json()
    assert web.get("/jobs", params={"cursor": first["next_cursor"]}).json()["jobs"] == [done]


def test_a_cancelled_job_stops_and_loses_nothing(web: TestClient, own: AudienceService, held: Held) -> None:
    held.go.set()
    ended(web, web.put("/demands/regulars", json=TUNE, headers=key("a")))
    before = web.get("/demands/regulars")
    held.go.clear()
    held.there.clear()
    seeds = {"seeds": SEEDS[:6]}
    taken = web.put("/demands/regulars", json=seeds, headers=key("b") | {"If-Match": before.headers["ETag"]})
    assert held.there.wait(60)
    waiting = [web.put(f"/demands/more {n}", json=TUNE, headers=key(f"more {n}")) for n in range(2)]
    assert web.delete(waiting[1].headers["Location"]).json()["state"] == "cancelled"
    assert web.delete(taken.headers["Location"]).json()["state"] == "stopping"
    held.go.set()
    assert ended(web, taken)["state"] == "cancelled"
    assert web.get("/demands/regulars").content == before.content
    assert ended(web, waiting[0])["state"] == "done"
    assert web.get("/demands/more 1").status_code == 404
    assert web.delete(waiting[0].headers["Location"]).json()["state"] == "done"
    assert web.delete(taken.headers["Location"]).json()["state"] == "cancelled"


def test_a_job_that_cannot_be_done_says_why(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = ended(web, web.put("/demands/few", json={"seeds": ["h100"]}, headers=key("a")))
    assert failed["state"] == "failed"
    assert failed["problem"]["status"] == 422
    assert "needs at least 5 users" in failed["problem"]["detail"]
    monkeypatch.setattr(tuning, "BaseRates", lambda *_: 1 / 0)
    broken = ended(web, web.put("/demands/few", json=TUNE, headers=key("b")))
    assert (broken["problem"]["status"], "division" in str(broken)) == (500, False)


def test_a_server_that_closes_interrupts_its_jobs_and_the_next_one_says_so(
    own: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = Event()

    def endless(name: str, demand: str | None, seeds: Sequence[str], progress: Progress) -> None:
        while True:
            progress("At work")
            reached.set()

    monkeypatch.setattr(own, "tune", endless)
    with TestClient(make_api(lambda: own, permit, Gate(Nowhere))) as web:
        taken = web.put("/demands/regulars", json=TUNE, headers=key("a"))
        assert reached.wait(60)
    with TestClient(make_api(lambda: own, permit, Gate(Nowhere))) as web:
        job = web.get(taken.headers["Location"]).json()
        assert (job["state"], job["result"], job["ended"] is None) == ("interrupted", None, False)
        assert web.put("/demands/regulars", json=TUNE, headers=key("a")).content == taken.content


def test_a_server_that_was_killed_leaves_its_job_interrupted(web: TestClient, own: AudienceService) -> None:
    workspace = own.settings.workspace
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, str(workspace)], cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        job = server.stdout.readline().strip()
        assert web.get(f"/jobs/{job}").json()["state"] == "running"
        taken = web.put("/demands/regulars", json=TUNE, headers=key("a"))
        assert "in use for 'jobs' by process" in problem(taken, 503)
        server.send_signal(signal.SIGKILL)
    assert server.wait() == -signal.SIGKILL
    assert web.get(f"/jobs/{job}").json()["state"] == "interrupted"
    assert ended(web, web.put("/demands/regulars", json=TUNE, headers=key("a")))["state"] == "done"


def test_jobs_belong_to_a_tenant(tmp_path: Path) -> None:
    jobs = Jobs(Workspace(tmp_path))
    go = Event()

    def work(progress: Progress) -> Any:
        assert go.wait(60)

    rival = Caller(name="rival", tenant="rival", scopes=frozenset())
    mine = jobs.start("tune", "tune regulars", work)
    with acting_as(rival):
        theirs = jobs.start("tune", "tune regulars", work)
        assert [each.id for each in jobs.page(9, "").jobs] == [theirs.id]
        for ask in (jobs.job, jobs.cancel):
            with pytest.raises(NotThereError, match=f"There is no job '{mine.id}'"):
                ask(mine.id)
    go.set()
    jobs.close()


def test_a_refresh_is_a_job(own_workspace: Workspace) -> None:
    service = AudienceService.open(world_settings(own_workspace.path))
    day = str(AS_OF + timedelta(days=7))
    with TestClient(make_api(lambda: service, permit, Gate(Nowhere))) as web:
        saved = web.post("/audiences", json=SAVE, headers=key("a")).json()
        assert web.get("/audiences/Coffee/refresh-day", params={"as_of": day}).json() == {"day": day}
        assert "name a later day" in problem(web.get("/audiences/Coffee/refresh-day"), 422)
        asked = {"approved_by": "Ada", "as_of": day}
        taken = web.post("/audiences/Coffee/refreshes", json=asked, headers=key("b"))
        done = ended(web, taken)
        # Those who came and left are too few to be shown, so both versions are shown with as many as there are now.
        before = saved | {"users": done["result"]["saved"]["users"]}
        assert (done["state"], done["result"]["before"]) == ("done", before)
        assert done["result"]["saved"] == web.get("/audiences/Coffee").json()
        assert done["result"]["saved"]["version"] == 2
        assert web.post("/audiences/Coffee/refreshes", json=asked, headers=key("b")).content == taken.content
        assert len(service.list_audiences()) == 1
    service.close()

"""A real server with tokens in front: tenants never meet, calls leave lines, and the page about it runs."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from shutil import which
from typing import Any

import httpx2
import pytest

from encoders.workspace import Workspace
from tests.planted import HABITS
from tests.present import present
from tests.tools.interfaces.rest.rest_doubles import SAVE, SEEDS, SPEC, key, problem
from tests.tools.singled import singled_out
from tools.access.callers import Scope, Tokens
from tools.access.gate import MOST_QUESTIONS
from tools.service import AudienceService
from tools.storage.registry import Registry

Arrive = Callable[..., httpx2.Client]
PAGE = Path(__file__).parents[4] / "docs" / "rest.md"


@pytest.fixture
def arrive(address: str, own: AudienceService) -> Iterator[Arrive]:
    """Come as somebody who holds a new token."""
    with ExitStack() as clients:

        def client(name: str, *scopes: Scope, **more: Any) -> httpx2.Client:
            with Tokens(Workspace(own.settings.workspace).tokens) as tokens:
                token = tokens.create(name, scopes, **more)
            headers = {"Authorization": f"Bearer {token}"}
            return clients.enter_context(httpx2.Client(base_url=address, headers=headers, timeout=60.0))

        yield client


def test_what_is_not_yours_is_not_there_byte_for_byte(arrive: Arrive) -> None:
    mine = arrive("mine", Scope.ADMIN, tenant="shop")
    other = arrive("other", Scope.ADMIN, tenant="rival")
    saved = mine.post("audiences", json=SAVE, headers=key("a"))
    file = mine.post("audiences/Coffee/exports", json={}, headers=key("b")).json()["name"]
    job = mine.put("demands/regulars", json={"seeds": SEEDS}, headers=key("c")).json()["id"]
    while not mine.get(f"jobs/{job}").json()["ended"]:
        pass
    assert mine.get(f"exports/{file}").status_code == mine.get("demands/regulars").status_code == 200
    theirs, nobodys = saved.json()["id"], "aud-000000000000"
    paths = ["audiences/ID", "audiences/ID/versions/1", "audiences/ID/outcome", "audiences/ID/refresh-day"]
    pairs = [(path.replace("ID", theirs), path.replace("ID", nobodys)) for path in paths]
    pairs += [(f"exports/{file}", f"exports/{nobodys}-v1.csv"), (f"jobs/{job}", "jobs/job-000000000000")]
    pairs += [("demands/regulars", "demands/otherstuff")]
    for there, not_there in pairs:
        found, missing = other.get(there), other.get(not_there)
        assert found.status_code == missing.status_code == 404
        names = (there.split("/")[1].encode(), not_there.split("/")[1].encode())
        assert found.content.replace(names[0], names[1]) == missing.content
        without = {"date", "content-length"}
        assert [each for each in found.headers.items() if each[0] not in without] == [
            each for each in missing.headers.items() if each[0] not in without
        ]
    assert other.delete(f"jobs/{job}").status_code == 404
    assert other.get("audiences").json()["audiences"] == other.get("jobs").json()["jobs"] == []
    assert other.post("audiences", json=SAVE, headers=key("a")).json()["id"] != theirs


def test_an_answer_to_a_key_and_a_job_are_shown_to_who_asked_and_to_admins(arrive: Arrive) -> None:
    admin = arrive("boss", Scope.ADMIN)
    agent = arrive("agent", Scope.READ, Scope.ACTIVATE)
    exact = admin.post("audiences", json=SAVE, headers=key("coffee-1")).json()
    again = agent.post("audiences", json=SAVE, headers=key("coffee-1")).json()
    assert again["users"] % 5 == 0
    assert again["forecast"] != exact["forecast"]
    job = admin.put("demands/regulars", json={"seeds": SEEDS}, headers=key("c")).json()["id"]
    own_job = agent.put("demands/others", json={"seeds": "Coffee"}, headers=key("d")).json()["id"]
    while not all(admin.get(f"jobs/{each}").json()["ended"] for each in (job, own_job)):
        pass
    assert agent.get(f"jobs/{job}").status_code == agent.delete(f"jobs/{job}").status_code == 404
    assert [each["id"] for each in agent.get("jobs").json()["jobs"]] == [own_job]
    assert {each["id"] for each in admin.get("jobs").json()["jobs"]} == {job, own_job}
    assert agent.get("demands/others").json()["seeds"] % 5 == 0


def test_a_token_opens_what_its_scopes_say_and_every_call_is_written_down(
    arrive: Arrive, address: str, own: AudienceService
) -> None:
    assert httpx2.get(f"{address}/health").status_code == 200
    small = arrive("small", Scope.SIZE, per_minute=4)
    locked = httpx2.post(f"{address}/sizes", json=SPEC)
    assert problem(locked, 401)
    assert locked.headers["WWW-Authenticate"].startswith("Bearer")
    assert small.post("sizes", json=SPEC).status_code == 200
    assert "needs a token with the scope 'activate'" in problem(small.post("audiences", json={}), 403)
    assert problem(small.post("sizes", json={}), 422).startswith("body.demand")
    assert problem(small.get("data"), 403)
    often = small.post("sizes", json=SPEC)
    assert "4 times a minute" in problem(often, 429)
    assert 1 <= int(often.headers["Retry-After"]) <= 60
    with Registry(own.settings.workspace / "registry.db") as registry:
        audit = registry.audit()
    lines = [(line.details["operation"], line.details["outcome"]) for line in audit if line.action == "call"]
    assert lines == [
        ("size", "answered"),
        ("save", "refused"),
        ("size", "declined"),
        ("describe_data", "refused"),
        ("size", "refused"),
    ]
    [refused] = [line for line in audit if line.action == "refused"]
    assert (refused.actor, refused.details) == ("unknown", {"status": 401, "path": "/api/{path:path}"})


def test_addresses_hold_behind_the_door(address: str) -> None:
    document = httpx2.get(f"{address}/openapi.json").json()
    assert document["servers"] == [{"url": "/api"}]
    saved = httpx2.post(f"{address}/audiences", json=SAVE, headers=key("a"))
    assert httpx2.get(address.removesuffix("/api") + saved.headers["Location"]).json() == saved.json()
    missing = httpx2.get(f"{address}/audiences/Tea").json()
    assert (missing["type"], missing["instance"]) == ("/api/problems#not-there", "/api/audiences/Tea")


@pytest.mark.skipif(not which("curl"), reason="curl is not installed")
def test_the_page_runs_as_it_stands(address: str, own: AudienceService, tmp_path: Path) -> None:
    [script] = re.findall(r"```bash\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    script = script.replace("http://127.0.0.1:7860/api", address).replace("sleep 1", "true")
    strict = ["bash", "-euc", script.replace("curl -s", "curl -sS --fail-with-body")]
    done = subprocess.run(strict, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    [saved] = own.list_audiences()
    rows = (tmp_path / "coffee.csv").read_text().splitlines()
    assert len(rows) - 1 == present(saved.users) - present(saved.holdout)
    assert present(own.tuned("regulars").seeds) > 5


def test_a_token_for_sizes_alone_learns_nothing_of_one_household(arrive: Arrive, own: AudienceService) -> None:
    """Who bought what on a day that only one household did: sizes with and without it, by every way to ask."""
    web = arrive("sizes", Scope.SIZE)
    population = own.population
    audience, behaviour, row = singled_out(population)
    everyone, single = audience.model_dump(mode="json"), behaviour.model_dump(mode="json")
    alone, without = ({**everyone, "behaviours": [{**single, "did": did}]} for did in (True, False))
    answers = [
        web.post("sizes", json=alone).json(),
        web.post("goals", json={"spec": alone, "goal": {"users": 1}}).json(),
    ]
    assert [answer["users"] for answer in answers] == [None, None]
    assert [answer["responders"] for answer in answers] == [None, None]
    assert web.post("profiles", json=alone).status_code == web.post("skews", json=alone).status_code == 422
    overlap = web.post("comparisons", json={"audiences": [alone, everyone]}).json()["overlaps"][0]
    assert (overlap["users_a"], overlap["both"]) == (None, None)
    more, less = (web.post("sizes", json=spec).json() for spec in (everyone, without))
    assert less["conditions"][-1]["condition"].startswith("did not buy")
    assert all(count is None or count % 5 == 0 for count in (more["eligible"], less["eligible"]))
    user, mask = population.user_ids[row], population.people.masked(row)
    for named in (user, mask):
        refused = web.post("explanations", json={"user_id": named, "spec": everyone})
        assert "needs a token with the scope 'preview'" in problem(refused, 403)
    others = [{"did": False, "what": what, "days": days} for what in sorted(HABITS) for days in range(1, 30)]
    assert len(others) > MOST_QUESTIONS
    asked = [web.post("sizes", json={**everyone, "behaviours": [other]}) for other in others]
    assert asked[-1].status_code == 429
    assert "different questions about groups of users within a day" in problem(asked[-1], 429)
    said = " ".join(answer.text for answer in asked)
    assert user not in said
    assert mask not in said

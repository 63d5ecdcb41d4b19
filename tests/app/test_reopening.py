"""A running app goes on with the next version of the data as a whole, while others ask."""

import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from socket import create_server
from threading import Event, Thread
from typing import Any

import httpx2
import polars as pl
import pytest
import uvicorn
from pydantic_core import to_jsonable_python

from agent.page.state import AppState
from agent.reopening import ReopeningService, VersionWatch
from app_gradio import create_app, open_desk
from encoders.checksums import CHECKSUMS
from encoders.data.events import Dataset
from encoders.data.folders import About, Tables, write_folder
from encoders.data.versions import publish
from encoders.errors import AudienceError
from encoders.settings import settings
from encoders.workspace import Workspace
from tests.app.page_doubles import make_desk
from tests.planted import MINIMUM, world_settings
from tools.access.callers import OWNER
from tools.access.http import configured
from tools.service import AudienceService
from tools.storage.indexing import INDEXED, newest_version
from tools.storage.registry import Registry
from tools.types import AudienceSpec, Behaviour

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning"),
]

VERSIONS = 5
MILK = AudienceSpec(
    demand="households that will buy tea in the next 28 days",
    behaviours=(Behaviour(did=True, what="milk", days=60),),
    cut=1.0,
)
PATIENCE = 500.0


def prepare_another(workspace: Workspace, number: int) -> None:
    """Prepare the same data without the milk of some users, and with one product more that sorts first."""
    dataset = Dataset.current(workspace)
    events = pl.read_parquet(dataset.folder / "events.parquet")
    events = events.join(dataset.items.drop("source"), on="item_id").drop("item_id")
    gone = pl.col("user_id").str.ends_with(str(number)) & (pl.col("group") == "milk")
    events = pl.concat([events.filter(~gone), events.head(1).with_columns(text=pl.lit(f"aaa apricots {number}"))])
    about = About(**{each.name: getattr(dataset.card, each.name) for each in fields(About)})
    tables = Tables(events.lazy(), dataset.users.lazy())
    publish(workspace, "it", lambda folder: write_folder(folder, tables, about))


def told(workspace: Workspace) -> dict[str, Any]:
    """What somebody who opens the workspace now is told, and who would be saved."""
    with closing(AudienceService.open(world_settings(workspace.path))) as service:
        service.learn_to_read()
        saved = service.save(MILK, "Alone", "Ann", holdout=0.0)
        with Registry(workspace.registry) as registry:
            members = set(registry.members(saved.id, saved.version)[0])
        return {
            "sizes": to_jsonable_python(service.size(MILK)),
            "data": to_jsonable_python(service.describe_data()) | {"notice": ""},
            "members": members,
        }


def wait_for(what: Callable[[], object]) -> None:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.05)


@contextmanager
def served(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, seconds: float) -> Iterator[str]:
    """The whole app over a workspace; gives its address."""
    for name, value in {
        "WORKSPACE": workspace.path,
        "MINIMUM_SIZE": MINIMUM,
        "TEXT_ENCODER": "use",
        "WATCH_SECONDS": seconds,
    }.items():
        monkeypatch.setenv(f"AUDIENCE_{name}", str(value))
    settings.cache_clear()
    listening = create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configured(partial(create_app, open_desk), timeout_graceful_shutdown=1))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        wait_for(lambda: httpx2.get(f"{address}/healthz", timeout=PATIENCE).json()["ready"])
        yield address
    finally:
        server.should_exit = True
        thread.join(60)
        settings.cache_clear()
    assert not thread.is_alive()


class Asking(Thread):
    """A client that asks for one thing after the other, all the time."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.address, self.enough = address, Event()
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.failed: list[str] = []

    def run(self) -> None:
        spec = MILK.model_dump(mode="json")
        with httpx2.Client(base_url=f"{self.address}/api", timeout=PATIENCE) as client:
            number = 0
            while not self.enough.is_set():
                number += 1
                self._keep("data", client.get("/data"))
                self._keep("sizes", client.post("/sizes", json=spec))
                save = {"spec": spec, "name": "Milk", "approved_by": "Ann", "holdout": 0.0}
                self._keep("saved", client.post("/audiences", json=save, headers={"Idempotency-Key": f"k{number}"}))

    def was_told_all_of(self, version: str) -> bool:
        """Whether a version has answered to everything."""
        return len({kind for kind, answer in self.answers if answer["data_version"] == version}) == 3

    def _keep(self, kind: str, found: httpx2.Response) -> None:
        if found.status_code in (200, 201):
            self.answers.append((kind, found.json()))
        else:
            self.failed.append(found.text)


def test_each_of_all_answers_is_of_one_version_while_five_are_prepared(
    own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = {}
    with served(own_workspace, monkeypatch, 0.2) as address:
        asking = Asking(address)
        asking.start()
        alone = told(own_workspace)
        right[alone["data"]["data_version"]] = alone
        wait_for(partial(asking.was_told_all_of, alone["data"]["data_version"]))
        for number in range(VERSIONS):
            prepare_another(own_workspace, number)
            alone = told(own_workspace)
            right[alone["data"]["data_version"]] = alone
            wait_for(partial(asking.was_told_all_of, alone["data"]["data_version"]))
        asking.enough.set()
        asking.join(PATIENCE)
        assert asking.failed == []
        with Registry(own_workspace.registry) as registry:
            members = {
                each["version"]: set(registry.members(each["id"], each["version"])[0])
                for kind, each in asking.answers
                if kind == "saved"
            }
            calls = [line.details for line in registry.audit() if line.action == "call"]
        assert "newer_data" not in httpx2.get(f"{address}/healthz").json()
    assert len(right) == VERSIONS + 1
    assert len({len(each["members"]) for each in right.values()}) == VERSIONS + 1, "a mixture would show"
    seen: dict[str, set[str]] = {"data": set(), "sizes": set(), "saved": set()}
    for kind, answer in asking.answers:
        version = answer["data_version"]
        seen[kind].add(version)
        if kind == "data":
            assert answer | {"notice": ""} == right[version]["data"]
        elif kind == "sizes":
            assert answer == right[version]["sizes"]
        else:
            assert members[answer["version"]] == right[version]["members"]
    assert seen == {kind: set(right) for kind in seen}, "every version has answered"
    of_calls = {each["data_version"] for each in calls if each["operation"] == "size"}
    assert of_calls == set(right), "the audit says which"


def test_what_was_replaced_is_held_by_whoever_is_answered_and_then_let_go(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    opening = ReopeningService(
        lambda: _desk(AudienceService.open(chosen)), chosen, lambda *_: _desk(AudienceService.open(chosen))
    )
    opening.desk()
    held = opening.at_once().service.of(OWNER)
    size, folder = held.size(MILK), held.version.folder
    there = weakref.ref(held.forecaster)
    assert not opening.reopen().changed
    prepare_another(own_workspace, 0)
    done = opening.reopen()
    assert done.changed
    assert (done.before, done.data_version) == (held.version.data, newest_version(own_workspace, chosen).data)
    assert opening.let_go() == 1
    assert held.size(MILK) == size
    prepare_another(own_workspace, 1)
    assert folder.exists()
    assert opening.desk().service.size(MILK).data_version == done.data_version, "it goes on until it is told"
    assert "until it is opened" in opening.desk().service.describe_data().notice
    del held
    assert opening.let_go() == 0
    assert there() is None
    opening.reopen()
    prepare_another(own_workspace, 2)
    assert not (folder / "events.parquet").exists()
    opening.close()


def test_what_cannot_be_opened_is_said_and_the_answers_go_on(own_workspace: Workspace) -> None:
    chosen = world_settings(own_workspace.path)
    opening = ReopeningService(
        lambda: _desk(AudienceService.open(chosen)), chosen, lambda *_: _desk(AudienceService.open(chosen))
    )
    size = opening.desk().service.size(MILK)
    prepare_another(own_workspace, 0)
    prepared = own_workspace.data / CHECKSUMS
    whole = prepared.read_bytes()
    prepared.unlink()
    with pytest.raises(AudienceError, match="is damaged"):
        opening.reopen()
    service = opening.desk().service
    assert service.size(MILK) == size
    assert "cannot be opened" in service.describe_data().notice
    assert "is damaged" in service.describe_data().notice
    prepared.write_bytes(whole)
    assert service.reopen().changed
    assert opening.desk().service.describe_data().notice == ""
    opening.close()


def test_the_watch_waits_for_the_index_where_there_was_one(
    own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = world_settings(own_workspace.path)
    opening = ReopeningService(
        lambda: _desk(AudienceService.open(chosen)), chosen, lambda *_: _desk(AudienceService.open(chosen))
    )
    before, watch = opening.desk().service.version, VersionWatch(opening, 0.1)
    (own_workspace.path / INDEXED).write_text(before.collection)
    prepare_another(own_workspace, 0)
    watch.work()
    assert opening.desk().service.version == before
    (own_workspace.path / INDEXED).write_text(newest_version(own_workspace, chosen).collection)
    watch.work()
    assert opening.desk().service.version == newest_version(own_workspace, chosen) != before
    prepare_another(own_workspace, 1)
    monkeypatch.setattr("agent.reopening.INDEX_PATIENCE", 0.0)
    watch.work()
    assert opening.desk().service.version == newest_version(own_workspace, chosen)
    opening.close()


def test_a_service_that_nobody_serves_is_not_reopened(service: AudienceService) -> None:
    with pytest.raises(AudienceError, match="opens it again"):
        service.reopen()


def test_a_conversation_goes_on_over_the_next_version(
    own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(own_workspace.path))
    monkeypatch.setenv("AUDIENCE_TEXT_ENCODER", "use")
    settings.cache_clear()
    opening = ReopeningService(open_desk, settings())
    first = opening.desk().conversation.say("one", "households that will buy tea")
    assert first.size is not None
    prepare_another(own_workspace, 0)
    done = opening.reopen()
    now = opening.desk().conversation.current("one")
    assert now.draft is not None
    assert first.draft is not None
    assert now.draft.spec == first.draft.spec
    assert now.size is not None
    assert (first.size.data_version, now.size.data_version) == (done.before, done.data_version)
    opening.close()
    settings.cache_clear()


@pytest.mark.parametrize("by", ["signal", "operation"])
def test_a_signal_and_an_operation_open_the_next_version(own_workspace: Workspace, by: str) -> None:
    chosen = {
        "WORKSPACE": own_workspace.path,
        "MINIMUM_SIZE": MINIMUM,
        "TEXT_ENCODER": "use",
        "WATCH_SECONDS": 0,
        "PORT": 0,
    }
    log = own_workspace.path.parent / "log"
    with log.open("w") as told_to:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.readers", "little", "serve"],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **{f"AUDIENCE_{name}": str(value) for name, value in chosen.items()}},
            stderr=told_to,
            stdout=told_to,
        )
    try:
        wait_for(lambda: "http://" in log.read_text() or server.poll() is not None)
        address = log.read_text().partition("http://")[2].split()[0]
        health = partial(httpx2.get, f"http://{address}/healthz", timeout=PATIENCE)
        wait_for(lambda: _answers(health) and health().json()["ready"])
        prepare_another(own_workspace, 0)
        assert health().json() == {"ready": True, "newer_data": True}
        if by == "signal":
            server.send_signal(signal.SIGHUP)
            wait_for(lambda: health().json() == {"ready": True})
        else:
            found = httpx2.post(f"http://{address}/api/versions", json={}, timeout=PATIENCE)
            assert found.status_code == 200, found.text
            assert found.json()["changed"]
            assert health().json() == {"ready": True}
        now = httpx2.get(f"http://{address}/api/data", timeout=PATIENCE).json()
        assert now["data_version"] == Dataset.current(own_workspace).card.version
    finally:
        server.terminate()
        server.wait(60)


def _answers(ask: Callable[[], httpx2.Response]) -> bool:
    try:
        ask()
    except httpx2.TransportError:
        return False
    return True


def _desk(service: AudienceService) -> AppState:
    return AppState(conversation=make_desk(Path("none")).conversation, service=service)

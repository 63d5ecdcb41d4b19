import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import hypothesis
import pytest
import torch
from filelock import FileLock
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import encoders.train
from agent.cli import data
from encoders.reader import building, head
from encoders.reader.head import material
from encoders.reader.knowledge import trades
from encoders.settings import settings
from encoders.text import encoders as text_encoders
from encoders.text.encoders import Matrix
from encoders.train import train
from encoders.workspace import Workspace
from tests.planted import MASK_KEY, SMALL_RECIPE, World, make_world, world_settings
from tools.service import AudienceService

_CORES = encoders.train.THREADS
"""The demo is the one large model that tests train: it takes what a desk would give it."""

hypothesis.settings.register_profile("here", deadline=None, derandomize=True, database=None, max_examples=40)
hypothesis.settings.load_profile("here")


SLOW_FIXTURES = {
    *("world_workspace", "demo_workspace", "learned", "journey", "study", "report"),
    *("browser", "server", "address", "web", "listener", "port"),
}
"""They train, read a whole data set, or start a browser, a server or another process."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is slow by its kind; whatever else takes over a second is marked where it stands."""
    for item in items:
        by_kind = SLOW_FIXTURES & set(getattr(item, "fixturenames", ()))
        tries_many = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if by_kind or tries_many or "tests/benchmarks" in item.nodeid:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _embed_once() -> Iterator[None]:
    """Embed every batch of texts once: runs with equal seeds write equal labels. More threads would only wait."""
    embed = lru_cache(maxsize=None)(text_encoders.UniversalEncoder.encode)

    def encode(encoder: text_encoders.UniversalEncoder, texts: Sequence[str]) -> Matrix:
        return embed(encoder, tuple(texts))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_encoders.UniversalEncoder, "encode", encode)
        patch.setattr(text_encoders, "THREADS", 1)
        patch.setattr(encoders.train, "THREADS", 1)
        with threadpool_limits(1):
            yield


@pytest.fixture(scope="session", autouse=True)
def _little_knowledge() -> Iterator[None]:
    """Have readers learn from a few entries: looking up four thousand things takes longer than all else here."""
    little = {"shop": tuple(entry for entry in trades()["shop"] if entry.kind in {"pet", "life-stage"})}
    no_situations = replace(material(), situations=dict.fromkeys(material().situations, ()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "trades", lambda: little)
        for module in (building, head):
            patch.setattr(module, "material", lambda: no_situations)
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The planted world as a prepared data folder; only to be read."""
    return make_world(tmp_path_factory.mktemp("world") / "data")


@pytest.fixture(scope="session")
def world_workspace(world: World, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The planted world with a trained model; only to be read."""
    workspace = Workspace(tmp_path_factory.mktemp("trained"))
    shutil.copytree(world.folder, workspace.data)
    (workspace.path / "mask.key").write_bytes(MASK_KEY)
    train(workspace, world_settings(workspace.path), recipe=SMALL_RECIPE)
    with closing(AudienceService.open(world_settings(workspace.path))) as service:
        service.learn_to_read()
    return workspace


@pytest.fixture
def own_workspace(world_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the trained planted world that a test may change."""
    shutil.copytree(world_workspace.path, tmp_path / "workspace", ignore=shutil.ignore_patterns("locks", "registry.db"))
    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="session")
def service(world_workspace: Workspace) -> Iterator[AudienceService]:
    """The service on the trained planted world; only to be asked."""
    opened = AudienceService.open(world_settings(world_workspace.path))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def demo_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """What `audience demo` leaves behind: the built-in data, prepared, trained and indexed; only to be read.

    Where several processes share the tests, the first that needs it makes it, and each has a copy.
    """
    ours = tmp_path_factory.mktemp("demo")
    made = tmp_path_factory.getbasetemp().parent / f"demo-{os.environ.get('PYTEST_XDIST_TESTRUNUID', ours.parent.name)}"
    with FileLock(made.with_suffix(".lock")):
        if not made.is_dir():
            _make_demo(ours)
            shutil.copytree(ours, made, ignore=shutil.ignore_patterns("locks"))
            return Workspace(ours)
    shutil.copytree(made, ours, dirs_exist_ok=True)
    return Workspace(ours)


def _make_demo(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIENCE_WORKSPACE", str(folder))
        patch.setattr(encoders.train, "THREADS", _CORES)
        know_everything(patch)  # a server of its own reads with all of it
        settings.cache_clear()
        with threadpool_limits(_CORES):
            data.demo(as_json=True)
    torch.set_num_threads(1)
    settings.cache_clear()


@pytest.fixture
def all_knowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have readers learn from all entries, as that of the demo did: from a few, it would be learned again."""
    know_everything(monkeypatch)


def know_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(building, "trades", trades)
    for module in (building, head):
        patch.setattr(module, "material", material)

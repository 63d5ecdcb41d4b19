import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import hypothesis
import pytest
import torch
from filelock import FileLock
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

import encoders.train
from agent.cli import data
from encoders.data.versions import COUNTS
from encoders.settings import settings
from encoders.text import encoders as text_encoders
from encoders.text.encoders import Matrix
from encoders.train import train
from encoders.user_vectors import FOLDER
from encoders.workspace import Workspace
from tests.planted import MASK_KEY, SMALL_RECIPE, World, make_world, world_settings
from tests.readers import know_little, learn_from_few
from tools.service import AudienceService

_THREADS = 1 if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1 else encoders.train.THREADS
"""Of the demo, the one large model that tests train: what a desk would give it, unless other tests run beside it."""

hypothesis.settings.register_profile("here", deadline=None, derandomize=True, database=None, max_examples=40)
hypothesis.settings.load_profile("here")


SLOW_FIXTURES = {
    *("world_workspace", "demo_workspace", "learned", "journey", "study", "report"),
    *("browser", "server", "address", "web", "listener", "port"),
}
"""They train, read a whole data set, or start a browser, a server or another process."""


MAKES_THE_DEMO = "test_demo.py"
"""The one file that begins with it; the others that need it find it made."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what is slow by its kind; whatever else takes over a second is marked where it stands.

    Files with something slow come first, so that several processes end together, and whoever else needs the demo last
    of these: the demo is being made all that time.
    """
    needs_demo: set[Path] = set()
    slow: set[Path] = set()
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        tries_many = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if fixtures & SLOW_FIXTURES or tries_many or "tests/benchmarks" in item.nodeid:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("slow"):
            slow.add(item.path)
        if "demo_workspace" in fixtures:
            needs_demo.add(item.path)

    def turn(item: pytest.Item) -> int:
        if item.path in needs_demo:
            return 0 if item.path.name == MAKES_THE_DEMO else 2
        return 1 if item.path in slow else 3

    items.sort(key=turn)


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
    with pytest.MonkeyPatch.context() as patch:
        know_little(patch)
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The planted world as a prepared data folder; only to be read."""
    return make_world(tmp_path_factory.mktemp("world") / "data")


@pytest.fixture(scope="session")
def world_workspace(world: World, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The planted world with a trained model; only to be read."""

    def make(folder: Path) -> None:
        workspace = Workspace(folder)
        shutil.copytree(world.folder, workspace.data)
        (workspace.path / "mask.key").write_bytes(MASK_KEY)
        train(workspace, world_settings(workspace.path), recipe=SMALL_RECIPE)
        with closing(AudienceService.open(world_settings(workspace.path))) as service:
            service.learn_to_read()

    return Workspace(_made_once("trained", tmp_path_factory, make))


def _made_once(name: str, factory: pytest.TempPathFactory, make: Callable[[Path], None]) -> Path:
    """A folder of this process; where several share the tests, the first that needs it makes it, the others copy it."""
    ours = factory.mktemp(name)
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        make(ours)
        return ours
    shared = factory.getbasetemp().parent / f"{name}-{run}"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.is_dir():
            make(ours)
            half = shared.with_suffix(".part")
            shutil.copytree(ours, half, ignore=shutil.ignore_patterns("locks"), dirs_exist_ok=True)
            half.rename(shared)
            return ours
    shutil.copytree(shared, ours, dirs_exist_ok=True)
    return ours


@pytest.fixture
def own_workspace(world_workspace: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the trained planted world that a test may change."""
    shutil.copytree(
        world_workspace.path,
        tmp_path / "workspace",
        ignore=shutil.ignore_patterns("locks", "registry.db", FOLDER, COUNTS),
    )
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

    Its reader alone has learned from fewer texts than a desk's would, see ``tests.readers``.
    """
    return Workspace(_made_once("demo", tmp_path_factory, _make_demo))


def _make_demo(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIENCE_WORKSPACE", str(folder))
        patch.setattr(encoders.train, "THREADS", _THREADS)
        learn_from_few(patch)
        settings.cache_clear()
        with threadpool_limits(_THREADS):
            data.demo(as_json=True)
    torch.set_num_threads(1)
    settings.cache_clear()


@pytest.fixture
def reader_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have readers learn from what that of the demo did: from anything else, it would be learned again."""
    learn_from_few(monkeypatch)

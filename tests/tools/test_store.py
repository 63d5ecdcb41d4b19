import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

import tools.store
from encoders.errors import RequestError, WorkspaceError
from encoders.workspace import Workspace
from tools.store import Vectors, VectorStore, collection_name
from tools.types import Filter

AGES = ("18-24", "25-34", None)


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chroma server of our own on a free port of this machine."""
    folder = tmp_path_factory.mktemp("chroma-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder), "--host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    while server.poll() is None:
        try:
            urlopen(f"{url}/api/v2/heartbeat", timeout=5).close()
            break
        except (URLError, ConnectionError):
            continue
    assert server.poll() is None, (folder / "log").read_text()
    yield url
    server.terminate()
    server.wait()


@pytest.fixture(params=["folder", "server"])
def url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "folder" else str(request.getfixturevalue("chroma_server"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def store(workspace: Workspace, url: str) -> Iterator[VectorStore]:
    with VectorStore(workspace, url) as opened:
        yield opened


@pytest.fixture
def name(tmp_path: Path) -> str:
    """A collection that no other test uses, on the shared server either."""
    return collection_name(tmp_path.name, "m1", date(2017, 10, 1))


def users(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


def unit_vectors(count: int, width: int = 16, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def attributes(count: int) -> list[dict[str, str | None]]:
    return [{"age": AGES[number % 3], "income": "high" if number % 2 else "low"} for number in range(count)]


def test_importing_the_store_does_not_load_chroma() -> None:
    code = "import sys, tools.store; sys.exit('chromadb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_snapshot_gives_back_every_vector_in_the_order_of_ids(
    store: VectorStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.store, "BATCH", 100)
    ids, vectors = users(250), unit_vectors(250)
    seen: list[float | None] = []
    store.replace(name, ids, vectors, attributes(250), lambda _, share=None: seen.append(share))
    found, matrix = store.snapshot(name)
    assert found == sorted(ids)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, vectors[[int(user[1:]) for user in found]], rtol=0, atol=1e-6)
    assert store.count(name) == 250
    assert seen == [0.0, 0.4, 0.8, 1.0]


def test_the_nearest_are_those_of_an_exact_scan(store: VectorStore, name: str) -> None:
    ids, vectors = users(1_500), unit_vectors(1_500)
    store.replace(name, ids, vectors, attributes(1_500))
    query = unit_vectors(1, seed=1)[0] * 3
    exact = vectors @ query / 3
    found, similarity = store.nearest(name, query, 20)
    assert found == [ids[place] for place in np.argsort(-exact)[:20]]
    np.testing.assert_allclose(similarity, np.sort(exact)[::-1][:20], atol=1e-5)


def test_more_than_there_are_gives_all_of_them(store: VectorStore, name: str) -> None:
    store.replace(name, users(7), unit_vectors(7), attributes(7))
    found, similarity = store.nearest(name, unit_vectors(1)[0], 100)
    assert sorted(found) == users(7)
    assert (np.diff(similarity) <= 0).all()
    assert store.nearest(name, unit_vectors(1)[0], 0)[0] == []


@pytest.mark.parametrize(
    ("filters", "ages"),
    [
        ([Filter(field="age", values=("18-24",))], {"18-24"}),
        ([Filter(field="age", values=("18-24", "25-34"))], {"18-24", "25-34"}),
        ([Filter(field="age", op="is not", values=("18-24",))], {"25-34"}),
        ([Filter(field="age", op="is not", values=("18-24", "25-34"))], set()),
        ([Filter(field="age", values=("99",))], set()),
        ([Filter(field="age", values=("25-34",)), Filter(field="income", values=("high",))], {"25-34"}),
    ],
)
def test_filters_keep_whom_they_name_and_never_the_unknown(
    store: VectorStore, name: str, filters: list[Filter], ages: set[str]
) -> None:
    rows = attributes(60)
    store.replace(name, users(60), unit_vectors(60), rows)
    found, _ = store.nearest(name, unit_vectors(1)[0], 60, filters)
    income = {"high"} if len(filters) > 1 else {"high", "low"}
    assert set(found) == {
        user for user, row in zip(users(60), rows, strict=True) if row["age"] in ages and row["income"] in income
    }


def test_a_filter_on_no_attribute_names_those_there_are(store: VectorStore, name: str) -> None:
    store.replace(name, users(5), unit_vectors(5), attributes(5))
    with pytest.raises(RequestError, match="No user has the attribute 'hair'; there are: age, income"):
        store.nearest(name, unit_vectors(1)[0], 3, [Filter(field="hair", values=("red",))])


def test_users_without_any_attribute_are_stored_too(store: VectorStore, name: str) -> None:
    store.replace(name, users(3), unit_vectors(3), [{"age": None}, {}, {"age": None}])
    assert store.snapshot(name)[0] == users(3)


def test_replacing_leaves_nothing_of_what_was_there(store: VectorStore, name: str) -> None:
    store.replace(name, users(10), unit_vectors(10), attributes(10))
    store.replace(name, users(4), unit_vectors(4, seed=9), [{"pet": "cat"}] * 4)
    found, matrix = store.snapshot(name)
    assert found == users(4)
    np.testing.assert_allclose(matrix, unit_vectors(4, seed=9), atol=1e-6)
    with pytest.raises(RequestError, match="there are: pet"):
        store.nearest(name, unit_vectors(1)[0], 3, [Filter(field="age", values=("18-24",))])


def test_writing_the_same_again_changes_nothing(store: VectorStore, name: str) -> None:
    seen: list[float | None] = []
    for _ in range(2):
        store.replace(name, users(10), unit_vectors(10), attributes(10), lambda _, share=None: seen.append(share))
    assert seen == [0.0, 1.0]
    assert store.count(name) == 10


class StoppedError(Exception):
    pass


def test_an_interrupted_run_does_not_count_and_is_continued(
    store: VectorStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.store, "BATCH", 10)

    def stop(description: str, share: float | None = None, /) -> None:
        if share == 0.4:
            raise StoppedError

    with pytest.raises(StoppedError):
        store.replace(name, users(50), unit_vectors(50), attributes(50), stop)
    assert not store.ready(name)
    assert store.names() == []
    with pytest.raises(WorkspaceError, match=r"not indexed yet.*; run 'audience index'"):
        store.snapshot(name)
    seen: list[float | None] = []
    store.replace(name, users(50), unit_vectors(50), attributes(50), lambda _, share=None: seen.append(share))
    assert seen == [0.4, 0.6, 0.8, 1.0]
    assert store.ready(name)
    assert store.snapshot(name)[0] == sorted(users(50))


def test_old_collections_go_and_those_of_others_stay(store: VectorStore, name: str, url: str, tmp_path: Path) -> None:
    kept, other = f"{name}-kept", f"{name}-other"
    with VectorStore(Workspace(tmp_path / "elsewhere"), url) as elsewhere:
        elsewhere.replace(other, users(2), unit_vectors(2), attributes(2))
        for each in (name, kept):
            store.replace(each, users(2), unit_vectors(2), attributes(2))
        assert store.names() == [name, kept]
        assert store.drop_others([kept]) == [name]
        assert store.names() == [kept]
        assert elsewhere.names() == [other]


def test_what_was_written_is_there_after_reopening(workspace: Workspace, url: str, name: str) -> None:
    with VectorStore(workspace, url) as first:
        first.replace(name, users(5), unit_vectors(5), attributes(5))
        before = first.snapshot(name)
    with VectorStore(workspace, url) as second:
        after = second.snapshot(name)
    assert after[0] == before[0]
    assert np.array_equal(after[1], before[1])


def test_threads_may_ask_at_once(store: VectorStore, name: str) -> None:
    vectors = unit_vectors(200)
    store.replace(name, users(200), vectors, attributes(200))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: store.nearest(name, vectors[place], 1)[0][0], range(40)))
    assert found == users(40)


@pytest.mark.parametrize("change", ["ids", "vectors", "attributes", "twice"])
def test_tables_that_do_not_fit_together_are_a_mistake(store: VectorStore, name: str, change: str) -> None:
    ids = ["u0", "u0", "u1"] if change == "twice" else users(2 if change == "ids" else 3)
    vectors, rows = unit_vectors(2 if change == "vectors" else 3), attributes(2 if change == "attributes" else 3)
    with pytest.raises(ValueError, match="must be of one length"):
        store.replace(name, ids, vectors, rows)


def test_a_killed_indexing_run_is_continued_by_the_next(workspace: Workspace, name: str) -> None:
    code = (
        "import os, signal, sys\nimport numpy as np\nimport tools.store\nfrom encoders.workspace import Workspace\n"
        "tools.store.BATCH = 10\n"
        "stop = lambda _, share: os.kill(os.getpid(), signal.SIGKILL) if share == 0.4 else None\n"
        "vectors = np.eye(50, dtype=np.float32)\n"
        "ids = [f'u{number}' for number in range(50)]\n"
        "tools.store.VectorStore(Workspace(sys.argv[1])).replace(sys.argv[2], ids, vectors, [{}] * 50, stop)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, workspace.path, name], check=False)
    assert done.returncode == -signal.SIGKILL
    with VectorStore(workspace) as store:
        assert not store.ready(name)
        store.replace(name, users(50), np.eye(50, dtype=np.float32), [{}] * 50)
        assert store.count(name) == 50


def test_a_second_process_on_the_folder_learns_who_has_it_and_how_to_share(workspace: Workspace) -> None:
    code = (
        "import sys\nfrom tools.store import *\n"
        "try: VectorStore(Workspace(sys.argv[1]))\n"
        "except WorkspaceError as error: sys.exit(str(error))"
    )
    with VectorStore(workspace):
        done = subprocess.run([sys.executable, "-c", code, workspace.path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"by process {os.getpid()}" in done.stderr
    assert f"'chroma run --path {workspace.chroma}'" in done.stderr
    assert "AUDIENCE_CHROMA_URL=http://localhost:8000" in done.stderr


def test_a_server_may_be_shared(workspace: Workspace, chroma_server: str, name: str) -> None:
    with VectorStore(workspace, chroma_server) as first, VectorStore(workspace, chroma_server) as second:
        first.replace(name, users(3), unit_vectors(3), attributes(3))
        assert second.snapshot(name)[0] == users(3)
    assert not workspace.path.exists()


def test_a_server_that_is_not_there_is_named(workspace: Workspace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(WorkspaceError, match=f"{url} cannot be used .*; check that the server") as caught:
            VectorStore(workspace, url)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("url", ["localhost:8000", "http://", "ftp://host", "http://host:port", "http://host/path"])
def test_an_address_that_is_none_shows_what_one_looks_like(workspace: Workspace, url: str) -> None:
    with pytest.raises(WorkspaceError, match=r"should look like http://localhost:8000"):
        VectorStore(workspace, url)


def test_a_damaged_folder_says_how_to_build_it_again(workspace: Workspace) -> None:
    workspace.chroma.mkdir(parents=True)
    (workspace.chroma / "chroma.sqlite3").write_bytes(b"not a database" * 1000)
    for _ in range(3):
        with pytest.raises(WorkspaceError, match="delete that folder and run 'audience index'"):
            VectorStore(workspace)
    shutil.rmtree(workspace.chroma)
    with VectorStore(workspace) as store:
        assert store.names() == []

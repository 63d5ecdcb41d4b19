import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
from numpy.typing import NDArray

import tools.storage.vectors
from encoders.errors import RequestError, WorkspaceError
from encoders.workspace import Workspace
from tests.tools.store_doubles import attributes, records, unit_vectors, users
from tools.storage.vectors import FINGERPRINT, UserRecords, Vectors, VectorStore, collection_name
from tools.types import Filter

pytestmark = pytest.mark.slow


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


def test_importing_the_store_does_not_load_chroma() -> None:
    code = "import sys, tools.storage.vectors; sys.exit('chromadb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_snapshot_gives_back_every_vector_in_the_order_of_ids(
    store: VectorStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.storage.vectors, "BATCH", 100)
    ids, vectors = users(250), unit_vectors(250)
    seen: list[float | None] = []
    store.write(name, records(ids, vectors, attributes(250)), lambda _, share=None: seen.append(share))
    found, matrix = store.snapshot(name)
    assert found == sorted(ids)
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, vectors[[int(user[1:]) for user in found]], rtol=0, atol=1e-6)
    assert store.count(name) == 250
    assert seen == [0.0, 0.4, 0.8, 1.0]


def test_the_nearest_are_those_of_an_exact_scan(store: VectorStore, name: str) -> None:
    ids, vectors = users(1_500), unit_vectors(1_500)
    store.write(name, records(ids, vectors, attributes(1_500)))
    query = unit_vectors(1, seed=1)[0] * 3
    exact = vectors @ query / 3
    found, similarity = store.nearest(name, query, 20)
    assert found == [ids[place] for place in np.argsort(-exact)[:20]]
    np.testing.assert_allclose(similarity, np.sort(exact)[::-1][:20], atol=1e-5)


def test_more_than_there_are_gives_all_of_them(store: VectorStore, name: str) -> None:
    store.write(name, records(users(7), unit_vectors(7), attributes(7)))
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
    store.write(name, records(users(60), unit_vectors(60), rows))
    found, _ = store.nearest(name, unit_vectors(1)[0], 60, filters)
    income = {"high"} if len(filters) > 1 else {"high", "low"}
    assert set(found) == {
        user for user, row in zip(users(60), rows, strict=True) if row["age"] in ages and row["income"] in income
    }


def test_a_filter_on_no_attribute_names_those_there_are(store: VectorStore, name: str) -> None:
    store.write(name, records(users(5), unit_vectors(5), attributes(5)))
    with pytest.raises(RequestError, match="No user has the attribute 'hair'; there are: age, income"):
        store.nearest(name, unit_vectors(1)[0], 3, [Filter(field="hair", values=("red",))])


def test_users_without_any_attribute_are_stored_too(store: VectorStore, name: str) -> None:
    store.write(name, records(users(3), unit_vectors(3), [{"age": None}, {}, {"age": None}]))
    assert store.snapshot(name)[0] == users(3)


def test_replacing_leaves_nothing_of_what_was_there(store: VectorStore, name: str) -> None:
    store.write(name, records(users(10), unit_vectors(10), attributes(10)))
    store.write(name, records(users(4), unit_vectors(4, seed=9), [{"pet": "cat"}] * 4))
    found, matrix = store.snapshot(name)
    assert found == users(4)
    np.testing.assert_allclose(matrix, unit_vectors(4, seed=9), atol=1e-6)
    with pytest.raises(RequestError, match="there are: pet"):
        store.nearest(name, unit_vectors(1)[0], 3, [Filter(field="age", values=("18-24",))])


def test_writing_the_same_again_changes_nothing(store: VectorStore, name: str) -> None:
    counts = [store.write(name, records(users(10), unit_vectors(10), attributes(10))) for _ in range(2)]
    assert counts == [10, 0]
    assert store.count(name) == 10


class StoppedError(Exception):
    pass


def test_an_interrupted_run_does_not_count_and_is_continued(
    store: VectorStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.storage.vectors, "BATCH", 10)

    def stop(description: str, share: float | None = None, /) -> None:
        if share == 0.4:
            raise StoppedError

    with pytest.raises(StoppedError):
        store.write(name, records(users(50), unit_vectors(50), attributes(50)), stop)
    assert not store.ready(name)
    assert store.names() == []
    with pytest.raises(WorkspaceError, match=r"not indexed yet.*; run 'audience index'"):
        store.snapshot(name)
    encoded: list[str] = []
    assert store.write(name, records(users(50), unit_vectors(50), attributes(50), encoded=encoded)) == 30
    assert encoded == users(50)[20:]
    assert store.ready(name)
    assert store.snapshot(name)[0] == sorted(users(50))


def test_old_collections_go_and_those_of_others_stay(store: VectorStore, name: str, url: str, tmp_path: Path) -> None:
    kept, other = f"{name}-kept", f"{name}-other"
    with VectorStore(Workspace(tmp_path / "elsewhere"), url) as elsewhere:
        elsewhere.write(other, records(users(2), unit_vectors(2), attributes(2)))
        for each in (name, kept):
            store.write(each, records(users(2), unit_vectors(2), attributes(2), model=each))
        assert store.names() == [name, kept]
        assert store.drop_others([kept]) == [name]
        assert store.names() == [kept]
        assert elsewhere.names() == [other]


def test_what_was_written_is_there_after_reopening(workspace: Workspace, url: str, name: str) -> None:
    with VectorStore(workspace, url) as first:
        first.write(name, records(users(5), unit_vectors(5), attributes(5)))
        before = first.snapshot(name)
    with VectorStore(workspace, url) as second:
        after = second.snapshot(name)
    assert after[0] == before[0]
    assert np.array_equal(after[1], before[1])


def test_threads_may_ask_at_once(store: VectorStore, name: str) -> None:
    vectors = unit_vectors(200)
    store.write(name, records(users(200), vectors, attributes(200)))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: store.nearest(name, vectors[place], 1)[0][0], range(40)))
    assert found == users(40)


@pytest.mark.parametrize("change", ["ids", "fingerprints", "attributes", "twice"])
def test_tables_that_do_not_fit_together_are_a_mistake(store: VectorStore, name: str, change: str) -> None:
    ids = ["u0", "u0", "u1"] if change == "twice" else users(2 if change == "ids" else 3)
    fingerprints = np.arange(2 if change == "fingerprints" else 3)
    rows = attributes(2 if change == "attributes" else 3)
    with pytest.raises(ValueError, match="must be of one length"):
        store.write(name, UserRecords("m1", ids, fingerprints, rows, lambda places: unit_vectors(len(places))))


_KILLED = """
import os, signal, sys
import numpy as np
import tools.storage.vectors
from encoders.workspace import Workspace
from tools.storage.vectors import UserRecords

tools.storage.vectors.BATCH = 10
vectors, fingerprints = np.eye(50, dtype=np.float32), np.arange(50)
changed = int(sys.argv[3])
vectors[:changed], fingerprints[:changed] = -vectors[:changed], -1 - fingerprints[:changed]
users = UserRecords("m1", [f"u{number}" for number in range(50)], fingerprints, [{}] * 50, lambda rows: vectors[rows])
kill = lambda _, share: os.kill(os.getpid(), signal.SIGKILL) if 0.3 < share < 1 else None
tools.storage.vectors.VectorStore(Workspace(sys.argv[1])).write(sys.argv[2], users, kill)
"""


def killed_run(workspace: Workspace, name: str, changed: int = 0) -> None:
    """A run that is killed after a few batches, with the first users changed."""
    done = subprocess.run([sys.executable, "-c", _KILLED, workspace.path, name, str(changed)], check=False)
    assert done.returncode == -signal.SIGKILL


def eye_records(encoded: list[str], changed: int = 0) -> UserRecords:
    """The users of the killed run, the first of them changed."""
    vectors, fingerprints = np.eye(50, dtype=np.float32), np.arange(50)
    vectors[:changed], fingerprints[:changed] = -vectors[:changed], -1 - fingerprints[:changed]

    def encode(places: NDArray[np.int64]) -> Vectors:
        encoded.extend(f"u{place}" for place in places)
        return vectors[places]

    return UserRecords("m1", users(50), fingerprints, [{}] * 50, encode)


def test_a_killed_indexing_run_is_continued_by_the_next(workspace: Workspace, name: str) -> None:
    killed_run(workspace, name)
    encoded: list[str] = []
    with VectorStore(workspace) as store:
        assert not store.ready(name)
        assert store.write(name, eye_records(encoded)) == 30
        assert encoded == users(50)[20:]
        assert store.count(name) == 50


@pytest.mark.parametrize(
    ("killed", "usable", "changed", "left"),
    [
        (20, False, 20, range(10, 20)),
        (20, False, 5, range(5, 20)),
        (30, True, 30, range(10, 30)),
        (30, True, 5, range(5)),
    ],
    ids=["few", "few, then another day", "most", "most, then another day"],
)
def test_a_killed_update_is_continued_by_the_next(
    workspace: Workspace, name: str, killed: int, usable: bool, changed: int, left: range
) -> None:
    """Where most are new, the index from before stays; where few are, it is the one that is continued."""
    with VectorStore(workspace) as store:
        store.write(name, eye_records([]))
    killed_run(workspace, f"{name}-{killed}", killed)
    encoded: list[str] = []
    with VectorStore(workspace) as store:
        assert store.names() == [name] * usable
        again = eye_records(encoded, changed)
        assert store.write(f"{name}-{changed}", again) == len(left)
        assert encoded == [f"u{number}" for number in left]
        assert store.names() == [f"{name}-{changed}"]
        ids, matrix = store.snapshot(f"{name}-{changed}")
        order = np.array([int(user[1:]) for user in ids])
        np.testing.assert_array_equal(matrix, again.encode(order))


def test_only_what_is_no_longer_so_is_encoded_and_written(store: VectorStore, name: str) -> None:
    ids, vectors, rows = users(300), unit_vectors(300), attributes(300)
    store.write(name, records(ids, vectors, rows))
    ids = [*users(290), "new"]
    vectors = np.concatenate([unit_vectors(290), unit_vectors(1, seed=3)])
    vectors[:20] = unit_vectors(20, seed=2)
    rows = [*rows[:290], {"pet": "cat"}]
    rows[27] = {"age": None, "income": "high"}
    rows[30] = {"age": "25-34", "income": "none"}
    encoded: list[str] = []
    assert store.write(f"{name}-next", records(ids, vectors, rows, encoded=encoded)) == 23
    assert encoded == [*users(20), "u27", "u30", "new"]
    assert store.names() == [f"{name}-next"]
    found, matrix = store.snapshot(f"{name}-next")
    assert found == sorted(ids)
    np.testing.assert_allclose(matrix, vectors[[ids.index(user) for user in found]], rtol=0, atol=1e-6)
    query = unit_vectors(1, seed=1)[0]
    assert store.nearest(f"{name}-next", query, 20)[0] == [ids[place] for place in np.argsort(-vectors @ query)[:20]]
    for field, values in (("age", ("18-24", "25-34")), ("income", ("none",)), ("pet", ("cat",))):
        passed = store.nearest(f"{name}-next", query, 300, [Filter(field=field, values=values)])[0]
        assert set(passed) == {user for user, row in zip(ids, rows, strict=True) if row.get(field) in values}


def test_the_index_of_another_model_is_neither_used_nor_touched(store: VectorStore, name: str) -> None:
    store.write(name, records(users(10), unit_vectors(10), attributes(10)))
    before = store.snapshot(name)
    assert store.write(f"{name}-m2", records(users(10), unit_vectors(10), attributes(10), model="m2")) == 10
    assert store.names() == [name, f"{name}-m2"]
    np.testing.assert_array_equal(store.snapshot(name)[1], before[1])


@pytest.mark.parametrize(("changed", "encoded"), [((90,), 90), ((100,), 100), ((30, 30), 30)])
def test_where_much_has_changed_the_old_index_is_left_until_the_new_one_is_complete(
    store: VectorStore, name: str, changed: tuple[int, ...], encoded: int
) -> None:
    """Much in one day, or little by little: what Chroma has deleted goes on to cost time."""
    vectors, days = unit_vectors(100), [f"{name}-{day}" for day in range(len(changed) + 1)]
    store.write(days[0], records(users(100), vectors, attributes(100)))

    def stop(_: str, share: float | None = None, /) -> None:
        raise StoppedError

    for day, count in enumerate(changed, start=1):
        vectors[:count] = unit_vectors(count, seed=day)
        if day == len(changed):
            with pytest.raises(StoppedError):
                store.write(days[day], records(users(100), vectors, attributes(100)), stop)
            assert store.names() == [days[day - 1]]
        written = store.write(days[day], records(users(100), vectors, attributes(100)))
    assert written == encoded
    assert store.names() == [days[-1]]
    found, matrix = store.snapshot(days[-1])
    np.testing.assert_allclose(matrix, vectors[[int(user[1:]) for user in found]], rtol=0, atol=1e-6)
    assert store.nearest(days[-1], vectors[0], 1)[0] == ["u0"]


def test_records_without_a_fingerprint_are_written_again(store: VectorStore, name: str) -> None:
    store.write(name, records(users(3), unit_vectors(3), attributes(3)))
    [written] = [each for each in store.contents() if each.called.startswith(name)]
    store.drop_others([])
    del written.attributes[written.ids.index("u1")][FINGERPRINT]
    store.put_collection(written)
    encoded: list[str] = []
    store.write(name, records(users(3), unit_vectors(3), attributes(3), encoded=encoded))
    assert encoded == ["u1"]


def test_a_copy_of_the_workspace_on_the_same_server_has_its_own_index(
    workspace: Workspace, chroma_server: str, name: str, tmp_path: Path
) -> None:
    with VectorStore(workspace, chroma_server) as first, VectorStore(Workspace(tmp_path), chroma_server) as second:
        first.write(name, records(users(10), unit_vectors(10), attributes(10)))
        assert not second.ready(name)
        second.write(name, records(users(10), unit_vectors(10, seed=1), attributes(10)))
        np.testing.assert_allclose(first.snapshot(name)[1], unit_vectors(10), atol=1e-6)


def test_two_processes_that_write_at_once_never_pass_for_one(
    workspace: Workspace, chroma_server: str, name: str
) -> None:
    tomorrow = unit_vectors(10)
    tomorrow[:5] = unit_vectors(5, seed=1)
    with VectorStore(workspace, chroma_server) as first, VectorStore(workspace, chroma_server) as second:
        first.write(f"{name}-0", records(users(10), unit_vectors(10), attributes(10)))
        ours = records(users(11), unit_vectors(11), attributes(11))

        def interrupted(places: NDArray[np.int64]) -> Vectors:
            second.write(f"{name}-2", records(users(10), tomorrow, attributes(10)))
            return ours.encode(places)

        with pytest.raises(WorkspaceError, match="another process"):
            first.write(f"{name}-1", replace(ours, encode=interrupted))
        encoded: list[str] = []
        second.write(f"{name}-2", records(users(10), tomorrow, attributes(10), encoded=encoded))
        assert encoded == []
        assert second.snapshot(f"{name}-2")[0] == users(10)


def test_a_second_process_on_the_folder_learns_who_has_it_and_how_to_share(workspace: Workspace) -> None:
    code = (
        "import sys\nfrom tools.storage.vectors import *\n"
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
        first.write(name, records(users(3), unit_vectors(3), attributes(3)))
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

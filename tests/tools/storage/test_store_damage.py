"""An index that is damaged, or has outgrown its users."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import tools.storage.vectors
from encoders.errors import BrokenIndexError, WorkspaceError
from encoders.workspace import Workspace
from tests.tools.store_doubles import attributes, records, unit_vectors, users
from tools.storage.vectors import VectorStore


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_a_damaged_folder_says_how_to_build_it_again(workspace: Workspace) -> None:
    workspace.chroma.mkdir(parents=True)
    (workspace.chroma / "chroma.sqlite3").write_bytes(b"not a database" * 1000)
    for _ in range(3):
        with pytest.raises(WorkspaceError, match="delete that folder and run 'audience index'"):
            VectorStore(workspace)
    shutil.rmtree(workspace.chroma)
    with VectorStore(workspace) as store:
        assert store.names() == []


def test_a_flipped_byte_in_a_vector_is_noticed(workspace: Workspace) -> None:
    with VectorStore(workspace) as store:
        store.write("a", records(users(60), unit_vectors(60), attributes(60)))
        assert store.snapshot("a")[0] == sorted(users(60))
    path, vector = workspace.chroma / "chroma.sqlite3", unit_vectors(60)[7].tobytes()
    content = path.read_bytes()
    assert vector in content
    path.write_bytes(content.replace(vector, vector[:-3] + bytes([vector[-3] ^ 1]) + vector[-2:]))
    with VectorStore(workspace) as store, pytest.raises(BrokenIndexError, match="not what was written"):
        store.snapshot("a")


@pytest.mark.parametrize("with_holes", [False, True])
def test_a_folder_that_has_outgrown_its_users_is_built_again(
    workspace: Workspace, caplog: pytest.LogCaptureFixture, with_holes: bool
) -> None:
    vectors = unit_vectors(60)
    with VectorStore(workspace) as store:
        store.write("a", records(users(60), vectors, attributes(60)))
        assert not caplog.messages
        [links] = workspace.chroma.glob("*/link_lists.bin")
        if with_holes:
            os.truncate(links, 100 * tools.storage.vectors.ROOM)
        else:
            links.write_bytes(bytes(2 * tools.storage.vectors.ROOM))
        vectors[:5] = unit_vectors(5, seed=1)
        encoded: list[str] = []
        store.write("b", records(users(60), vectors, attributes(60), encoded=encoded))
        assert len(encoded) == 5
        assert "outgrown its users" in caplog.text
        assert not links.exists()
        ids, found = store.snapshot("b")
        np.testing.assert_allclose(found, vectors[[int(user[1:]) for user in ids]], rtol=0, atol=1e-6)
        assert store.names() == ["b"]
        assert sum(path.stat().st_size for path in workspace.chroma.rglob("*")) < tools.storage.vectors.ROOM
    with VectorStore(workspace) as store:
        assert store.ready("b")

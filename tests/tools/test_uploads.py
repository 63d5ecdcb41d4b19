"""Files that people bring: what is read later is what was brought."""

from collections.abc import Callable
from pathlib import Path

import pytest

from encoders.data.erasing import forget
from encoders.errors import DamagedError
from encoders.workspace import Workspace
from tests.faulty import flip, truncate
from tests.tools.reach_doubles import prepared
from tools.uploads import keep_upload, uploaded


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    prepared(made.data, ["u1", "u2"])
    return made


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    path = tmp_path / "responders.csv"
    path.write_text("user_id,value\nu1,12\nu2,14\n")
    return path


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_upload_is_not_read_until_it_is_brought_again(
    workspace: Workspace, brought: Path, damage: Callable[[Path], None]
) -> None:
    name = keep_upload(workspace, brought)
    damage(uploaded(workspace, name))
    with pytest.raises(DamagedError, match=f"'{name}' is damaged: it is not what was brought; bring it again"):
        uploaded(workspace, name)
    assert keep_upload(workspace, brought) == name
    assert uploaded(workspace, name).read_bytes() == brought.read_bytes()


def test_an_upload_without_users_who_were_erased_is_whole(workspace: Workspace, brought: Path) -> None:
    forget(workspace, ["u1"], [])
    kept = uploaded(workspace, keep_upload(workspace, brought))
    assert kept.read_text() == "user_id,value\nu2,14\n"


def test_an_upload_of_an_earlier_version_has_no_digest_and_is_read(workspace: Workspace, brought: Path) -> None:
    name = keep_upload(workspace, brought)
    (workspace.uploads / f"{name}-sum").unlink()
    assert uploaded(workspace, name).is_file()

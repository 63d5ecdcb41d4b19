"""Damage to what says who may be reached: nobody is sent or erased by half of it."""

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from encoders.checksums import write_checksums
from encoders.data.erasing import Forgotten, erase_from_folder, forget
from encoders.errors import DataError, WorkspaceError
from encoders.settings import Settings
from encoders.workspace import Workspace
from tests.faulty import flip, truncate
from tests.tools.reach_doubles import export, prepared
from tools.access.gate import Allowance, CallLimits
from tools.erasure.erasure import erase
from tools.types import SavedAudience

USERS = [f"u{number:03}" for number in range(400)]
SAVED = SavedAudience(
    id="aud-000000000000",
    name="Tea",
    version=1,
    spec=None,
    definition="all",
    users=len(USERS),
    holdout=0,
    as_of=date(2017, 10, 1),
    model_version="m",
    data_version="d",
    created=datetime(2017, 10, 1, tzinfo=UTC),
    approved_by="Ann",
)


def cut(path: Path) -> None:
    """Leave less of a file than a whole key of masks."""
    truncate(path, 0.3)


DAMAGES = pytest.mark.parametrize("damage", [flip, cut, Path.unlink])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    prepared(made.data, USERS, {"user_id": USERS, "email": [f"{user}@example.org" for user in USERS]})
    write_checksums(made.data)
    return made


@DAMAGES
@pytest.mark.parametrize("name", ["contacts.parquet", "users.parquet"])
def test_nothing_leaves_by_damaged_tables(workspace: Workspace, damage: Callable[[Path], None], name: str) -> None:
    assert export(workspace, SAVED, USERS).rows == len(USERS)
    damage(workspace.data / name)
    with pytest.raises(DataError, match=f"{name} is damaged.*'audience prepare'"):
        export(workspace, SAVED, USERS)


@pytest.mark.parametrize(
    ("card", "mark", "leaves"),
    [
        ({"rejected": {"users: no consent": 1}}, {}, False),
        ({"rejected": {"users: missing user id": 1}}, {}, False),
        ({"rejected": {"users: no consent": 1}}, {"withheld": [None] * len(USERS)}, True),
        ({"rejected": {"users: no consent": 1}, "contacts_compared": True}, {}, True),
        ({"rejected": {"users: user listed twice": 1, "orders: no consent": 1}}, {}, True),
    ],
)
def test_contacts_that_an_earlier_version_never_compared_do_not_leave(
    workspace: Workspace, card: dict[str, Any], mark: dict[str, list[None]], leaves: bool
) -> None:
    contacts: dict[str, Sequence[str | None]] = {
        "user_id": USERS,
        "email": [f"{user}@example.org" for user in USERS],
        **mark,
    }
    prepared(workspace.data, USERS, contacts, **card)
    if leaves:
        assert export(workspace, SAVED, USERS).rows == len(USERS)
        return
    with pytest.raises(DataError, match=r"prepared by an earlier version.*run 'audience prepare' again"):
        export(workspace, SAVED, USERS)
    (workspace.data / "contacts.parquet").unlink()
    prepared(workspace.data, USERS, **card)
    assert export(workspace, SAVED, USERS).rows == len(USERS)


@DAMAGES
@pytest.mark.parametrize("name", ["contacts.parquet", "events.parquet", "dataset.json"])
def test_an_erasure_vouches_for_no_damaged_table(
    workspace: Workspace, damage: Callable[[Path], None], name: str
) -> None:
    before = (workspace.data / "checksums.json").read_bytes()
    damage(workspace.data / name)
    if name != "dataset.json":
        with pytest.raises(DataError, match=f"{name} is damaged.*'audience prepare'"):
            erase_from_folder(workspace.data, ["u001"])
    if name == "contacts.parquet":
        with pytest.raises(DataError, match=f"{name} is damaged.*'audience prepare'"):
            erase(workspace, Settings(workspace=workspace.path), ["u001"], "Ann")
        assert not Forgotten(workspace), "they could not be recognised by their contacts"
    assert (workspace.data / "checksums.json").read_bytes() == before


@DAMAGES
@pytest.mark.parametrize("name", ["forgotten.json", "mask.key"])
def test_without_the_list_of_the_erased_or_its_key_nothing_leaves(
    workspace: Workspace, damage: Callable[[Path], None], name: str
) -> None:
    erase(workspace, Settings(workspace=workspace.path), ["u001"], "Ann")
    assert export(workspace, SAVED, USERS).rows == len(USERS) - 1
    shutil.copy(workspace.path / name, workspace.path / "backup")
    damage(workspace.path / name)
    with pytest.raises(WorkspaceError, match="put a backup of it"):
        export(workspace, SAVED, USERS)
    with pytest.raises(WorkspaceError, match="put a backup of it"):
        forget(workspace, ["u002"], [])
    shutil.copy(workspace.path / "backup", workspace.path / name)
    assert export(workspace, SAVED, USERS).rows == len(USERS) - 1


def test_every_byte_of_the_list_of_the_erased_counts(workspace: Workspace) -> None:
    forget(workspace, ["u001"], [("email", "u001@example.org")])
    path = workspace.path / "forgotten.json"
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 0x01
        path.write_bytes(changed)
        try:
            assert Forgotten(workspace).has_user("u001"), (place, whole[place : place + 1])
        except WorkspaceError:
            continue
        assert json.loads(changed) == json.loads(whole), place


@pytest.mark.parametrize(
    "emptied", ["{}", '{"users": [], "contacts": []}', '{"users": [], "contacts": [], "digest": ""}']
)
def test_an_emptied_list_of_the_erased_is_not_taken_for_one_with_nobody_on_it(
    workspace: Workspace, emptied: str
) -> None:
    erase(workspace, Settings(workspace=workspace.path), ["u001"], "Ann")
    (workspace.path / "forgotten.json").write_text(emptied)
    with pytest.raises(WorkspaceError, match="put a backup of it"):
        Forgotten(workspace)
    with pytest.raises(WorkspaceError, match="put a backup of it"):
        export(workspace, SAVED, USERS)


def test_receipts_without_a_list_are_noticed(workspace: Workspace) -> None:
    workspace.receipts.mkdir()
    assert not Forgotten(workspace)
    (workspace.receipts / "one.json").write_text("{}")
    with pytest.raises(WorkspaceError, match=r"forgotten\.json is gone"):
        Forgotten(workspace)


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("kind", [Allowance, CallLimits])
def test_damaged_counts_of_calls_begin_anew(
    tmp_path: Path, damage: Callable[[Path], None], kind: Callable[[Path], Allowance | CallLimits]
) -> None:
    path = tmp_path / "counts.db"
    kind(path).close()
    damage(path)
    opened = kind(path)
    if isinstance(opened, Allowance):
        opened.ask("token", [b"question"])
    else:
        assert opened.hit("token", 1) == 0
    opened.close()
    assert list((tmp_path / "damaged").glob("counts.db-*.txt"))

import csv
import hashlib
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from tools.contacts import contact_hash, normal_phone

from encoders.errors import DataError, WorkspaceError
from encoders.workspace import Workspace
from tools.export import export_audience, hash_email, hash_phone
from tools.types import SavedAudience

SAVED = SavedAudience(
    id="aud-1",
    name="Baby food",
    version=3,
    spec=None,
    definition="baby food buyers",
    users=4,
    holdout=1,
    as_of=date(2017, 10, 1),
    model_version="m",
    data_version="d",
    created=datetime(2026, 1, 1, tzinfo=UTC),
    approved_by="Ada",
)
MEMBERS, HOLDOUT = ("u4", "u1", "u3", "u2"), ("u3",)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def with_contacts(workspace: Workspace) -> Workspace:
    workspace.data.mkdir()
    pl.DataFrame(
        {
            "user_id": ["u1", "u2", "u3", "u9"],
            "email": [" Ann@Example.COM ", "nonsense", "secret@example.com", "x@example.com"],
            "phone": ["(650) 253-0000", None, "650 253 0001", "650 253 0002"],
            "address": ["1 Main St", "2 Main St", "3 Main St", "4 Main St"],
        }
    ).write_parquet(workspace.data / "contacts.parquet")
    return workspace


def test_hashes_of_known_values() -> None:
    assert hash_email("test@example.com") == "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    assert hash_email("\tTest@Example.com\n") == hash_email("test@example.com")
    assert hash_phone("+16502530000") == sha("+16502530000")
    assert hash_phone("+49 30 901820") == sha("+4930901820")
    assert contact_hash(normal_phone("030 901820", region="DE")) == sha("+4930901820")
    assert hash_phone("(650) 253-0000") == hash_phone("1-650-253-0000") == sha("+16502530000")


@pytest.mark.parametrize("email", ["", "ann", "ann@", "@example.com", "a@b@c", "an n@example.com"])
def test_what_is_no_email_has_no_hash(email: str) -> None:
    assert hash_email(email) is None


@pytest.mark.parametrize("phone", ["", "none", "12", "+1", "1" * 40])
def test_what_is_no_phone_has_no_hash(phone: str) -> None:
    assert hash_phone(phone) is None


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_held_out_users_and_plain_contacts_stay_at_home(with_contacts: Workspace, format: str) -> None:
    done = export_audience(with_contacts, SAVED, MEMBERS, HOLDOUT, format)  # type: ignore[arg-type]
    path = with_contacts.exports / f"aud-1-v3.{format}"
    table = pl.read_csv(path) if format == "csv" else pl.read_parquet(path)
    assert table.rows() == [
        ("u1", sha("ann@example.com"), sha("+16502530000")),
        ("u2", None, None),
        ("u4", None, None),
    ]
    assert tuple(table.columns) == done.columns == ("user_id", "email_sha256", "phone_sha256")
    assert (done.path, done.rows, done.held_out, done.format) == (str(path), 3, 1, format)
    assert (done.audience_id, done.version) == ("aud-1", 3)
    assert done.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert b"example" not in path.read_bytes().lower()
    assert b"Main St" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in with_contacts.exports.iterdir()] == [path.name]


def test_without_contacts_there_are_only_user_ids(workspace: Workspace) -> None:
    done = export_audience(workspace, SAVED, MEMBERS, ())
    assert done.columns == ("user_id",)
    assert Path(done.path).read_text() == "user_id\nu1\nu2\nu3\nu4\n"


def test_exporting_again_writes_the_same_file(with_contacts: Workspace) -> None:
    first = export_audience(with_contacts, SAVED, MEMBERS, HOLDOUT)
    assert export_audience(with_contacts, SAVED, MEMBERS[::-1], HOLDOUT) == first


def test_user_ids_cannot_become_formulas_in_a_spreadsheet(workspace: Workspace) -> None:
    ids = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a=b", 'quote"d,comma']
    done = export_audience(workspace, SAVED, ids, ())
    with Path(done.path).open(newline="") as file:
        cells = {row["user_id"] for row in csv.DictReader(file)}
    assert cells == {"'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "a=b", 'quote"d,comma'}
    exact = export_audience(workspace, SAVED, ids, (), "parquet")
    assert set(pl.read_parquet(exact.path)["user_id"]) == set(ids)


def test_contacts_that_cannot_be_read_stop_the_export(workspace: Workspace) -> None:
    workspace.data.mkdir()
    (workspace.data / "contacts.parquet").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"contacts\.parquet cannot be read .*; prepare the data again"):
        export_audience(workspace, SAVED, MEMBERS, HOLDOUT)
    assert not workspace.exports.exists()


def test_a_full_disk_keeps_the_earlier_file(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = export_audience(workspace, SAVED, MEMBERS, HOLDOUT)
    content = Path(first.path).read_bytes()
    real = pl.DataFrame.write_csv
    monkeypatch.setattr(pl.DataFrame, "write_csv", lambda self, _: real(self, "/dev/full"))
    with pytest.raises(WorkspaceError, match="the disk is full"):
        export_audience(workspace, SAVED, [f"user-{number}" for number in range(100_000)], ())
    assert Path(first.path).read_bytes() == content
    assert len(list(workspace.exports.iterdir())) == 1

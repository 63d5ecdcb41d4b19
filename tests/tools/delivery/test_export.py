import csv
import hashlib
import os
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from encoders.checksums import sum_of
from encoders.data.columns import identity
from encoders.data.contacts import PLAIN, ContactFormat
from encoders.errors import DamagedError, DataError, NotThereError, WorkspaceError
from encoders.workspace import Workspace
from tests.faulty import flip, truncate
from tests.tools.reach_doubles import export, prepared
from tools.delivery.exports import KEPT_DAYS, exported
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
    made = Workspace(tmp_path)
    prepared(made.data, MEMBERS)
    return made


@pytest.fixture
def with_contacts(workspace: Workspace) -> Workspace:
    contacts: dict[str, list[str | None]] = {
        "user_id": ["u1", "u2", "u3", "u9"],
        "email": [" Ann@Example.COM ", "nonsense", "secret@example.com", "x@example.com"],
        "phone": ["(650) 253-0000", None, "650 253 0001", "650 253 0002"],
        "address": ["1 Main St", "2 Main St", "3 Main St", "4 Main St"],
    }
    prepared(workspace.data, MEMBERS, contacts)
    return workspace


def hash_email(email: str) -> str | None:
    return PLAIN.hash("email", email)


def hash_phone(phone: str, country: str = "") -> str | None:
    return ContactFormat(country).hash("phone", phone)


def test_hashes_of_known_values() -> None:
    assert hash_email("test@example.com") == "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    assert hash_email("\tTest@Example.com\n") == hash_email("test@example.com")
    assert hash_phone("+16502530000") == sha("+16502530000")
    assert hash_phone("+49 30 901820") == sha("+4930901820")
    assert hash_phone("030 901820", "DE") == sha("+4930901820")
    assert hash_phone("(650) 253-0000", "US") == hash_phone("1-650-253-0000", "US") == sha("+16502530000")


NO_EMAILS = (
    *("", "ann", "ann@", "@example.com", "a@b@c", "an n@example.com", "n/a@n/a", "mailto:x@y.com", "x@example..com"),
    *(
        "x@localhost",
        ".x@example.com",
        "x@-example.com",
        "x@example.123",
        "<x@example.com>",
        "x@example.com.",
        "+@gmail",
    ),
)


@pytest.mark.parametrize("email", NO_EMAILS)
def test_what_is_no_email_has_no_hash(email: str) -> None:
    assert hash_email(email) is None


@pytest.mark.parametrize("phone", ["", "none", "12", "+1", "1" * 40, "0000000000", "1234567", "1-800-FLOWERS", "+49 x"])
@pytest.mark.parametrize("country", ["", "US", "DE", "GB"])
def test_what_is_no_phone_has_no_hash(phone: str, country: str) -> None:
    assert hash_phone(phone, country) is None


@pytest.mark.parametrize(
    ("phone", "country", "number"),
    [
        ("0170 2345678", "DE", "+491702345678"),
        ("0049 170 2345678", "DE", "+491702345678"),
        ("07911 123456", "GB", "+447911123456"),
        ("7911 123456", "GB", "+447911123456"),
        ("447911123456.0", "GB", "+447911123456"),
        ("+49 170 2345678", "US", "+491702345678"),
    ],
)
def test_a_national_number_is_one_of_its_country_and_without_a_country_none(
    phone: str, country: str, number: str
) -> None:
    assert hash_phone(phone, country) == sha(number)
    assert hash_phone(phone) == (sha(number) if phone.startswith("+") else None)
    assert country == "US" or hash_phone(phone, "US") is None


def test_a_number_that_can_be_read_in_two_ways_is_none() -> None:
    assert hash_phone("+49 170 2345678") != hash_phone("+49 4917 02345678")
    assert hash_phone("491702345678", "DE") is None


def test_hashes_pass_as_they_came_only_where_the_data_says_so() -> None:
    given = sha("ann@example.com")
    hashed = ContactFormat(hashed=("email",))
    assert hashed.hash("email", f" {given.upper()} ", gmail=True) == given
    assert hashed.hash("email", "ann@example.com") is hash_email(given) is None
    assert ContactFormat("US").hash("phone", given) is None


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_held_out_users_and_plain_contacts_stay_at_home(
    with_contacts: Workspace, format: Literal["csv", "parquet"]
) -> None:
    done = export(with_contacts, SAVED, MEMBERS, HOLDOUT, format)
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
    assert {each.name for each in with_contacts.exports.iterdir()} == {path.name, sum_of(path).name}


def test_without_contacts_there_are_only_user_ids(workspace: Workspace) -> None:
    done = export(workspace, SAVED, MEMBERS, ())
    assert done.columns == ("user_id",)
    assert Path(done.path).read_text() == "user_id\nu1\nu2\nu3\nu4\n"


def test_exporting_again_writes_the_same_file(with_contacts: Workspace) -> None:
    first = export(with_contacts, SAVED, MEMBERS, HOLDOUT)
    assert export(with_contacts, SAVED, MEMBERS[::-1], HOLDOUT) == first


def test_user_ids_cannot_become_formulas_in_a_spreadsheet(workspace: Workspace) -> None:
    plain = ["a=b", 'quote"d,comma', "x;=1+1", " a"]
    marked = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "\na", "\u00a0-1", "\u200b=1"]
    marked += [f"{sign}1" for sign in "\uff1d\uff0b\uff0d\uff20"]
    ids = plain + marked
    prepared(workspace.data, ids)
    done = export(workspace, SAVED, ids, ())
    with Path(done.path).open(newline="") as file:
        cells = {row["user_id"] for row in csv.DictReader(file)}
    assert cells == {*plain, *(f"'{each}" for each in marked)}
    assert '"x;=1+1"' in Path(done.path).read_text("utf-8"), "else a new cell begins where semicolons part them"
    back, _ = identity("user_id", pl.String())
    read = pl.read_csv(done.path, infer_schema=False).select(back.alias("user_id"))["user_id"]
    assert {"-1", "=1", "x;=1+1", "\uff1d1", "@SUM(A1)"} <= set(read)
    assert list(read.filter(read.str.starts_with("'"))) == ["' a"]  # no id of prepared data begins with a blank
    exact = export(workspace, SAVED, ids, (), "parquet")
    assert set(pl.read_parquet(exact.path)["user_id"]) == set(ids)


def test_contacts_that_cannot_be_read_stop_the_export(workspace: Workspace) -> None:
    (workspace.data / "contacts.parquet").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"contacts\.parquet cannot be read .*; prepare the data again"):
        export(workspace, SAVED, MEMBERS, HOLDOUT)
    assert not workspace.exports.exists()


def test_a_full_disk_keeps_the_earlier_file(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = export(workspace, SAVED, MEMBERS, HOLDOUT)
    content = Path(first.path).read_bytes()
    real = pl.DataFrame.write_csv
    monkeypatch.setattr(pl.DataFrame, "write_csv", lambda self, _, **how: real(self, "/dev/full", **how))
    many = [f"user-{number}" for number in range(100_000)]
    prepared(workspace.data, many)
    with pytest.raises(WorkspaceError, match="the disk is full"):
        export(workspace, SAVED, many, ())
    assert Path(first.path).read_bytes() == content
    assert exported(workspace, Path(first.path).name) == Path(first.path)
    assert len(list(workspace.exports.iterdir())) == 2  # and its digest


def test_a_file_is_given_out_for_a_week(workspace: Workspace) -> None:
    path = Path(export(workspace, SAVED, MEMBERS).path)
    assert exported(workspace, path.name) == path
    old = path.stat().st_mtime - KEPT_DAYS * 86_400
    os.utime(path, (old, old))
    with pytest.raises(NotThereError, match="was kept for 7 days, which are over; export it again"):
        exported(workspace, path.name)
    assert not path.exists()
    assert not list(workspace.exports.iterdir())


@pytest.mark.parametrize("damage", [flip, truncate])
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_damaged_file_is_not_given_out(
    workspace: Workspace, format: Literal["csv", "parquet"], damage: Callable[[Path], None]
) -> None:
    path = Path(export(workspace, SAVED, MEMBERS, format=format).path)
    damage(path)
    with pytest.raises(DamagedError, match="it is not what was written; export the audience again"):
        exported(workspace, path.name)
    export(workspace, SAVED, MEMBERS, format=format)
    assert exported(workspace, path.name) == path


def test_a_file_of_an_earlier_version_has_no_digest_and_is_given_out(workspace: Workspace) -> None:
    path = Path(export(workspace, SAVED, MEMBERS).path)
    sum_of(path).unlink()
    assert exported(workspace, path.name) == path

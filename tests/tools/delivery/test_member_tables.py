"""Tables that audiences are written to: a row per user and version, whole or not at all, and nobody who may not be."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from agent.cli.main import app
from encoders import settings as config
from encoders.data.contacts import ContactFormat
from encoders.data.databases.embedded import open_sqlite
from encoders.data.erasing import forget
from encoders.errors import DestinationError, RequestError
from tests.databases import PASSWORD, Postgres, held_by_another, running_postgres
from tests.tools.delivery.test_destinations import USERS, House
from tests.tools.reach_doubles import prepared
from tools.erasure.erasure import destinations_sent_to
from tools.erasure.traces import Traces

KINDS = ("sqlite", "duckdb", "postgres")


@dataclass(frozen=True)
class Warehouse:
    """A database that audiences are written to."""

    kind: str
    file: Path
    server: Postgres

    @property
    def connection(self) -> str:
        return "env:WAREHOUSE" if self.kind == "postgres" else f"{self.kind}:{self.file}"

    def run(self, *statements: str) -> list[Any]:
        """Run statements; the rows of the last one."""
        if self.kind == "postgres":
            self.server.run(*statements[:-1])
            return self.server.rows(statements[-1])
        opened = open_sqlite(str(self.file), True) if self.kind == "sqlite" else duckdb.connect(str(self.file))
        with closing(opened) as db:
            return [db.execute(statement).fetchall() for statement in statements][-1]

    def members(self, table: str = "members", user: str = "user_sha256") -> dict[tuple[int, str], bool]:
        rows = self.run(f"SELECT version, {user}, held_out FROM {table}")
        return {(version, user): bool(held_out) for version, user, held_out in rows}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=KINDS)
def warehouse(
    request: pytest.FixtureRequest, server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    monkeypatch.setenv("WAREHOUSE", server.url())
    server.run("DROP TABLE IF EXISTS members")
    return Warehouse(request.param, tmp_path / "warehouse.db", server)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "workspace")
    yield made
    made.registry.close()


def sha(user: str) -> str:
    return hashlib.sha256(user.encode()).hexdigest()


def test_a_version_is_written_once_and_older_ones_stay(house: House, warehouse: Warehouse) -> None:
    saved = house.save()
    members, held_out = house.registry.members("Tea")
    house.destinations.add_table("dwh", warehouse.connection, "members")
    expected = {(1, sha(user)): user in held_out for user in members}
    for _ in range(2):
        done = house.export("dwh")
        assert (done.platform, done.batches, done.rows, done.held_out) == ("dwh", 1, 27, 3)
        assert warehouse.members() == expected
    row = warehouse.run("SELECT DISTINCT audience_id, name, CAST(as_of AS TEXT) FROM members")
    assert row == [(saved.id, "Tea", "2017-10-01")]
    house.save(USERS[:12], share=0.0)
    house.export("dwh")
    assert warehouse.members() == expected | {(2, sha(user)): False for user in USERS[:12]}
    assert [line.action for line in house.registry.audit("Tea")].count("sent") == 3


def test_ids_are_written_where_the_owner_wants_them_and_no_contact_ever(house: House, warehouse: Warehouse) -> None:
    house.save()
    members, held_out = house.registry.members("Tea")
    house.destinations.add_table("dwh", warehouse.connection, "members", user_ids=True)
    house.export("dwh", format="parquet")
    assert warehouse.members(user="user_id") == {(1, user): user in held_out for user in members}
    assert "@" not in str(warehouse.run("SELECT * FROM members"))


def test_who_may_not_be_reached_any_more_is_not_written_and_goes(house: House, warehouse: Warehouse) -> None:
    house.save()
    members, held_out = house.registry.members("Tea")
    house.destinations.add_table("dwh", warehouse.connection, "members", user_ids=True)
    house.export("dwh")
    erased, kept_apart = sorted(set(members) - set(held_out))[0], sorted(held_out)[0]
    forget(house.workspace, [erased, kept_apart], [])
    withdrawn = sorted(set(members) - set(held_out))[1]
    prepared(house.workspace.data, [user for user in USERS if user != withdrawn])
    house.export("dwh")
    left = set(members) - {erased, kept_apart, withdrawn}
    assert warehouse.members(user="user_id") == {(1, user): user in held_out for user in left}


def test_the_receipt_of_an_erasure_names_the_table(house: House, tmp_path: Path) -> None:
    house.save()
    house.destinations.add_table("dwh", f"sqlite:{tmp_path / 'own.db'}", "members")
    house.export("dwh")
    members, held_out = house.registry.members("Tea")
    for user in (sorted(set(members) - set(held_out))[0], sorted(held_out)[0]):
        traces = Traces(frozenset({user}), {}, frozenset(), frozenset(), ContactFormat())
        assert destinations_sent_to(house.workspace, traces) == ("dwh",)


def test_what_is_in_the_way_writes_nothing(house: House, warehouse: Warehouse) -> None:
    house.save()
    warehouse.run("CREATE TABLE members (audience_id TEXT)", "SELECT 1")
    house.destinations.add_table("dwh", warehouse.connection, "members")
    with pytest.raises(
        DestinationError, match="dwh: the table members has no column 'version', so nothing was written"
    ):
        house.export("dwh")
    warehouse.run(
        "DROP TABLE members",
        "CREATE TABLE members (audience_id TEXT, version INTEGER, user_sha256 TEXT, name TEXT, as_of DATE, "
        "held_out BOOLEAN, exported_at TIMESTAMP, CHECK (held_out IS NULL), "
        "PRIMARY KEY (audience_id, version, user_sha256))",
        "SELECT 1",
    )
    with pytest.raises(DestinationError, match=r"dwh: nothing was written to members of .*; mend that, and export"):
        house.export("dwh")
    assert warehouse.members() == {}


def test_a_schema_of_its_own(house: House, warehouse: Warehouse) -> None:
    house.save()
    schema = "main" if warehouse.kind == "sqlite" else "marketing"
    if warehouse.kind != "sqlite":
        warehouse.run("CREATE SCHEMA IF NOT EXISTS marketing", "SELECT 1")
    house.destinations.add_table("dwh", warehouse.connection, f"{schema}.people")
    for _ in range(2):
        house.export("dwh")
    assert len(warehouse.members(f"{schema}.people")) == 30
    warehouse.run(f"DROP TABLE {schema}.people", "SELECT 1")


def test_a_database_that_is_not_there_or_held(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house.save()
    house.destinations.add_table("dwh", "env:WAREHOUSE", "members")
    monkeypatch.setenv("WAREHOUSE", f"postgresql://ann:{PASSWORD}@127.0.0.1:1/shop")
    with pytest.raises(DestinationError, match="dwh: nothing was written to members of env:WAREHOUSE") as failed:
        house.export("dwh")
    assert not any(part in str(failed.value) for part in ("s3cr", "w%rd"))
    file = tmp_path / "held.duckdb"
    monkeypatch.setenv("WAREHOUSE", f"duckdb:{file}")
    with held_by_another(file), pytest.raises(DestinationError, match="Could not set lock on file"):
        house.export("dwh")


def test_the_command_adds_shows_and_removes_a_table(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(house.workspace.path))
    monkeypatch.chdir(tmp_path)
    config.settings.cache_clear()

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["destination", *arguments], prog_name="audience")

    made = run("add", "dwh", "members", "--table", "sqlite:own.db", "--user-ids")
    assert (made.exit_code, made.stdout) == (0, "Export with --to dwh; rows are written to members.\n")
    assert "dwh: dwh, the table members\n" in run("list").stdout
    for wrong, why in (
        (("members", "--table", "postgresql://ann:s3cret@db/shop"), "a password may not stand here"),
        (("https://example.com/in", "--user-ids"), "--user-ids is for a table"),
    ):
        refused = run("add", "other", *wrong)
        assert (refused.exit_code, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
        assert why in refused.stderr
        assert "s3cret" not in refused.stderr
    assert run("remove", "dwh").stdout == "Removed: dwh\n"


def test_destinations_that_are_tables(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = house.destinations.add_table(" DWH ", "sqlite:own.db", "members")
    assert (made.key, made.kind, made.table) == ("dwh", "table", "members")
    assert made in house.destinations.list()
    for name in ("dwh", "meta", "a b"):
        with pytest.raises(RequestError, match=r"There is a destination|cannot be a name"):
            house.destinations.add_table(name, "sqlite:own.db", "members")
    for connection, why in (
        ("postgresql://ann:secret@db/shop", "a password may not stand here"),
        ("oracle:shop", "a connection begins with sqlite:"),
        ("delta:lake", "delta:.*cannot be written to from here"),
    ):
        with pytest.raises(RequestError, match=why):
            house.destinations.add_table("other", connection, "members")
    with pytest.raises(RequestError, match="is no name of a table"):
        house.destinations.add_table("other", "sqlite:own.db", " ")
    house.save()
    monkeypatch.chdir("/")
    house.export("dwh")
    assert (tmp_path / "own.db").stat().st_mode & 0o777 == 0o600
    house.destinations.remove("dwh")
    with pytest.raises(RequestError, match="There is no platform 'dwh'"):
        house.destinations.named("dwh")


@pytest.mark.parametrize("user_ids", [False, True])
def test_who_withdrew_or_was_erased_goes_from_earlier_versions_too(
    house: House, warehouse: Warehouse, user_ids: bool
) -> None:
    house.save(share=0.0)
    house.destinations.add_table("dwh", warehouse.connection, "members", user_ids=user_ids)
    house.export("dwh")
    erased, withdrawn, left = USERS[0], USERS[1], USERS[2]
    forget(house.workspace, [erased], [])
    prepared(house.workspace.data, [user for user in USERS if user != withdrawn])
    house.save(tuple(user for user in USERS if user != left), share=0.0)
    house.export("dwh")

    def called(user: str) -> str:
        return user if user_ids else sha(user)

    found = warehouse.members(user="user_id" if user_ids else "user_sha256")
    expected = {(1, called(user)) for user in USERS[2:]} | {(2, called(user)) for user in USERS[3:]}
    assert set(found) == expected, "who is in the later version no more stays in the earlier one"

"""A workspace of version 0.1: no checksums, data in ``data`` itself, earlier formats of the databases, open modes."""

import sqlite3
import stat
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from encoders.checksums import CHECKSUMS
from encoders.workspace import Workspace
from tests.faulty import as_of_an_earlier_version
from tests.planted import AS_OF, MASK_KEY, world_settings
from tools.access.callers import TABLES as TOKEN_TABLES
from tools.access.callers import Scope, Tokens
from tools.jobs import TABLES as JOB_TABLES
from tools.jobs import Ledger
from tools.service import AudienceService
from tools.storage.registry_tables import TABLES
from tools.types import AudienceSpec

FORMAT, JOB_FORMAT = 4, 1
"""Of the registry and the jobs in 0.1."""
SPEC = AudienceSpec(demand="households that will buy coffee in the next 28 days", cut=0.5)
NOW = "2026-01-02T03:04:05+00:00"


def write_database(path: Path, tables: tuple[str, ...], statements: Mapping[str, Sequence[tuple[object, ...]]]) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript("".join(tables))
        for statement, rows in statements.items():
            db.executemany(statement, rows)
        db.execute(f"PRAGMA user_version = {len(tables)}")
        db.commit()
    path.chmod(0o644)


@pytest.fixture
def earlier(own_workspace: Workspace) -> Workspace:
    """What 0.1 left: an audience of 60 users, five of them held out, a token, a job and the key of masks."""
    root = own_workspace.path
    for path in (*root.rglob(CHECKSUMS), *root.glob("*.db*")):
        path.unlink()
    as_of_an_earlier_version(own_workspace.newest_model())
    users = pl.read_parquet(own_workspace.data / "users.parquet")["user_id"].sort()[:60].to_list()
    model = own_workspace.newest_model().name
    saved = (SPEC.model_dump_json(), SPEC.demand, 60, 5, AS_OF.isoformat(), model, "d", NOW, "Ann", None)
    write_database(
        own_workspace.registry,
        TABLES[:FORMAT],
        {
            "INSERT INTO audiences VALUES (?, ?, ?)": [("aud-000000000001", "Coffee", "coffee")],
            f"INSERT INTO versions VALUES ('aud-000000000001', 1{', ?' * len(saved)})": [saved],
            "INSERT INTO members VALUES ('aud-000000000001', 1, ?, ?)": [
                (user, number < 5) for number, user in enumerate(users)
            ],
            "INSERT INTO audit VALUES (1, ?, 'Ann', 'save', 'aud-000000000001', 1, '{}')": [(NOW,)],
            "INSERT INTO keys VALUES ('k', 'c', 'aud-000000000001', 1)": [()],
        },
    )
    job = ("job-1", "", "tune tea", "tune", "waiting", '{"description": "Waiting", "fraction": null}', NOW)
    columns = "id, tenant, subject, kind, state, progress, created"
    jobs = {f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)": [job]}
    write_database(root / "jobs.db", JOB_TABLES[:JOB_FORMAT], jobs)
    with Tokens(root / "made.db") as tokens:
        tokens.create("shop", [Scope.SIZE])
    with closing(sqlite3.connect(root / "made.db")) as db:
        [row] = db.execute("SELECT * FROM tokens").fetchall()
    for path in (*root.glob("made.db*"), root / "tokens.used"):
        path.unlink()
    write_database(
        root / "tokens.db", TOKEN_TABLES, {f"INSERT INTO tokens VALUES ({', '.join('?' * len(row))})": [row]}
    )
    (root / "mask.key").write_bytes(MASK_KEY)
    return Workspace(root)


def test_what_an_earlier_version_saved_is_listed_exported_and_refreshed(earlier: Workspace) -> None:
    with closing(AudienceService.open(world_settings(earlier.path))) as service:
        [saved] = service.list_audiences()
        assert (saved.name, saved.version, saved.users, saved.holdout) == ("Coffee", 1, 60, 5)
        assert service.size(SPEC).users
        assert service.export("Coffee").rows == 55
        [forecast] = service.ledger.page().forecasts
        assert (forecast.status, forecast.note) == ("not counted", "No forecast was kept when it was saved.")
        assert forecast.responders
        assert service.refresh("Coffee", "Ann", AS_OF + timedelta(days=7)).saved.version == 2
        assert service.save(SPEC, "Anew", "Ann").users
        actions = [line.action for line in service.tenant.registry.audit()]
        assert actions[0] == "save"
        assert {"export", "refresh"} <= set(actions)
    with closing(AudienceService.open(world_settings(earlier.path))) as service:
        assert {(each.name, each.version) for each in service.list_audiences()} == {("Coffee", 2), ("Anew", 1)}
    with Tokens(earlier.tokens) as tokens:
        assert [card.caller.name for card in tokens.list()] == ["shop"]
        assert tokens.needed()
    with closing(Ledger(earlier.path / "jobs.db")) as jobs:
        assert [job.id for job in jobs.page("", 10, "").jobs] == ["job-1"]


def test_what_an_earlier_version_wrote_is_checked_and_closed_to_others_from_now_on(earlier: Workspace) -> None:
    service = AudienceService.open(world_settings(earlier.path))
    service.close()
    assert (earlier.data / CHECKSUMS).is_file()
    assert (earlier.newest_model() / CHECKSUMS).is_file()
    assert list(earlier.path.glob("registry.db-backup-*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in earlier.path.glob("*.db*")} == {0o600}

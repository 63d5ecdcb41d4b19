"""What is deleted: by a person, and by itself once it is old."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.sqlite import SqliteSaver

from encoders.errors import NotThereError
from encoders.settings import Settings
from encoders.workspace import Workspace
from tools.delivery.exports import KEPT_DAYS
from tools.delivery.outbox import Outbox, announce
from tools.erasure.erasure import delete_conversation, threads
from tools.jobs import Ledger, State
from tools.storage.registry import Registry
from tools.workers import RetentionTask, drop_old, retention_rules

DAYS = 90
NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=DAYS + 1)


def written(path: Path, days_ago: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("user_id\nh001\n")
    moment = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (moment, moment))
    return path


def talk(workspace: Workspace, *names: str) -> None:
    with closing(sqlite3.connect(workspace.path / "checkpoints.db", check_same_thread=False)) as db:
        saver = SqliteSaver(db)
        for name in names:
            config = {"configurable": {"thread_id": name, "checkpoint_ns": ""}}
            saver.put(config, empty_checkpoint(), {}, {})  # type: ignore[arg-type]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize("tenant", ["", "shop"])
def test_files_go_when_they_are_old(workspace: Workspace, tenant: str) -> None:
    own = workspace.of_tenant(tenant)
    old = [written(own.exports / "aud-1-v1.csv", KEPT_DAYS), written(own.uploads / "0123456789ab.csv", DAYS + 1)]
    kept = [written(own.exports / "aud-1-v2.csv", KEPT_DAYS - 2), written(own.uploads / "ab0123456789.csv", DAYS - 1)]
    assert drop_old(workspace, DAYS, NOW) == 2
    assert [path.exists() for path in (*old, *kept)] == [False, False, True, True]


def test_rows_go_when_they_are_old_and_what_is_saved_stays(workspace: Workspace) -> None:
    with Registry(workspace.registry) as registry, closing(Ledger(workspace.path / "jobs.db")) as jobs:
        saved = registry.save_version(
            "Tea", spec=None, definition="tea", members=["u1"], holdout_share=0.0, as_of=NOW.date(),
            model_version="m", data_version="d", approved_by="Ada", key="k",
        )  # fmt: skip
        outbox = Outbox(registry.database, private=True)
        outbox.add("https://example.com/hook")
        with registry.database.transaction():
            announce(registry.database, "audience.ready", saved.id, 1, {})
            announce(registry.database, "audience.ready", saved.id, 2, {})
            registry.database.run("UPDATE deliveries SET state = 'delivered' WHERE version = 1")
        done, waits = jobs.add("", "owner", "tune", "a"), jobs.add("", "owner", "tune", "b")
        jobs.move(done.id, State.CANCELLED, State.WAITING)
        jobs.answers.keep("", "key", "content", "Done")
        assert drop_old(workspace, DAYS, NOW) == 0
        assert drop_old(workspace, DAYS, LATER) == 4
        assert registry.saved_with("k") is None
        assert registry.list() == (saved,)
        assert [line.action for line in registry.audit()] == ["save"]
        assert [each.version for each in outbox.deliveries()] == [2]
        assert [job.id for job in jobs.page("", 9, "").jobs] == [waits.id]
        again = jobs.answers.keep("", "key", "other", "Again")
        assert again == "Again"


def test_conversations_go_a_while_after_their_last_word(workspace: Workspace) -> None:
    talk(workspace, "one", "two")
    assert set(threads(workspace)) == {"one", "two"}
    assert drop_old(workspace, DAYS, NOW) == 0
    delete_conversation(workspace, "one")
    assert b"one" not in (workspace.path / "checkpoints.db").read_bytes()
    with pytest.raises(NotThereError, match="There is no conversation 'one'"):
        delete_conversation(workspace, "one")
    assert drop_old(workspace, DAYS, LATER) == 1
    assert threads(workspace) == {}


def test_the_server_deletes_what_is_old_when_it_starts(workspace: Workspace) -> None:
    old = written(workspace.uploads / "0123456789ab.csv", 2)
    keeper = RetentionTask(Settings(workspace=workspace.path, retention_days=1, _env_file=None))
    with keeper:
        pass
    assert not old.exists()


def test_keys_of_an_earlier_registry_are_as_old_as_its_update(workspace: Workspace) -> None:
    with Registry(workspace.registry) as registry:
        registry.record("Ada", "note", key="k")
        with registry.database.transaction():
            for table, column in (("keys", "made"), ("versions", "notes")):
                registry.database.run(f"ALTER TABLE {table} DROP COLUMN {column}")
            for now, then in (("whose", "caller"), ("content", "request")):
                registry.database.run(f"ALTER TABLE answers RENAME COLUMN {now} TO {then}")
            for table, column in (("members", "chance"), ("members", "habitual"), ("members", "control")):
                registry.database.run(f"ALTER TABLE {table} DROP COLUMN {column}")
            registry.database.run("ALTER TABLE outcomes DROP COLUMN by_user")
            for table in ("meanings", "counts", "member_tables", "put_away", "responses"):
                registry.database.run(f"DROP TABLE {table}")
            registry.database.run("UPDATE keys SET key = 'k'")
            registry.database.run("PRAGMA user_version = 4")
    assert drop_old(workspace, DAYS, NOW) == 0
    with Registry(workspace.registry) as registry:
        registry.record("Ada", "note", key="k")
        assert len(registry.audit()) == 1
    assert drop_old(workspace, DAYS, LATER) == 1


def test_what_cannot_be_cleared_keeps_nothing_else(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    written(workspace.registry, 0)
    old = written(workspace.path / "gradio" / "a" / "b.csv", DAYS + 1)
    talk(workspace, "one")
    assert drop_old(workspace, DAYS, LATER) == 2
    assert not old.exists()
    assert "What is old was not deleted: " in caplog.text


def test_what_is_told_of_keeping_is_what_is_done(tmp_path: Path) -> None:
    rules = retention_rules(Settings(workspace=tmp_path, retention_days=30, undo_days=3, _env_file=None))
    told = {rule.things: rule.days for rule in rules}
    assert told["Exported files"] == KEPT_DAYS
    assert told["Audit lines"] is None
    by_setting = {(rule.set_by, rule.days) for rule in rules if rule.set_by}
    assert by_setting == {("AUDIENCE_RETENTION_DAYS", 30), ("AUDIENCE_UNDO_DAYS", 3)}
    assert all(rule.since for rule in rules if rule.days)

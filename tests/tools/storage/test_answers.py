"""One store of answers by idempotency key, in the file of the jobs and in that of a registry."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from encoders.errors import RequestError
from tools.jobs import TABLES as JOBS
from tools.storage.registry import Registry
from tools.storage.registry_tables import TABLES as REGISTRY
from tools.storage.registry_tables import Answers, KeyReusedError
from tools.storage.sqlite import Database

OLDER: tuple[tuple[Sequence[str], int, str], ...] = (
    (JOBS, 2, "INSERT INTO answers (tenant, key, content, answer) VALUES (?, ?, ?, ?)"),
    (REGISTRY, 4, "INSERT INTO answers (caller, key, request, answer, made) VALUES (?, ?, ?, ?, '2026-01-02')"),
)


@pytest.fixture(params=[JOBS, REGISTRY], ids=["jobs", "registry"])
def answers(request: pytest.FixtureRequest) -> Answers:
    return Answers(Database(None, request.param))


def test_the_first_answer_counts(answers: Answers) -> None:
    assert answers.find("shop", "k", "save tea") is None
    assert answers.keep("shop", "k", "save tea", "1") == "1"
    assert answers.keep("shop", "k", "save tea", "2") == "1"
    assert answers.find("shop", "k", "save tea") == "1"
    assert answers.find("another", "k", "save tea") is None


def test_a_key_stands_for_one_request(answers: Answers) -> None:
    answers.keep("shop", "k", "save tea", "1")
    reused = "The key 'k' was already used for something else"
    with pytest.raises(KeyReusedError, match=reused):
        answers.find("shop", "k", "save beer")
    with pytest.raises(KeyReusedError, match=reused):
        answers.keep("shop", "k", "save beer", "2")


@pytest.mark.parametrize(("tables", "version", "statement"), OLDER, ids=["jobs", "registry"])
def test_a_key_of_an_older_file_is_remembered(
    tables: Sequence[str], version: int, statement: str, tmp_path: Path
) -> None:
    path = tmp_path / "older.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{''.join(tables[:version])} PRAGMA user_version = {version};")
        db.execute(statement, ("shop", "k", sha256(b"save tea").hexdigest(), "1"))
        db.commit()
    with closing(Database(path, tables)) as opened:
        assert Answers(opened).find("shop", "k", "save tea") == "1"


@pytest.mark.parametrize(("tables", "version", "statement"), OLDER, ids=["jobs", "registry"])
def test_no_byte_of_a_file_says_what_was_written_into_a_key(
    tables: Sequence[str], version: int, statement: str, tmp_path: Path
) -> None:
    path, before, now = tmp_path / "older.db", "idem-cust-005xq", "again-cust-005xq"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{''.join(tables[:version])} PRAGMA user_version = {version};")
        db.execute(statement, ("shop", before, sha256(b"save tea").hexdigest(), "1"))
        db.commit()
    assert b"cust-005xq" in path.read_bytes()
    with closing(Database(path, tables)) as opened:
        answers = Answers(opened)
        assert answers.find("shop", before, "save tea") == "1"
        assert answers.keep("shop", now, "save tea", "2") == answers.find("shop", now, "save tea") == "2"
    assert not [each for each in tmp_path.iterdir() if b"cust-005xq" in each.read_bytes()]


def test_a_registry_keeps_no_key_as_it_was_written(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "r.db")) as db:
        db.executescript(f"{''.join(REGISTRY[:6])} PRAGMA user_version = 6;")
        db.execute("INSERT INTO keys VALUES ('idem-cust-005xq', 'c', NULL, NULL, '2026-01-02')")
        db.execute("INSERT INTO pushes VALUES ('p', 'a', 1, 'd', 'c', 'idem-cust-005xq', '2026-01-02', 1, 1)")
        db.execute("INSERT INTO pushes VALUES ('q', 'a', 1, 'd', 'c', '', '2026-01-02', 1, 1)")
        db.commit()
    with Registry(tmp_path / "r.db") as registry:
        registry.record("Ada", "note", key="new-cust-005xq")
        registry.record("Ada", "note", key="new-cust-005xq")
        assert len(registry.audit()) == 1
        with pytest.raises(RequestError, match="already used"):
            registry.record("Ada", "something else", key="idem-cust-005xq")
        with registry.database.reading():
            kept = [row["key"] for row in registry.database.run("SELECT key FROM pushes ORDER BY id")]
        assert kept == [sha256(b"idem-cust-005xq").hexdigest(), ""]
    assert b"cust-005xq" not in (tmp_path / "r.db").read_bytes()

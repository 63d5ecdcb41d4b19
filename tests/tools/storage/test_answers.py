"""One store of answers by idempotency key, in the file of the jobs and in that of a registry."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from tools.jobs import TABLES as JOBS
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

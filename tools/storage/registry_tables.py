"""Tables beside the saved audiences: the registry's own, as they came about, and answers by idempotency key."""

from datetime import UTC, datetime

from pydantic import BaseModel

from encoders.errors import RequestError
from tools.storage.sqlite import Database, digest

# --- The tables of the registry, as they came about; a file of an older format gets what it lacks when
#     it is opened ---


_AUDIENCES = """
CREATE TABLE audiences (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE
);
CREATE TABLE versions (
    audience TEXT NOT NULL REFERENCES audiences (id),
    version INTEGER NOT NULL,
    spec TEXT,
    definition TEXT NOT NULL,
    users INTEGER NOT NULL,
    holdout INTEGER NOT NULL,
    as_of TEXT NOT NULL,
    model_version TEXT NOT NULL,
    data_version TEXT NOT NULL,
    created TEXT NOT NULL,
    approved_by TEXT NOT NULL,
    PRIMARY KEY (audience, version)
);
CREATE TABLE members (
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    held_out INTEGER NOT NULL,
    PRIMARY KEY (audience, version, user_id),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
) WITHOUT ROWID;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    audience TEXT,
    version INTEGER,
    details TEXT NOT NULL
);
CREATE TABLE keys (
    key TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    audience TEXT,
    version INTEGER
);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE (ABORT, 'audit lines are never changed'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE (ABORT, 'audit lines are never deleted'); END;
"""

_OUTCOMES = """
ALTER TABLE versions ADD COLUMN forecast TEXT;
CREATE TABLE outcomes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    content TEXT NOT NULL,
    outcome TEXT NOT NULL,
    UNIQUE (audience, version, content),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
);
"""

_TELLING = """
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY,
    url TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    events TEXT NOT NULL,
    created TEXT NOT NULL,
    disabled TEXT NOT NULL
);
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    webhook TEXT NOT NULL,
    url TEXT NOT NULL,
    event TEXT NOT NULL,
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    created TEXT NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL,
    due TEXT,
    answer TEXT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (state, due);
CREATE TABLE told (key TEXT PRIMARY KEY);
CREATE TABLE receivers (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE pushes (
    id TEXT PRIMARY KEY,
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    destination TEXT NOT NULL,
    content TEXT NOT NULL,
    key TEXT NOT NULL,
    created TEXT NOT NULL,
    batches INTEGER NOT NULL,
    sent INTEGER NOT NULL
);
"""

_DEPLOYMENTS = """
CREATE TABLE deployments (
    audience TEXT NOT NULL REFERENCES audiences (id),
    destination TEXT NOT NULL,
    deployment TEXT NOT NULL,
    PRIMARY KEY (audience, destination)
);
CREATE TABLE answers (
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    made TEXT NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE TABLE accounts (
    caller TEXT NOT NULL,
    account_id TEXT NOT NULL,
    account TEXT NOT NULL,
    PRIMARY KEY (caller, account_id)
);
"""

_REACHING = """
ALTER TABLE versions ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE keys ADD COLUMN made TEXT NOT NULL DEFAULT '';
UPDATE keys SET made = strftime('%Y-%m-%dT%H:%M:%S+00:00', 'now');
"""

_ANSWERS = """
ALTER TABLE answers RENAME COLUMN caller TO whose;
ALTER TABLE answers RENAME COLUMN request TO content;
"""

_HASHED_KEYS = """
PRAGMA secure_delete = ON;
UPDATE keys SET key = sha256(key);
UPDATE answers SET key = sha256(key);
UPDATE pushes SET key = sha256(key) WHERE key <> '';
"""
"""Callers write into keys what they like, users too, and no erasure knows one inside of a word."""

_LEDGER = """
CREATE TABLE meanings (
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    meaning TEXT NOT NULL,
    PRIMARY KEY (audience, version),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
);
CREATE TABLE counts (
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    data_version TEXT NOT NULL,
    members INTEGER NOT NULL,
    gone INTEGER NOT NULL,
    responders INTEGER NOT NULL,
    population INTEGER NOT NULL,
    population_responders INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (audience, version),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
);
"""
"""What a demand meant when it was saved, and what was counted for it last: numbers alone, and of nobody by name."""

_MEMBER_TABLES = """
CREATE TABLE member_tables (
    name TEXT PRIMARY KEY,
    connection TEXT NOT NULL,
    place TEXT NOT NULL,
    user_ids INTEGER NOT NULL,
    created TEXT NOT NULL
);
"""

_PUT_AWAY = """
CREATE TABLE put_away (
    id TEXT PRIMARY KEY REFERENCES audiences (id),
    state TEXT NOT NULL,
    time TEXT NOT NULL,
    actor TEXT NOT NULL,
    name TEXT NOT NULL
);
"""
"""Audiences that are archived, or deleted and can still be brought back; of these, the name is free for another."""

_EFFECTS = """
ALTER TABLE members ADD COLUMN chance REAL;
ALTER TABLE members ADD COLUMN habitual INTEGER;
ALTER TABLE members ADD COLUMN control INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outcomes ADD COLUMN by_user INTEGER NOT NULL DEFAULT 0;
CREATE TABLE responses (
    audience TEXT NOT NULL,
    version INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    value REAL,
    PRIMARY KEY (audience, version, user_id),
    FOREIGN KEY (audience, version) REFERENCES versions (audience, version)
) WITHOUT ROWID;
"""
"""What was forecast for each user when an audience was saved, and who of them responded: effects are told from both.

Outcomes that were recorded before have numbers alone (``by_user`` 0), until they are brought again.
"""

TABLES = (
    _AUDIENCES,
    _OUTCOMES,
    _TELLING,
    _DEPLOYMENTS,
    _REACHING,
    _ANSWERS,
    _HASHED_KEYS,
    _LEDGER,
    _MEMBER_TABLES,
    _PUT_AWAY,
    _EFFECTS,
)
"""One script a format; a change is a new script at the end, never an edit of an old one."""


# --- Answers by idempotency key, in a SQLite file: a repeated request is given the answer of the first


class KeyReusedError(RequestError):
    """An idempotency key came back with another request."""


class Answers:
    """The answers in the table ``answers`` of a file: whose, key and content (both hashed), answer, made."""

    def __init__(self, db: Database) -> None:
        """Keep them in ``db``."""
        self._db = db

    def find(self, whose: str, key: str, content: str) -> str | None:
        """What was answered to a request; None where nothing was yet.

        Args:
            whose: who asked; keys of different callers have nothing to do with each other.
            key: idempotency key.
            content: everything the key stands for.

        Raises:
            KeyReusedError: the key came with another request then.
        """
        with self._db.reading():
            found = self._db.run(
                "SELECT content, answer FROM answers WHERE whose = ? AND key = ?", (whose, digest(key))
            )
        if found and found[0]["content"] != digest(content):
            raise KeyReusedError(
                f"The key '{key}' was already used for something else; take a new key for a new action."
            )
        return str(found[0]["answer"]) if found else None

    def keep(self, whose: str, key: str, content: str, answer: str) -> str:
        """Keep an answer, and give the one that counts: the first. Raises like ``find``."""
        with self._db.transaction():
            self._db.run(
                "INSERT OR IGNORE INTO answers (whose, key, content, answer, made) VALUES (?, ?, ?, ?, ?)",
                (whose, digest(key), digest(content), answer, datetime.now(UTC).isoformat()),
            )
        return self.find(whose, key, content) or answer


def json_of(model: BaseModel | None) -> str | None:
    """A record as it is kept; None where there is none."""
    return None if model is None else model.model_dump_json()

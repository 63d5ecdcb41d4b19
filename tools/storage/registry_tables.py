"""The tables of the registry, as they came about; a file of an older format gets what it lacks when it is opened."""

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

TABLES = (_AUDIENCES, _OUTCOMES, _TELLING, _DEPLOYMENTS, _REACHING, _ANSWERS)
"""One script a format; a change is a new script at the end, never an edit of an old one."""

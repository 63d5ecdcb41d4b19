"""Saved audiences, their versions, who is held out, and who did what: one SQLite file.

A version is a snapshot that never changes; saving under an existing name adds the next version. Everything one save
does happens in one transaction, so a process that is killed leaves either all of it or nothing.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from encoders.errors import NotThereError, RequestError
from encoders.records import Record
from encoders.text.words import as_it_was_saved
from tools.naming import NAME_LENGTH, checked_approval, checked_names, is_audience_id
from tools.operation_types import CampaignOutcome
from tools.storage.holdouts import MemberFacts, hold_out
from tools.storage.registry_tables import TABLES, json_of
from tools.storage.sqlite import Database, digest
from tools.types import AudienceSpec, Interval, SavedAudience

NOTHING_KNOWN = MemberFacts()
NOBODY: Mapping[str, float | None] = MappingProxyType({})
_OF_AN_AUDIENCE = (
    "members", "responses", "outcomes", "meanings", "counts", "deployments", "deliveries", "pushes", "keys", "versions"
)  # fmt: skip
"""Tables with rows of an audience, in the order in which they are deleted."""
_THERE = "id NOT IN (SELECT id FROM put_away WHERE state = 'deleted')"
_ARCHIVED = "(SELECT time FROM put_away WHERE put_away.id = audiences.id AND state = 'archived') AS archived"


class SavedVersion(NamedTuple):
    """A version that was just saved, for those who listen."""

    audience: SavedAudience
    members: frozenset[str]
    before: frozenset[str] | None
    """Who was in the version it refreshes; None where it refreshes none."""


Emit = Callable[[Database, SavedVersion], None]
"""Called inside the transaction of a save: what it writes is there exactly when the version is."""


def emit_nothing(database: Database, version: SavedVersion) -> None:
    """Nobody listens."""


class AuditLine(Record):
    """One thing somebody did, kept for good."""

    time: datetime
    actor: str
    action: str
    audience: str | None
    version: int | None
    details: dict[str, Any]


class Registry:
    """The registry of one workspace; any thread and any number of processes may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open ``path``, and make it where missing.

        Raises:
            WorkspaceError: it cannot be written, is damaged, or was written by a newer version of this program.
        """
        self._db = Database(path, TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def database(self) -> Database:
        """The file itself, for what is kept beside the audiences."""
        return self._db

    def save_version(
        self, name: str, *, spec: AudienceSpec | None, definition: str, members: Collection[str], holdout_share: float,
        as_of: date, model_version: str, data_version: str, approved_by: str, key: str = "",
        forecast: Interval | None = None, refreshes: bool = False, inherited: Collection[str] = (),
        notes: Sequence[str] = (), parts: Sequence[str] = (), as_version: int | None = None,
        known: MemberFacts = NOTHING_KNOWN, emit: Emit = emit_nothing,
    ) -> SavedAudience:  # fmt: skip
        """Save an audience, as the next version where the name exists, with holdout and audit line.

        Args:
            name: upper and lower case are the same name.
            spec: None for a combination of saved audiences.
            definition: the audience in words.
            members: ids of everybody in the audience, those that will be held out included.
            holdout_share: share of them that is held out, 0..1.
            as_of: the day the audience is a picture of.
            model_version: what scored it.
            data_version: what it was scored on.
            approved_by: the person who said yes.
            forecast: responders expected among the members.
            key: saving twice with the same key saves once and answers the same, even where the members changed since.
            refreshes: who was in the version before stays where they were; the share is of the rest.
            inherited: users who are held out whatever the share, which is filled up from the others.
            notes: on users who were left out.
            parts: ids of the saved audiences it was combined from.
            as_version: the version that it has to become; None for any.
            known: of the members; their forecast decides of which bands the holdout is drawn.
            emit: told of the new version, inside the transaction.

        Raises:
            RequestError: name or approval is missing, the key was used otherwise, or there is another version by now.
        """
        name, approved_by = checked_names(name, approved_by, keeps_its_name=refreshes)
        texts = {"spec": json_of(spec), "forecast": json_of(forecast), "notes": json.dumps(list(notes))}
        versions = {"as_of": as_of.isoformat(), "model_version": model_version, "data_version": data_version}
        facts: dict[str, str | int | None] = {**texts, **versions, "definition": definition, "approved_by": approved_by}
        content = _digest(action := "refresh" if refreshes else "save", name, facts["spec"], definition, approved_by)
        with self._db.transaction():
            if seen := self._seen(key, content):
                return self.get(seen["audience"], seen["version"])
            audience, version = self._next_version(name)
            if as_version not in (None, version):
                raise RequestError(_changed_meanwhile(name, version))
            before = frozenset(self.members(audience)[0]) if refreshes else None
            held_out = self._held_out(set(members), holdout_share, audience, refreshes, set(inherited), known)
            facts |= (counts := {"users": len(set(members)), "holdout": len(held_out)})
            self._insert({**facts, "audience": audience, "version": version}, set(members), held_out, known)
            made_of = {"name": name, **counts} | ({"parts": list(parts)} if parts else {})
            self.write_audit(approved_by, action, audience, version, made_of)
            self._remember(key, content, audience, version)
            emit(self._db, SavedVersion(saved := self.get(audience, version), frozenset(members), before))
            return saved

    def get(self, id_or_name: str, version: int | None = None) -> SavedAudience:
        """A saved audience, its newest version unless another is asked for.

        Raises:
            RequestError: there is none of that name or version; the text names the nearest.
        """
        with self._db.reading():
            audience = self._find(id_or_name)
            rows = self._versions("WHERE audience = ? ORDER BY version", audience)
        wanted = rows[-1].version if version is None else version
        for row in rows:
            if row.version == wanted:
                return row
        raise NotThereError(f"'{rows[-1].name}' has the versions 1 to {rows[-1].version}, not {version}.")

    def saved_with(self, key: str) -> SavedAudience | None:
        """What was saved with an idempotency key; None where nothing was yet."""
        with self._db.reading():
            found = (
                self._db.run("SELECT * FROM keys WHERE key = ? AND version IS NOT NULL", (digest(key),)) if key else []
            )
            return self.get(found[0]["audience"], found[0]["version"]) if found else None

    def list(self) -> tuple[SavedAudience, ...]:
        """The newest version of every audience, by name."""
        newest = "WHERE version = (SELECT MAX(version) FROM versions AS other WHERE other.audience = versions.audience)"
        with self._db.reading():
            return tuple(self._versions(f"{newest} AND {_THERE} ORDER BY folded"))

    def versions(self) -> tuple[SavedAudience, ...]:
        """Every version of every audience, the latest day first, and of one day by name."""
        with self._db.reading():
            return tuple(self._versions(f"WHERE {_THERE} ORDER BY as_of DESC, folded, version DESC"))

    def history(self, id_or_name: str) -> tuple[SavedAudience, ...]:
        """Every version of one audience, the first one first; raises like ``get``."""
        with self._db.reading():
            return tuple(self._versions("WHERE audience = ? ORDER BY version", self._find(id_or_name)))

    def members(self, id_or_name: str, version: int | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids of everybody in the audience, and of those among them that are held out; both sorted."""
        with self._db.reading():
            saved = self.get(id_or_name, version)
            rows = self._db.run(
                "SELECT user_id, held_out FROM members WHERE audience = ? AND version = ? ORDER BY user_id",
                (saved.id, saved.version),
            )
        return tuple(row["user_id"] for row in rows), tuple(row["user_id"] for row in rows if row["held_out"])

    def id_of(self, name: str) -> str | None:
        """The id of the audience of that name; None where none is saved under it."""
        with self._db.reading():
            found = self._db.run("SELECT id FROM audiences WHERE folded = ?", (" ".join(name.split()).casefold(),))
        return str(found[0]["id"]) if found else None

    def rename(self, id_or_name: str, name: str, approved_by: str) -> SavedAudience:
        """Give a saved audience another name, with an audit line; conditions of other audiences on it follow.

        A name that it has already changes nothing, so that doing it twice does it once.

        Returns:
            Its newest version, under the new name.

        Raises:
            NotThereError: there is none of that name.
            RequestError: the new name or the approval is missing, or another audience is called so.
        """
        name, approved_by = checked_names(name, approved_by)
        with self._db.transaction():
            saved = self.get(id_or_name)
            if saved.name == name:
                return saved
            if (other := self.id_of(name)) not in (None, saved.id):
                raise RequestError(f"Another saved audience is called '{name}' ({other}); choose a name that is free.")
            self._db.run("UPDATE audiences SET name = ?, folded = ? WHERE id = ?", (name, name.casefold(), saved.id))
            self._name_in_conditions(saved, name)
            self.write_audit(approved_by, "rename", saved.id, saved.version, {"name": name, "before": saved.name})
            return self.get(saved.id)

    def delete(self, id_or_name: str, actor: str) -> SavedAudience:
        """Delete an audience for good, with all its versions, outcomes and deployments, deleted before or not.

        Its audit lines stay, without members.

        Returns:
            The newest version as it was.

        Raises:
            NotThereError: there is none of that name.
        """
        with self._db.transaction():
            self._db.run("PRAGMA secure_delete = ON")
            saved = self._versions("WHERE audience = ? ORDER BY version", self._find(id_or_name, deleted=True))[-1]
            for table in _OF_AN_AUDIENCE:
                self._db.run(f"DELETE FROM {table} WHERE audience = ?", (saved.id,))
            self._db.run("DELETE FROM put_away WHERE id = ?", (saved.id,))
            self._db.run("DELETE FROM audiences WHERE id = ?", (saved.id,))
            self.write_audit(actor, "delete", saved.id, saved.version, {"name": saved.name})
        return saved

    def record_outcome(
        self,
        outcome: CampaignOutcome,
        content: str,
        actor: str,
        responses: Mapping[str, float | None] = NOBODY,
        control: Collection[str] = (),
    ) -> CampaignOutcome:
        """Keep how a version did, with its audit line; what was brought last counts.

        The same ``content`` is kept once; brought again right away, it answers the same.

        Args:
            outcome: what was measured.
            content: a digest of what it was measured from.
            actor: who brought it.
            responses: which members responded, each with the value that came with it.
            control: members who came into the control group since it was saved, and count on no side.
        """
        place, actor = (outcome.audience_id, outcome.version), checked_approval(actor)
        with self._db.transaction():
            last = self._db.run(
                "SELECT content, outcome FROM outcomes WHERE audience = ? AND version = ? ORDER BY id DESC LIMIT 1",
                place,
            )
            self._db.run("DELETE FROM responses WHERE audience = ? AND version = ?", place)
            marked = ((*place, user) for user in control)
            self._db.run_many(
                "UPDATE members SET control = 1 WHERE audience = ? AND version = ? AND user_id = ?", marked
            )
            rows = ((*place, user, value) for user, value in responses.items())
            self._db.run_many("INSERT INTO responses VALUES (?, ?, ?, ?)", rows)
            if last and last[0]["content"] == content:
                self._db.run(
                    "UPDATE outcomes SET by_user = 1 WHERE audience = ? AND version = ? AND content = ?",
                    (*place, content),
                )
                return CampaignOutcome.model_validate_json(last[0]["outcome"])
            self._db.run("DELETE FROM outcomes WHERE audience = ? AND version = ? AND content = ?", (*place, content))
            self._db.run(
                "INSERT INTO outcomes (audience, version, content, outcome, by_user) VALUES (?, ?, ?, ?, 1)",
                (*place, content, outcome.model_dump_json()),
            )
            details = {"source": outcome.source, "contacted": outcome.contacted.responders}
            self.write_audit(actor, "outcome", *place, details | {"held out": outcome.held_out.responders})
            return outcome

    def outcome(
        self, id_or_name: str, version: int | None = None, source: Literal["file", "data"] | None = None
    ) -> CampaignOutcome | None:
        """How an audience did, as it was recorded last; of its latest version that has an outcome unless one is named.

        Args:
            id_or_name: the audience.
            version: None for the latest that has an outcome.
            source: only what was brought as a file, or counted in the data; None for either.

        Raises:
            RequestError: there is no such audience or version.
        """
        with self._db.reading():
            saved = self.get(id_or_name, version)
            given = {"version": version, "json_extract(outcome, '$.source')": source}
            wanted = {name: value for name, value in given.items() if value is not None}
            where, values = "".join(f" AND {name} = ?" for name in wanted), tuple(wanted.values())
            rows = self._db.run(
                f"SELECT outcome FROM outcomes WHERE audience = ?{where} ORDER BY version DESC, id DESC LIMIT 1",
                (saved.id, *values),
            )
        return CampaignOutcome.model_validate_json(rows[0]["outcome"]) if rows else None

    def record(
        self,
        actor: str,
        action: str,
        audience: str | None = None,
        version: int | None = None,
        details: dict[str, Any] | None = None,
        key: str = "",
    ) -> None:
        """Write an audit line; once, however often it is called with the same key.

        Args:
            actor: who did it.
            action: what was done, in one word: "export".
            audience: the id of the audience it was done to.
            version: its version.
            details: anything JSON can hold.
            key: idempotency key.

        Raises:
            RequestError: the key was used for something else.
        """
        content = _digest(action, audience, version, details)
        with self._db.transaction():
            if self._seen(key, content) is None:
                self.write_audit(actor, action, audience, version, details or {})
                self._remember(key, content, audience, version)

    def write_audit(
        self, actor: str, action: str, audience: str | None, version: int | None, details: dict[str, Any]
    ) -> None:
        """Write an audit line inside a transaction; ``record`` says what the arguments are."""
        self._db.run(
            "INSERT INTO audit (time, actor, action, audience, version, details) VALUES (?, ?, ?, ?, ?, ?)",
            (datetime.now(UTC).isoformat(), actor, action, audience, version, json.dumps(details, sort_keys=True)),
        )

    def record_event(self, actor: str, action: str, details: Mapping[str, str | int]) -> None:
        """Write an audit line about no audience in particular, without waiting for the disk."""
        with self._db.transaction(flushed=False):
            self.write_audit(actor, action, None, None, dict(details))

    def audit(self, audience: str | None = None) -> tuple[AuditLine, ...]:
        """The audit lines of one audience (id or name) or of all, oldest first."""
        with self._db.reading():
            where, values = ("", ()) if audience is None else (" WHERE audience = ?", (self._find(audience),))
            rows = self._db.run(f"SELECT * FROM audit{where} ORDER BY id", values)
        return tuple(
            AuditLine.model_validate({**{name: row[name] for name in AuditLine.model_fields}, "details": details})
            for row in rows
            for details in [json.loads(row["details"])]
        )

    def _find(self, id_or_name: str, deleted: bool = False) -> str:
        there = "1" if deleted else _THERE
        rows = self._db.run(f"SELECT id, name, folded FROM audiences WHERE {there} ORDER BY folded")
        wanted = " ".join(id_or_name.split())
        for column in ("id",) if is_audience_id(wanted) else ("id", "folded"):
            for row in rows:
                if row[column] == wanted.casefold():
                    return str(row["id"])
        names = {row["folded"]: f"'{row['name']}'" for row in rows}
        near = get_close_matches(wanted.casefold(), names, n=3, cutoff=0.4) or list(names)[:3]
        there_is = f"the nearest names are {', '.join(names[each] for each in near)}" if near else "none is saved yet"
        raise NotThereError(f"There is no saved audience '{wanted[:NAME_LENGTH]}'; {there_is}.")

    def _name_in_conditions(self, saved: SavedAudience, name: str) -> None:
        """Let conditions that name a saved audience name it as it is called from now on."""
        for row in self._db.run("SELECT audience, version, spec FROM versions WHERE spec LIKE '%\"memberships\":[{%'"):
            spec = AudienceSpec.model_validate_json(row["spec"])
            named = [each.audience.casefold() == saved.name.casefold() for each in spec.memberships]
            if not any(named):
                continue
            conditions = tuple(
                each.model_copy(update={"audience": name}) if it else each
                for each, it in zip(spec.memberships, named, strict=True)
            )
            text = spec.model_copy(update={"memberships": conditions}).model_dump_json()
            place = (text, row["audience"], row["version"])
            self._db.run("UPDATE versions SET spec = ? WHERE audience = ? AND version = ?", place)

    def _versions(self, where: str, *values: str) -> Sequence[SavedAudience]:
        rows = self._db.run(f"SELECT *, {_ARCHIVED} FROM versions JOIN audiences ON id = audience {where}", values)
        return [
            SavedAudience.model_validate(
                {name: row[name] for name in SavedAudience.model_fields.keys() & row.keys()}
                | {"spec": _spec_of(row["spec"]) if row["spec"] else None}
                | {"forecast": Interval.model_validate_json(row["forecast"]) if row["forecast"] else None}
                | {"notes": json.loads(row["notes"])}
            )
            for row in rows
        ]

    def _held_out(
        self, members: set[str], share: float, audience: str, refreshes: bool, inherited: set[str], known: MemberFacts
    ) -> set[str]:
        """Who is held out, inside a transaction that has not written the new version yet."""
        new, kept = members, set(inherited & members)
        if refreshes:
            everybody, held_out = (set(each) for each in self.members(audience))
            new, kept = members - everybody, held_out & members
        control = known.control & members
        rest = new - kept - control
        missing = max(0, round(share * len(new)) - len(new & (kept | control)))
        return kept | control | set(hold_out(rest, missing / len(rest) if rest else 0.0, audience, known.chances))

    def _insert(
        self, facts: dict[str, str | int | None], members: set[str], held_out: set[str], known: MemberFacts
    ) -> None:
        """Write one version and who is in it."""
        facts = {**facts, "created": datetime.now(UTC).isoformat()}
        columns = ", ".join(facts)
        self._db.run("DELETE FROM put_away WHERE id = ?", (facts["audience"],))  # whoever saves a version wants it back
        self._db.run(f"INSERT INTO versions ({columns}) VALUES ({', '.join(f':{each}' for each in facts)})", facts)
        place, habitual = (facts["audience"], facts["version"]), known.habitual
        rows = (
            (
                *place,
                user,
                user in held_out,
                known.chances.get(user),
                None if habitual is None else user in habitual,
                user in known.control,
            )
            for user in sorted(members)
        )
        self._db.run_many("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def _next_version(self, name: str) -> tuple[str, int]:
        found = self._db.run("SELECT id FROM audiences WHERE folded = ?", (name.casefold(),))
        if not found:
            audience = f"aud-{token_hex(6)}"
            self._db.run("INSERT INTO audiences VALUES (?, ?, ?)", (audience, name, name.casefold()))
            return audience, 1
        audience = found[0]["id"]
        return audience, self._db.run("SELECT MAX(version) FROM versions WHERE audience = ?", (audience,))[0][0] + 1

    def _seen(self, key: str, content: str) -> sqlite3.Row | None:
        if not key:
            return None
        found = self._db.run("SELECT * FROM keys WHERE key = ?", (digest(key),))
        if found and found[0]["content"] != content:
            raise RequestError(f"The key '{key}' was already used for something else; take a new key for a new action.")
        return found[0] if found else None

    def _remember(self, key: str, content: str, audience: str | None, version: int | None) -> None:
        if key:
            values = (digest(key), content, audience, version, datetime.now(UTC).isoformat())
            self._db.run("INSERT INTO keys (key, content, audience, version, made) VALUES (?, ?, ?, ?, ?)", values)


def _spec_of(text: str) -> AudienceSpec:
    spec = AudienceSpec.model_validate_json(text)
    return spec.model_copy(update={"demand": as_it_was_saved(spec.demand)})


def _changed_meanwhile(name: str, version: int) -> str:
    if version == 1:
        return f"'{name}' is no longer there, so nothing was saved as a version of it; save it anew."
    return f"'{name}' was saved by somebody else meanwhile and has version {version - 1} by now; look at it, then save."


def _digest(*content: object) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

"""Saved audiences on their way out: exported to a file or a destination, and in use at others."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from math import ceil
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

import polars as pl

from encoders.checksums import sha256_of
from encoders.errors import DamagedError, DestinationError, NotThereError, RequestError
from encoders.workspace import Workspace
from tools.audiences.disclosure import Disclosure
from tools.delivery.destinations import Batch, Destination, Destinations, Person, Platform, Receiver, platforms
from tools.delivery.exports import (
    FILE,
    export_audience,
    exported,
    may_leave_by,
    note_reach,
    planned,
    rows_leaving,
    why_outdated,
)
from tools.delivery.member_tables import WITH_HELD_OUT, MemberTable
from tools.delivery.reaching import Reachability, told
from tools.stopping import go_on_unless_stopped
from tools.storage.holdouts import ControlGroup
from tools.storage.registry import Registry
from tools.storage.registry_tables import Answers
from tools.storage.sqlite import Database, digest
from tools.types import ExportFile, ExportPlan, LeftOut, SavedAudience

# --- Where saved audiences are in use, for whom, and what was answered to those who asked: kept in the
#     registry's file ---


Json = dict[str, Any]


class Deployments:
    """The deployments of one tenant; any thread and any number of processes may use them at once."""

    def __init__(self, registry: Registry) -> None:
        """Keep them beside the saved audiences of ``registry``."""
        self._registry, self._db = registry, registry.database
        self.answers = Answers(registry.database)

    def saved_with(self, key: str) -> SavedAudience | None:
        """The audience that was saved with an idempotency key; None where nothing was yet."""
        return self._registry.saved_with(key)

    def of(self, audience: str) -> list[Json]:
        """Where an audience (by its id) is in use, oldest first."""
        with self._db.reading():
            rows = self._db.run("SELECT deployment FROM deployments WHERE audience = ? ORDER BY rowid", (audience,))
        return [json.loads(row["deployment"]) for row in rows]

    def put(self, saved: SavedAudience, deployments: Sequence[tuple[Json, Json]], actor: str, details: Json) -> None:
        """Note that a version is in use at some destinations, in place of what was noted there before.

        Args:
            saved: the version.
            deployments: each destination with all there is to know of it.
            actor: who asked for it.
            details: what else goes into the audit line.
        """
        with self._db.transaction():
            self._db.run_many(
                "INSERT INTO deployments (audience, destination, deployment) VALUES (?, ?, ?) "
                "ON CONFLICT (audience, destination) DO UPDATE SET deployment = excluded.deployment",
                [(saved.id, _plain(where), _plain(deployment)) for where, deployment in deployments],
            )
        self._record(saved, "activate", [where for where, _ in deployments], actor, details)

    def remove(self, saved: SavedAudience, destinations: Sequence[Json], actor: str) -> None:
        """Note that an audience is in use there no longer."""
        with self._db.transaction():
            self._db.run_many(
                "DELETE FROM deployments WHERE audience = ? AND destination = ?",
                [(saved.id, _plain(where)) for where in destinations],
            )
        self._record(saved, "deactivate", destinations, actor, {})

    def accounts(self, caller: str) -> list[Json]:
        """The accounts a caller has named, in the order they did."""
        with self._db.reading():
            rows = self._db.run("SELECT account FROM accounts WHERE caller = ? ORDER BY rowid", (caller,))
        return [json.loads(row["account"]) for row in rows]

    def put_accounts(self, caller: str, accounts: Sequence[Json]) -> None:
        """Keep accounts, each by its ``account_id``, in place of what was kept of them before."""
        with self._db.transaction():
            self._db.run_many(
                "INSERT INTO accounts (caller, account_id, account) VALUES (?, ?, ?) "
                "ON CONFLICT (caller, account_id) DO UPDATE SET account = excluded.account",
                [(caller, each["account_id"], _plain(each)) for each in accounts],
            )

    def _record(
        self, saved: SavedAudience, action: str, destinations: Sequence[Json], actor: str, details: Json
    ) -> None:
        self._registry.record(actor, action, saved.id, saved.version, {"destinations": list(destinations), **details})


def _plain(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


# --- Exporting a saved audience: to a file, and from there to whoever fetches it or in batches to a
#     destination ---


@dataclass(frozen=True)
class Push:
    """One sending of one file to one destination."""

    id: str
    created: datetime
    batches: int
    sent: int


def push(db: Database, to: str, destination: Destination, saved: SavedAudience, file: ExportFile, key: str) -> int:
    """Send the people of a file, batch by batch; a push that was not finished goes on where it stopped.

    Args:
        db: the file of the registry, which remembers how far it came.
        to: the name the destination is asked for by.
        destination: what takes the batches.
        saved: the version that is in the file.
        file: what was exported for it.
        key: idempotency key; what was sent to its end with a key is not sent again with it.

    Returns:
        In how many batches it was sent.

    Raises:
        DamagedError: the file is not what was exported; nothing was sent.
        DestinationError: a batch was not taken; the text says how far it came and what to do.
    """
    people = _whole(file)
    size = destination.batch_size
    begun = _begun(db, to, saved, f"{file.sha256} {size}", key, ceil(len(people) / size))
    for number in range(begun.sent, begun.batches):
        batch = Batch(
            id=f"{begun.id}-{number + 1}",
            push=begun.id,
            number=number + 1,
            batches=begun.batches,
            last=number + 1 == begun.batches,
            audience_id=saved.id,
            name=saved.name,
            version=saved.version,
            as_of=saved.as_of,
            created=begun.created,
            users=len(people),
            people=people[number * size : (number + 1) * size],
        )
        _send(destination, batch)
        with db.transaction():
            db.run("UPDATE pushes SET sent = max(sent, ?) WHERE id = ?", (number + 1, begun.id))
    return begun.batches


def write_members(
    to: MemberTable,
    saved: SavedAudience,
    file: ExportFile,
    users: Sequence[str],
    held_out: Sequence[str],
    earlier: Sequence[str],
) -> None:
    """Write everybody of a file, and whoever is held out, to a table.

    Args:
        to: the table.
        saved: the version that is in the file.
        file: what was exported for it, with the hashes of ids.
        users: the ids of everybody in the file, and maybe others.
        held_out: the ids of those who are held out.
        earlier: the ids of those who may stay in earlier versions.

    Raises:
        DamagedError: the file is not what was exported; nothing was written.
        DestinationError: the table did not take it; nothing was written.
    """
    hashes = [person.user_sha256 for person in _whole(file)]
    if to.user_ids:
        known = {sha256(user.encode()).hexdigest(): user for user in users}
        to.write(saved, [known[each] for each in hashes], held_out, earlier, datetime.now(UTC))
    else:
        apart, stay = ([sha256(user.encode()).hexdigest() for user in each] for each in (held_out, earlier))
        to.write(saved, hashes, apart, stay, datetime.now(UTC))


def _whole(file: ExportFile) -> tuple[Person, ...]:
    """Everybody in a file, if it is what was exported."""
    if sha256_of(Path(file.path)) != file.sha256:
        raise DamagedError(f"{file.path} is damaged: it is not what was written; export the audience again.")
    return _people(Path(file.path), file.format)


def _send(destination: Destination, batch: Batch) -> None:
    """Send one batch; whatever a destination raises is told in a sentence."""
    try:
        destination.send(batch)
    except Exception as error:
        why = str(error) if isinstance(error, DestinationError) else f"{type(error).__name__}: {error}"
        raise DestinationError(
            f"{destination.name} took {batch.number - 1} of {batch.batches} batches, then failed ({why[:300]}); "
            "export it there again to go on with the rest."
        ) from error


def _begun(db: Database, to: str, saved: SavedAudience, content: str, key: str, batches: int) -> Push:
    """The push to go on with, or a new one."""
    place, key = (saved.id, saved.version, to, content), digest(key) if key else ""
    with db.transaction():
        found = db.run(
            "SELECT id, created, batches, sent FROM pushes WHERE audience = ? AND version = ? AND destination = ? "
            "AND content = ? AND (sent < batches OR (key = ? AND key <> '')) ORDER BY created DESC LIMIT 1",
            (*place, key),
        )
        for row in found:
            return Push(row["id"], datetime.fromisoformat(row["created"]), row["batches"], row["sent"])
        new = Push(f"push-{token_hex(8)}", datetime.now(UTC), batches, 0)
        values = (new.id, *place, key, new.created.isoformat(), batches)
        db.run("INSERT INTO pushes VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)", values)
        return new


def _people(path: Path, format: Literal["csv", "parquet"]) -> tuple[Person, ...]:
    """Everybody in a file, in its order."""
    table = pl.read_parquet(path) if format == "parquet" else pl.read_csv(path, infer_schema=False)
    return tuple(Person.model_validate(row) for row in table.iter_rows(named=True))


class Exports:
    """The exports of one tenant."""

    def __init__(
        self,
        workspace: Workspace,
        registry: Registry,
        destinations: Destinations,
        disclosure: Disclosure,
        control: ControlGroup,
    ) -> None:
        """Write nothing yet.

        Args:
            workspace: where the contacts are and the files go.
            registry: where the audiences are, and the audit lines go.
            destinations: who can be exported to.
            disclosure: how counts of users who were left out are shown; its minimum is the smallest number of rows.
            control: who is never reached.
        """
        self._workspace, self._registry, self._destinations = workspace, registry, destinations
        self._disclosure, self._control = disclosure, control

    def export(self, audience: str, format: Literal["csv", "parquet"], key: str, to: str) -> ExportFile:
        """Write a file and, where somebody takes it in batches, send it; an audit line stands before the first batch.

        Args:
            audience: its name or id.
            format: platforms take CSV alone.
            key: idempotency key.
            to: the name of a destination; empty for a table of users.

        Raises:
            TooSmallError: fewer users than the minimum would leave.
            RequestError: there is no such audience or destination, or it would turn the list down.
            DestinationError: it cannot be used, or did not take everything; what was sent is remembered.
        """
        saved, destination, wanted = self._asked(audience, format, to)
        reaching = Reachability(self._workspace, self._registry, self._control)
        reach, leaving = reaching.digest(saved), reaching.leaving(saved)
        name = to.strip().lower()
        go_on_unless_stopped()
        file = export_audience(self._workspace, saved, leaving, reaching.has_contacts, format, wanted, self._disclosure)
        note_reach(Path(file.path), reach)
        self._record(saved, file, key)
        if destination is None or isinstance(destination, Platform):
            return file
        if isinstance(destination, MemberTable):
            batches = self._write(destination, saved, file, leaving.users, reaching)
        else:
            batches = push(self._registry.database, name, destination, saved, file, key)
        sent = file.model_copy(update={"batches": batches})
        self._registry.record(
            saved.approved_by, "sent", saved.id, saved.version, {"platform": sent.platform, "batches": sent.batches},
            f"{key}-sent" if key else "",
        )  # fmt: skip
        return sent

    def planned(self, audience: str, format: Literal["csv", "parquet"], to: str) -> ExportPlan:
        """What ``export`` would write, and who would not be in it; arguments and errors are those of it."""
        saved, _, wanted = self._asked(audience, format, to)
        reaching = Reachability(self._workspace, self._registry, self._control)
        return planned(saved, reaching.leaving(saved), reaching.has_contacts, wanted, self._disclosure)[1]

    def _asked(
        self, audience: str, format: Literal["csv", "parquet"], to: str
    ) -> tuple[SavedAudience, Platform | Destination | MemberTable | None, Platform | Receiver | None]:
        """The audience, the destination, and who the file is written for."""
        saved, destination = self._registry.get(audience), self._destinations.named(to) if to else None
        if isinstance(destination, Platform) and format != "csv":
            raise RequestError(f"{destination.name} takes CSV files alone; export as CSV.")
        if destination is None or isinstance(destination, Platform):
            return saved, destination, destination
        return saved, destination, Receiver(key=to.strip().lower(), name=destination.name)

    def _write(
        self, to: MemberTable, saved: SavedAudience, file: ExportFile, users: Sequence[str], reaching: Reachability
    ) -> int:
        """Write to a table; that it may have been is noted before, so that the receipt of an erasure names it."""
        db = self._registry.database
        begun = _begun(db, to.name, saved, f"{file.sha256}{WITH_HELD_OUT}", "", 1)
        with db.transaction():
            db.run("UPDATE pushes SET sent = 1 WHERE id = ?", (begun.id,))
        write_members(to, saved, file, users, reaching.controls(saved), reaching.earlier(saved))
        return begun.batches

    def reachable(self, audience: str) -> tuple[int, tuple[LeftOut, ...]]:
        """How many rows a table of a saved audience would have now, each contact once, and who is left out of it."""
        saved = self._registry.get(audience)
        reaching = Reachability(self._workspace, self._registry, self._control)
        rows, left_out = rows_leaving(reaching.leaving(saved), reaching.has_contacts)
        return rows, told(left_out, saved, self._disclosure)

    def exported(self, name: str) -> Path:
        """The file that an export wrote under a name, to be given out: everybody in it may be reached now.

        Who may is only looked up where something that decides it has changed.

        Raises:
            NotThereError: there is none, or no longer, or somebody in it may not be reached any more.
            DamagedError: it is not what was written.
            DataError: there is no data that says who may be reached.
        """
        path = exported(self._workspace, name)
        named = re.fullmatch(FILE, name)
        assert named
        saved, to = self._registry.get(named["audience"], int(named["version"])), named["to"]
        reaching = Reachability(self._workspace, self._registry, self._control)
        if may_leave_by(path, reach := reaching.digest(saved)):
            return path
        platform = platforms().get(to, Receiver(key=to, name=to)) if to else None
        leaving = reaching.leaving(saved)
        if why := why_outdated(path, leaving, reaching.has_contacts, platform, saved, self._disclosure):
            raise NotThereError(why)
        note_reach(path, reach)
        return path

    def _record(self, saved: SavedAudience, file: ExportFile, key: str) -> None:
        details: dict[str, Any] = {"format": file.format, "rows": file.rows, "sha256": file.sha256}
        if file.left_out:
            details["left_out"] = {each.reason: each.users for each in file.left_out}
        if file.platform:
            details["platform"] = file.platform
        self._registry.record(saved.approved_by, "export", saved.id, saved.version, details, key)

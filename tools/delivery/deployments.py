"""Where saved audiences are in use, for whom, and what was answered to those who asked: kept in the registry's file."""

import json
from collections.abc import Sequence
from typing import Any

from tools.storage.answers import Answers
from tools.storage.registry import Registry
from tools.types import SavedAudience

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

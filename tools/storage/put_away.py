"""Audiences that are put away: archived, or deleted and for a while still there to be brought back."""

from datetime import UTC, datetime, timedelta
from typing import Any

from encoders.errors import NotThereError, RequestError
from tools.library_types import DeletedAudience
from tools.naming import checked_names
from tools.storage.registry import Registry
from tools.types import SavedAudience


class PutAway:
    """The audiences of one registry that are put away."""

    def __init__(self, registry: Registry, days: int) -> None:
        """Put nothing away yet.

        Args:
            registry: where the audiences are.
            days: for which a deleted one can be brought back.
        """
        self._registry, self._db, self._days = registry, registry.database, days

    def archive(self, audience: str, actor: str) -> SavedAudience:
        """Put an audience away, as it is: neither listed, refreshed nor exported until it is taken back.

        Returns:
            Its newest version; archived already, it stays as it was.

        Raises:
            NotThereError: there is none of that name.
        """
        with self._db.transaction():
            saved = self._registry.get(audience)
            if saved.archived is None:
                self._put(saved, "archived", actor)
                self._registry.write_audit(actor, "archive", saved.id, saved.version, {"name": saved.name})
            return self._registry.get(saved.id)

    def take_back(self, audience: str, actor: str) -> SavedAudience:
        """Have an archived audience among the others again; one that is there already stays as it is.

        Raises:
            NotThereError: there is none of that name.
        """
        with self._db.transaction():
            saved = self._registry.get(audience)
            if saved.archived is not None:
                self._db.run("DELETE FROM put_away WHERE id = ?", (saved.id,))
                self._registry.write_audit(actor, "take back", saved.id, saved.version, {"name": saved.name})
            return self._registry.get(saved.id)

    def delete(self, audience: str, actor: str) -> SavedAudience:
        """Delete an audience so that it can be brought back: nothing finds it, and its name is free.

        Messages about it that wait to be sent are not sent any more, and idempotency keys do not stand for it.

        Returns:
            Its newest version as it was.

        Raises:
            NotThereError: there is none of that name.
        """
        with self._db.transaction():
            saved = self._registry.get(audience)
            self._put(saved, "deleted", actor)
            self._db.run("UPDATE audiences SET name = id, folded = id WHERE id = ?", (saved.id,))
            self._db.run("DELETE FROM keys WHERE audience = ?", (saved.id,))
            self._db.run("DELETE FROM deliveries WHERE audience = ? AND state = 'waiting'", (saved.id,))
            self._registry.write_audit(actor, "delete", saved.id, saved.version, {"name": saved.name})
        return saved

    def restore(self, audience: str, actor: str, name: str = "") -> SavedAudience:
        """Bring a deleted audience back, with all its versions and outcomes; its files are gone.

        Args:
            audience: its id.
            actor: who wants it back.
            name: what it is called from now on; empty for the name it had.

        Raises:
            NotThereError: it was not deleted, or too long ago.
            RequestError: another audience is called so by now.
        """
        with self._db.transaction():
            found = next((each for each in self.deleted() if each.id == audience), None)
            if found is None:
                raise NotThereError(f"There is no deleted audience '{audience[:40]}' to bring back.")
            wanted, actor = checked_names(name or found.name, actor)
            if self._registry.id_of(wanted) is not None:
                raise RequestError(
                    f"Another saved audience is called '{wanted}' by now; bring it back by another name."
                )
            self._db.run("DELETE FROM put_away WHERE id = ?", (audience,))
            names = (wanted, wanted.casefold(), audience)
            self._db.run("UPDATE audiences SET name = ?, folded = ? WHERE id = ?", names)
            saved = self._registry.get(audience)
            self._registry.write_audit(actor, "bring back", saved.id, saved.version, {"name": saved.name})
            return saved

    def deleted(self) -> tuple[DeletedAudience, ...]:
        """Those that can be brought back, the last deleted first."""
        now = datetime.now(UTC)
        return tuple(each for each in self._all() if self._over(each) > now)

    def drop(self, now: datetime, actor: str) -> int:
        """Delete for good what can no longer be brought back; how many audiences that were."""
        old = [each.id for each in self._all() if self._over(each) <= now]
        for each in old:
            self._registry.delete(each, actor)
        return len(old)

    def _over(self, one: DeletedAudience) -> datetime:
        return one.deleted + timedelta(days=self._days)

    def _all(self) -> list[DeletedAudience]:
        with self._db.reading():
            rows = self._db.run("SELECT * FROM put_away WHERE state = 'deleted' ORDER BY time DESC, id")
        return [
            DeletedAudience(
                id=row["id"],
                name=row["name"],
                deleted=(time := datetime.fromisoformat(row["time"])),
                deleted_by=row["actor"],
                until=(time + timedelta(days=self._days)).date(),
            )
            for row in rows
        ]

    def _put(self, saved: SavedAudience, state: str, actor: str) -> None:
        values: tuple[Any, ...] = (saved.id, state, datetime.now(UTC).isoformat(), actor, saved.name)
        self._db.run("INSERT OR REPLACE INTO put_away VALUES (?, ?, ?, ?, ?)", values)

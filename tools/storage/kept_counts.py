"""What the demands of saved audiences meant, and what was counted for them last, beside the audiences themselves."""

from typing import NamedTuple

from tools.storage.sqlite import Database

Place = tuple[str, int]
"""The id of an audience, and one of its versions."""


class Counted(NamedTuple):
    """What the events of one data version say of one version of an audience: numbers, and nobody's id."""

    members: int
    """Users of the audience when it was counted."""
    gone: int
    """Those of them whom the data does not have any more."""
    responders: int
    """Those of them who did it within the horizon."""
    population: int
    """Everyone who was active before the as-of date."""
    population_responders: int
    events: int
    """Within the horizon, of the sources that the demand is about."""


class KeptCounts:
    """The tables ``meanings`` and ``counts`` of a registry."""

    def __init__(self, db: Database) -> None:
        """Keep them in ``db``."""
        self._db = db

    def meaning(self, place: Place) -> str | None:
        """What the demand of a version meant when it was saved, as JSON; None where that was not kept."""
        with self._db.reading():
            rows = self._db.run("SELECT meaning FROM meanings WHERE audience = ? AND version = ?", place)
        return str(rows[0]["meaning"]) if rows else None

    def keep_meaning(self, place: Place, meaning: str) -> None:
        """Keep what the demand of a version means; what was kept before stays."""
        with self._db.transaction():
            self._db.run("INSERT OR IGNORE INTO meanings VALUES (?, ?, ?)", (*place, meaning))

    def counted(self, data_version: str) -> dict[Place, Counted]:
        """What was counted in one version of the data; a version that lost users since has to be counted again."""
        with self._db.reading():
            rows = self._db.run(
                "SELECT counts.* FROM counts JOIN versions USING (audience, version) "
                "WHERE counts.data_version = ? AND counts.members = versions.users",
                (data_version,),
            )
        return {(row["audience"], row["version"]): Counted(*(row[name] for name in Counted._fields)) for row in rows}

    def keep(self, place: Place, data_version: str, counted: Counted) -> None:
        """Keep what was counted, in place of what other data said."""
        marks = ", ".join("?" * (3 + len(counted)))
        with self._db.transaction(flushed=False):
            self._db.run(f"INSERT OR REPLACE INTO counts VALUES ({marks})", (*place, data_version, *counted))

    def deleted(self) -> int:
        """How many audiences were deleted since the file was made, and not brought back."""
        there = "SELECT id FROM audiences WHERE id NOT IN (SELECT id FROM put_away WHERE state = 'deleted')"
        gone = f"SELECT COUNT(DISTINCT audience) FROM audit WHERE action = 'delete' AND audience NOT IN ({there})"
        with self._db.reading():
            return int(self._db.run(gone)[0][0])

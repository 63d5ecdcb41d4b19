"""Treatment, holdout and response of every user in all campaigns of a tenant, added up by what was known before."""

from typing import NamedTuple

from tools.storage.sqlite import Database


class Exposed(NamedTuple):
    """Users of one version of an audience who were alike, on one side of the comparison."""

    audience: str
    version: int
    band: int
    """Of their forecast, by the bounds that were given."""
    habitual: bool
    """They had done before what was asked for."""
    held_out: bool
    users: int
    responders: int
    chances: float
    """The sum of their forecasts."""


class Person(NamedTuple):
    """One user of a version, as they were when it was saved."""

    user_id: str
    chance: float
    habitual: bool


class Exposures:
    """The tables ``members`` and ``responses`` of a registry, looked at together."""

    def __init__(self, db: Database) -> None:
        """Read from ``db``."""
        self._db = db

    def counted(self, edges: tuple[float, ...]) -> list[Exposed]:
        """Every version whose outcome is known user by user, in order; users without a forecast are passed over.

        Args:
            edges: the bounds of the bands of the forecast, from 0 to 1.
        """
        bands = " ".join(f"WHEN chance < {edge!r} THEN {band}" for band, edge in enumerate(edges[1:-1]))
        with self._db.reading():
            rows = self._db.run(
                f"SELECT members.audience, members.version, CASE {bands} ELSE {len(edges) - 2} END AS band, habitual, "
                "held_out, COUNT(*) AS users, COUNT(responses.user_id) AS responders, SUM(chance) AS chances "
                "FROM members LEFT JOIN responses USING (audience, version, user_id) "
                "WHERE chance IS NOT NULL AND habitual IS NOT NULL AND (held_out OR NOT control) "
                "AND EXISTS (SELECT 1 FROM outcomes WHERE by_user AND outcomes.audience = members.audience "
                "AND outcomes.version = members.version) "
                "GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
            )
        return [
            Exposed(
                row["audience"], row["version"], row["band"], bool(row["habitual"]), bool(row["held_out"]),
                row["users"], row["responders"], row["chances"],
            )
            for row in rows
        ]  # fmt: skip

    def unknown(self) -> list[tuple[str, int]]:
        """Versions with an outcome of which it is not known who responded, or what was forecast for whom."""
        with self._db.reading():
            rows = self._db.run(
                "SELECT DISTINCT audience, version FROM outcomes WHERE NOT by_user OR NOT EXISTS (SELECT 1 "
                "FROM members WHERE members.audience = outcomes.audience AND members.version = outcomes.version AND "
                "chance IS NOT NULL AND habitual IS NOT NULL) ORDER BY 1, 2"
            )
        return [(row["audience"], row["version"]) for row in rows]

    def people(self, audience: str, version: int) -> list[Person]:
        """The users of a version of whom a forecast was kept, by their ids."""
        with self._db.reading():
            rows = self._db.run(
                "SELECT user_id, chance, habitual FROM members WHERE audience = ? AND version = ? "
                "AND chance IS NOT NULL AND habitual IS NOT NULL ORDER BY user_id",
                (audience, version),
            )
        return [Person(row["user_id"], row["chance"], bool(row["habitual"])) for row in rows]

"""Where saved audiences are in use: who was sent them, who uses them, and which others are made with them."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.delivery.exports import expired
from tools.library_types import AudienceUse, AudienceUses
from tools.storage.registry import Registry
from tools.types import SavedAudience

_LEFT = "SELECT audience, version, time, action, details FROM audit WHERE action IN ('export', 'sent')"
_PARTS = "SELECT audience, version, details FROM audit WHERE action = 'save' AND details LIKE '%\"parts\"%'"
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Uses:
    """The uses of all saved audiences of one tenant, as they are when this is made."""

    def __init__(self, registry: Registry, exports: Path, exact: bool) -> None:
        """Look them up.

        Args:
            registry: the saved audiences, their deployments and the audit lines.
            exports: where the files are.
            exact: whether the caller may read how many rows left.
        """
        self._exports = exports
        self._found: dict[str, list[AudienceUse]] = defaultdict(list)
        with registry.database.reading():
            for row in registry.database.run(_LEFT):
                details = json.loads(row["details"])
                self._found[row["audience"]].append(_export(row, details, exact))
            for row in registry.database.run("SELECT audience, deployment FROM deployments"):
                if use := _deployment(json.loads(row["deployment"])):
                    self._found[row["audience"]].append(use)
            saved = registry.list()
            made = {
                (row["audience"], row["version"]): json.loads(row["details"]).get("parts", [])
                for row in registry.database.run(_PARTS)
            }
        for each in saved:
            for other, use in _made_with(each, saved, made.get((each.id, each.version))):
                self._found[other].append(use)

    def of(self, audience: str) -> AudienceUses:
        """Those of one audience, by its id."""
        uses = sorted(self._found.get(audience, []), key=lambda each: each.time or _BEGINNING, reverse=True)
        paths = self._exports.glob(f"{audience}-v*")
        files = [each.name for each in paths if each.suffix in (".csv", ".parquet") and not expired(each)]
        return AudienceUses(uses=tuple(uses), files=tuple(sorted(files)))


def _export(row: Any, details: dict[str, Any], exact: bool) -> AudienceUse:
    sent = row["action"] == "sent"
    return AudienceUse(
        kind="sent" if sent else "file",
        what=details.get("platform", ""),
        version=row["version"],
        time=datetime.fromisoformat(row["time"]),
        users=details.get("rows") if exact else None,
    )


def _deployment(found: dict[str, Any]) -> AudienceUse | None:
    """A deployment that is live; one that only has a file waits for somebody to upload it, and stands there as such."""
    if not found.get("is_live"):
        return None
    at = found.get("deployed_at")
    where = found.get("platform") or found.get("agent_url") or found.get("type") or "another agent"
    return AudienceUse(kind="live", what=str(where), time=datetime.fromisoformat(at) if at else None)


def _made_with(
    one: SavedAudience, saved: tuple[SavedAudience, ...], parts: list[str] | None
) -> Iterator[tuple[str, AudienceUse]]:
    """Which audiences ``one`` is made of, or asks about; combinations of earlier versions name them in words."""
    for other in saved:
        names = {other.id.casefold(), other.name.casefold()}
        if one.spec is None:
            of = other.id in parts if parts is not None else f"'{other.name}'" in one.definition
            kind = "combination" if of and other.id != one.id else None
        else:
            kind = "condition" if any(each.audience.casefold() in names for each in one.spec.memberships) else None
        if kind is not None:
            yield (
                other.id,
                AudienceUse.model_validate(
                    {"kind": kind, "what": one.name, "audience_id": one.id, "time": one.created}
                ),
            )

"""What the messages say: ids, counts and dates of one saved audience. Never a user."""

from typing import Any

from tools.database import Database
from tools.types import SavedAudience
from tools.webhooks.outbox import announce


def announce_saved(db: Database, saved: SavedAudience, members: set[str], before: set[str] | None) -> SavedAudience:
    """Tell of a version that was just written, inside its transaction, and give it back.

    Args:
        db: the file of the registry.
        saved: the version.
        members: who is in it.
        before: who was in the version it refreshes; None where it refreshes none.
    """
    if before is None:
        announce(db, "audience.ready", saved.id, saved.version, about(saved))
    else:
        changes = {"stayed": len(members & before), "came": len(members - before), "left": len(before - members)}
        announce(db, "audience.refreshed", saved.id, saved.version, about(saved) | changes)
    return saved


def about(saved: SavedAudience) -> dict[str, Any]:
    """One version in figures."""
    return {
        "audience_id": saved.id,
        "name": saved.name,
        "version": saved.version,
        "users": saved.users,
        "holdout": saved.holdout,
        "as_of": saved.as_of.isoformat(),
        "model_version": saved.model_version,
    }

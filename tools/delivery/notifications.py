"""What the messages say: ids, counts and dates of one saved audience. Never a user."""

from typing import Any

from tools.audiences.changes import moves, refresh_question, shown_audience
from tools.audiences.disclosure import Disclosure
from tools.campaign_types import Drift
from tools.delivery.outbox import announce
from tools.storage.registry import Emit, SavedVersion
from tools.storage.sqlite import Database
from tools.types import SavedAudience


def announce_saved(disclosure: Disclosure) -> Emit:
    """What the registry calls when a version was saved: writes its message; ``disclosure`` shows its counts."""

    def emit(db: Database, version: SavedVersion) -> None:
        saved = version.audience
        shown = shown_audience(saved, disclosure)
        if version.before is None:
            announce(db, "audience.ready", saved.id, saved.version, about(shown))
            return
        question, before = refresh_question(saved), set(version.before)
        sizes = (disclosure.count(before, *question, "before"), shown.users)
        changes = moves((before, set(version.members)), sizes, disclosure, question)._asdict()
        announce(db, "audience.refreshed", saved.id, saved.version, about(shown) | changes)

    return emit


def announce_drift(db: Database, saved: SavedAudience, drift: Drift) -> None:
    """Tell that a version drifted, once for the day and the model it was asked with, inside a transaction.

    Args:
        db: the file of the registry.
        saved: the version, and
        drift: its drift, both with counts as they are shown.
    """
    said = {"checked", "users_now", "stayed", "came", "left", "moved", "counted", "reasons"}
    data = about(saved) | drift.model_dump(mode="json", include=said) | {"checked_with": drift.model_version}
    once = f"drift {saved.id} {saved.version} {drift.checked} {drift.model_version}"
    announce(db, "audience.drifted", saved.id, saved.version, data, once)


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

"""Prepared data by hand, and exports of audiences that no registry has."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import polars as pl

from encoders.checksums import write_checksums
from encoders.data.events import EVENT_SCHEMA, DatasetCard
from encoders.workspace import Workspace
from tools.audiences.disclosure import Disclosure
from tools.delivery.destinations import Platform
from tools.delivery.exports import export_audience
from tools.delivery.reaching import Reachability
from tools.storage.holdouts import NO_CONTROL
from tools.storage.registry import Registry
from tools.types import ExportFile, SavedAudience

TODAY = date(2017, 10, 1)


def prepared(
    data: Path, users: Sequence[str], contacts: Mapping[str, Sequence[str | None]] | None = None, **card: Any
) -> None:
    """A prepared folder with these users and no event; phone numbers are American unless the card says otherwise."""
    data.mkdir(parents=True, exist_ok=True)
    about = {"name": "shop", "title": "A shop", "note": "", "unit": "user", "unit_plural": "users"}
    days = {"main_source": "orders", "default_as_of": TODAY, "first": date(2017, 1, 1), "last": date(2017, 12, 31)}
    made = DatasetCard.model_validate({**about, **days, "version": "v", "phone_country": "US", **card})
    (data / "dataset.json").write_text(made.model_dump_json())
    pl.DataFrame({"user_id": users}, schema={"user_id": pl.String}).write_parquet(data / "users.parquet")
    pl.DataFrame(schema=EVENT_SCHEMA).write_parquet(data / "events.parquet")
    if contacts is not None:
        pl.DataFrame(contacts, schema=dict.fromkeys(contacts, pl.String)).write_parquet(data / "contacts.parquet")
    write_checksums(data)


def export(
    workspace: Workspace,
    saved: SavedAudience,
    members: Collection[str],
    holdout: Collection[str] = (),
    format: Literal["csv", "parquet"] = "csv",
    platform: Platform | None = None,
    minimum: int = 1,
) -> ExportFile:
    """Export users as a version of an audience that nobody saved."""
    registry = SimpleNamespace(members=lambda *_: (tuple(members), tuple(holdout)), list=tuple)
    reaching = Reachability(workspace, cast(Registry, registry), NO_CONTROL)
    leaving = reaching.leaving(saved)
    return export_audience(workspace, saved, leaving, reaching.has_contacts, format, platform, Disclosure(minimum))

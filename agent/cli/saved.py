"""Saved audiences: outcome, refresh, export and drift, and the audit lines of who did what."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import (
    By,
    Json,
    Saved,
    Tenant,
    control_group,
    open_workspace,
    opened_registry,
    opened_service,
    progress_bar,
    read_day,
    says,
    sends_inside,
    show,
)
from encoders.errors import AudienceError, RequestError

if TYPE_CHECKING:
    from tools.operation_types import CampaignOutcome, Drift, DriftReport, Refreshed
    from tools.service import AudienceService
    from tools.storage.registry import AuditLine
    from tools.types import ExportFile, SavedAudience

NOTHING_SAVED = "No audience is saved yet."


# --- Saved audiences: outcome, refresh, export and drift ------------------------------------------


def outcome(
    name: Saved,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="Who responded: CSV, Parquet or JSON lines with user_id, and if you like date and value. Without it, "
            "what was recorded last."
        ),
    ] = None,
    from_data: Annotated[
        bool, typer.Option("--from-data", help="Count the responders in the data's own events instead.")
    ] = False,
    version: Annotated[int | None, typer.Option(help=says("outcome", "version"))] = None,
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Record how a saved audience did against its holdout and its forecast, or show it again."""
    if file and from_data:
        raise RequestError("Say where the responders come from: either a FILE or --from-data.")
    if from_data:
        with opened_service("Counting who responded") as service:
            found: CampaignOutcome | None = service.outcomes.from_data(name, by, version)
    else:
        found = _outcome_without_model(name, file, by, version)
    if found is None:
        raise RequestError(f"No outcome of '{name}' was recorded yet; give a FILE of responders, or --from-data.")
    words = _outcome_in_words(found)
    show(found, as_json, lambda: words)


def refresh(
    name: Annotated[str, typer.Argument(help=f"{says('saved', 'audience')} Or --all.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Refresh every saved audience, and say which was not.")] = False,
    as_of: Annotated[
        date | None,
        typer.Option(parser=read_day, metavar="YYYY-MM-DD", help=says("refresh", "as_of")),
    ] = None,
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Do the operation ``refresh``."""
    if bool(name) == every:
        raise RequestError("Say which audience to refresh, or --all.")
    with opened_service("Counting again", as_of if every else None) as service:
        card = service.describe_data()
        found, kept = refresh_all(service, by, as_of) if every else ([service.refresh(name, by, as_of)], {})
    from agent.actions.saved import refreshed_text

    words = [refreshed_text(done, card).replace("**", "") for done in found]
    words += [f"{each}: not refreshed. {why}" for each, why in kept.items()]
    answer = {"refreshed": found, "not_refreshed": kept} if every else found[0]
    show(answer, as_json, lambda: "\n\n".join(words) or NOTHING_SAVED)


def refresh_all(
    service: "AudienceService", by: str, as_of: date | None = None
) -> "tuple[list[Refreshed], dict[str, str]]":
    """Refresh every saved audience; those that were, and why each of the others was not, by its name."""
    found, kept = [], {}
    for saved in service.list_audiences():
        try:
            found.append(service.refresh(saved.id, by, as_of))
        except AudienceError as error:
            kept[saved.name] = str(error)
    return found, kept


def export(
    name: Saved,
    to: Annotated[
        str, typer.Option(help="A destination ('audience destination list'); without it, a table of users.")
    ] = "",
    parquet: Annotated[bool, typer.Option("--parquet", help="Write Parquet instead of CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Do the operation ``export``."""
    with opened_registry("") as (workspace, registry), progress_bar() as progress:
        from tools.audiences.disclosure import Disclosure
        from tools.delivery.destinations import Destinations
        from tools.delivery.sending import Exports

        progress("Exporting")
        destinations = Destinations(registry.database, sends_inside())
        disclosure = Disclosure(open_workspace()[1].minimum_size)
        exports = Exports(workspace, registry, destinations, disclosure, control_group())
        done = exports.export(name, "parquet" if parquet else "csv", "", to)
    show(done, as_json, lambda: "\n".join([_exported(done), *done.warnings]))


def list_(tenant: Tenant = "", as_json: Json = False) -> None:
    """List the saved audiences, each in its newest version."""
    with opened_registry(tenant) as (_, registry):
        from tools.audiences.changes import shown_audience
        from tools.audiences.disclosure import Disclosure

        disclosure = Disclosure(open_workspace()[1].minimum_size)
        found = [shown_audience(each, disclosure) for each in registry.list()]
    show(found, as_json, lambda: "\n".join(_listed(each, disclosure.minimum) for each in found) or NOTHING_SAVED)


def _listed(saved: "SavedAudience", minimum: int) -> str:
    from tools.audiences.disclosure import number_text

    away = ", archived" if saved.archived else ""
    users = number_text(saved.users, minimum)
    return f"{saved.name} (version {saved.version}, as of {saved.as_of}{away}): {users} users"


def _outcome_without_model(name: str, file: Path | None, by: str, version: int | None) -> "CampaignOutcome | None":
    """Count the responders in a file, or find what was counted last."""
    with opened_registry("") as (workspace, registry), progress_bar() as progress:
        from encoders.data.events import Dataset
        from tools.audiences.disclosure import Disclosure
        from tools.audiences.outcomes import Outcomes, needs_model

        progress("Counting who responded")
        disclosure = Disclosure(open_workspace()[1].minimum_size)
        dataset, control = Dataset.current(workspace), control_group()
        outcomes = Outcomes(registry, dataset, disclosure, lambda ids: (sorted(ids), {}), needs_model, control)
        return outcomes.from_file(name, file, by, version) if file else outcomes.last(name, version)


def _outcome_in_words(found: "CampaignOutcome") -> str:
    from agent.numbers import Units
    from agent.outcome_words import outcome_text
    from encoders.data.events import Dataset

    workspace, chosen = open_workspace()
    units = Units(Dataset.current(workspace).card.unit_plural, chosen.minimum_size)
    return outcome_text(found, units).replace("**", "")


def drift(
    name: Annotated[str, typer.Argument(help=f"{says('drift', 'audience')} Without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """Do the operation ``drift`` for one saved audience, or for all."""
    with opened_service("Asking again") as service:
        minimum = service.settings.minimum_size
        if name:
            found = service.drifts.check(name)
            show(found, as_json, lambda: _drift(found, minimum))
            return
        report = service.drifts.check_all()
    show(report, as_json, lambda: _report(report, minimum))


def _exported(done: "ExportFile") -> str:
    sent = f", sent to {done.platform} in {done.batches} batch{'es' * (done.batches > 1)}" if done.batches else ""
    return f"{done.path}: {done.rows:,} rows, {done.held_out:,} held out{sent}"


def _report(report: "DriftReport", minimum: int) -> str:
    drifts = (_drift(each, minimum) for each in report.audiences)
    lines = [*drifts, *(f"{each.name}: not checked. {each.why}" for each in report.unchecked)]
    return "\n".join(lines) or NOTHING_SAVED


def _drift(found: "Drift", minimum: int) -> str:
    from tools.audiences.disclosure import number_text

    sizes = (found.stayed, found.users, found.came, found.left)
    stayed, users, came, left = (number_text(each, minimum) for each in sizes)
    words = {"members": "too many came or left", "calibration": "the responders are not what was forecast"}
    verdict = "drifted: " + " and ".join(words[reason] for reason in found.reasons) if found.drifted else "as saved"
    counted = "" if found.counted is None else f"; {found.counted:,} responded"
    return (
        f"{found.name} (version {found.version}, as of {found.as_of}): {verdict}. As of {found.checked}, "
        f"{stayed} of {users} are still in, {came} would come and {left} leave; "
        f"{found.moved:.0%} moved beyond the interval{counted}."
    )


# --- The audit lines: who did what, and when ------------------------------------------------------


def audit(
    audience: Annotated[str | None, typer.Argument(help=f"{says('saved', 'audience')} Without it, everything.")] = None,
    tenant: Tenant = "",
    limit: Annotated[int, typer.Option(min=1, help=says("deliveries", "limit"))] = 100,
    as_json: Json = False,
) -> None:
    """Show who did what and when: every save, export and outcome, and every call from outside."""
    with opened_registry(tenant) as (_, registry):
        lines = registry.audit(audience)[-limit:]
    show(lines, as_json, lambda: "\n".join(map(_in_words, lines)) or "Nothing was done yet.")


def _in_words(line: "AuditLine") -> str:
    details = ", ".join(f"{key} {value}" for key, value in line.details.items())
    about = f" {line.audience} v{line.version}" if line.audience else ""
    return f"{line.time:%Y-%m-%d %H:%M:%S} {line.actor}: {line.action}{about} ({details})"

"""Saved audiences, looked after: export sends one out, drift says whether it is still what was saved."""

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, open_workspace, progress_bar, show

if TYPE_CHECKING:
    from tools.campaign_types import Drift, DriftReport
    from tools.types import ExportFile


def export(
    name: Annotated[str, typer.Argument(help="The saved audience, by name or id.")],
    to: Annotated[
        str, typer.Option(help="A destination ('audience destination list'); without it, a table of users.")
    ] = "",
    parquet: Annotated[bool, typer.Option("--parquet", help="Write Parquet instead of CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Write a saved audience without its holdout to a file, and send it where it is for; contacts leave as hashes."""
    _, settings = open_workspace()
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Exporting")
        with closing(AudienceService.open(settings)) as service:
            done = service.export(name, "parquet" if parquet else "csv", platform=to)
    show(done, as_json, lambda: "\n".join([_exported(done), *done.warnings]))


def drift(
    name: Annotated[str, typer.Argument(help="A saved audience, by name or id; without it, all of them.")] = "",
    as_json: Json = False,
) -> None:
    """Ask saved audiences again on the data and model of today: who came and left, and did the forecast hold?"""
    _, settings = open_workspace()
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Asking again")
        with closing(AudienceService.open(settings)) as service:
            if name:
                found = service.drifts.check(name)
                show(found, as_json, lambda: _drift(found, settings.minimum_size))
                return
            report = service.drifts.check_all()
    show(report, as_json, lambda: _report(report, settings.minimum_size))


def _exported(done: "ExportFile") -> str:
    sent = f", sent to {done.platform} in {done.batches} batches" if done.batches else ""
    return f"{done.path}: {done.rows:,} rows, {done.held_out:,} kept back{sent}"


def _report(report: "DriftReport", minimum: int) -> str:
    drifts = (_drift(each, minimum) for each in report.audiences)
    lines = [*drifts, *(f"{each.name}: not checked. {each.why}" for each in report.unchecked)]
    return "\n".join(lines) or "No audience is saved yet."


def _drift(found: "Drift", minimum: int) -> str:
    from tools.disclosure import number_text

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

"""Fitting a demand to users who are known: tune."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import AsOf, Json, opened_service, permitted, says, show
from encoders.errors import RequestError
from tools.audiences.seeds import COLUMN, read_seeds

if TYPE_CHECKING:
    from tools.types import TunedSummary


def tune(
    name: Annotated[str, typer.Argument(help="What to call it; 'audience size --like NAME' then uses it.")],
    demand: Annotated[str | None, typer.Option(help=says("tune", "demand"))] = None,
    seeds: Annotated[
        Path | None, typer.Option(help=f"A file of users: one id a line, or CSV with a column '{COLUMN}'.")
    ] = None,
    audience: Annotated[str | None, typer.Option(help=f"{says('saved', 'audience')} Its users are taken.")] = None,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Do the operation ``tune``."""
    if (seeds is None) == (audience is None):
        raise RequestError("Say which users to take: either --seeds FILE or --audience NAME.")
    if demand is not None:
        permitted(demand)
    users = read_seeds(seeds) if seeds else str(audience)
    with opened_service("Tuning", as_of) as service:
        tuned = service.tune(name, demand, users)
    show(tuned, as_json, lambda: _in_words(tuned))


def _in_words(tuned: "TunedSummary") -> str:
    lines = [
        f"'{tuned.name}', from {tuned.seeds or 0:,} users: {tuned.demand}",
        f"read as: {', '.join(tuned.reads_as) or 'nothing in the data'}",
        f"each of them, when left out, ranks above {tuned.auc_after:.0%} of the others "
        f"({tuned.auc_before:.0%} before tuning)",
    ]
    lines += [f"note: {warning}" for warning in tuned.warnings]
    return "\n".join([*lines, f"Next: audience size --like '{tuned.name}'"])

"""Audiences that are saved: outcome and refresh."""

from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, open_workspace, progress_bar, read_day, show
from encoders.errors import RequestError

if TYPE_CHECKING:
    from tools.campaign_types import CampaignOutcome, Refreshed

By = Annotated[str, typer.Option(help="Who does it, for the audit trail.")]
Name = Annotated[str, typer.Argument(help="The saved audience, by name or id.")]


def outcome(
    name: Name,
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
    version: Annotated[int | None, typer.Option(help="The version that was contacted; else the newest.")] = None,
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Record how a saved audience did against its holdout and its forecast, or show it again."""
    _, settings = open_workspace()
    if file and from_data:
        raise RequestError("Say where the responders come from: either a FILE or --from-data.")
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Counting who responded")
        with closing(AudienceService.open(settings)) as service:
            outcomes, card = service.outcomes, service.describe_data()
            if file:
                found: CampaignOutcome | None = outcomes.from_file(name, file, by, version)
            elif from_data:
                found = outcomes.from_data(name, by, version)
            else:
                found = outcomes.last(name, version)
    if found is None:
        raise RequestError(f"No outcome of '{name}' was recorded yet; give a FILE of responders, or --from-data.")
    from agent.campaign.outcomes import outcome_text

    words = outcome_text(found, card).replace("**", "")
    show(found, as_json, lambda: words)


def refresh(
    name: Name,
    as_of: Annotated[
        date | None,
        typer.Option(
            parser=read_day, metavar="YYYY-MM-DD", help="The day to refresh it at; else the day the data set names."
        ),
    ] = None,
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Save an audience again as of a later day, and say who came and who left."""
    _, settings = open_workspace()
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Counting anew")
        with closing(AudienceService.open(settings)) as service:
            done: Refreshed = service.refresh(name, by, as_of)
            card = service.describe_data()
    from agent.campaign.refreshing import refreshed_text

    words = refreshed_text(done, card).replace("**", "")
    show(done, as_json, lambda: words)

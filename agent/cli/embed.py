"""A demand as other parties compare it: embed."""

from contextlib import closing
from typing import Annotated

import typer

from agent.cli.console import AsOf, Json, open_workspace, permitted, progress_bar, show


def embed(
    demand: Annotated[str, typer.Argument(help="One sentence: who will do what, and in which time.")],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Turn a demand into a vector for other parties (IAB Agentic Audiences); --json gives the whole message."""
    spec = permitted(demand)
    _, settings = open_workspace()
    from tools.interfaces.iab import demand_embedding
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Reading the sentence")
        with closing(AudienceService.open(settings, as_of)) as service:
            message = demand_embedding(service, spec.demand)
    model = message.model
    show(
        message,
        as_json,
        lambda: f"A vector of {model.dimension} numbers in the space {model.embedding_space_id}.",
    )

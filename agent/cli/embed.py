"""A demand as other parties compare it: embed."""

from typing import Annotated

import typer

from agent.cli.console import AsOf, Json, opened_service, permitted, show


def embed(
    demand: Annotated[str, typer.Argument(help="One sentence: who will do what, and in which time.")],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Turn a demand into a vector for other parties (IAB Agentic Audiences); --json gives the whole message."""
    spec = permitted(demand)
    from tools.interfaces.iab import demand_embedding

    with opened_service("Reading the sentence", as_of) as service:
        message = demand_embedding(service, spec.demand)
    model = message.model
    show(
        message,
        as_json,
        lambda: f"A vector of {model.dimension} numbers in the space {model.embedding_space_id}.",
    )

"""All commands of ``audience``, in the order a newcomer needs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from agent.cli import (
    data,
    demands,
    destination,
    erase,
    inspecting,
    ledger,
    model,
    models,
    nightly,
    saved,
    serve,
    token,
    uplift,
    webhook,
)
from agent.cli.console import PlainGroup, choose_workspace, says

app = typer.Typer(cls=PlainGroup, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def audience(
    context: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option(help="The folder everything is kept in; else AUDIENCE_WORKSPACE, else ./workspace.")
    ] = None,
) -> None:
    """Say in one sentence whom you want to reach; find, size and explain them.

    Start with 'audience demo', then 'audience serve'.
    """
    if workspace is not None:
        choose_workspace(workspace)
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


class Shown(NamedTuple):
    """What the help of a command shows."""

    example: str
    operation: str = ""
    """The operation that it does, whose words it takes; empty: its docstring."""


COMMANDS: dict[Callable[..., None], Shown] = {
    data.demo: Shown("audience demo"),
    inspecting.inspect: Shown("audience inspect customers.csv orders-*.csv --out shop.toml"),
    data.prepare: Shown("audience prepare shop.toml --strict"),
    models.label: Shown("audience label spring --users 2000 --dry-run"),
    data.train: Shown("audience train --as-of 2017-10-01"),
    data.index: Shown("audience index --as-of 2017-10-01"),
    demands.score: Shown("audience score --as-of 2017-10-01 --demands demands.jsonl --out scores.parquet"),
    demands.size: Shown('audience size "Households that will buy coffee in the next 28 days" --cut 0.1', "size"),
    demands.holdout: Shown(
        'audience holdout "Households that will buy coffee in the next 28 days" --share 0.1 --share 0.25',
        "holdout_plan",
    ),
    demands.embed: Shown('audience embed "Households that will buy coffee in the next 28 days" --json'),
    demands.tune: Shown(
        'audience tune "coffee lovers" --demand "People who love coffee" --seeds customers.csv', "tune"
    ),
    saved.list_: Shown("audience list"),
    saved.outcome: Shown('audience outcome "Autumn launch" responders.csv'),
    ledger.ledger: Shown("audience ledger", "ledger"),
    uplift.uplift: Shown('audience uplift "Autumn launch" --value 20 --cost 0.5', "uplift"),
    saved.refresh: Shown('audience refresh "Autumn launch" --as-of 2017-11-01', "refresh"),
    saved.export: Shown('audience export "Autumn launch" --to meta', "export"),
    saved.drift: Shown('audience drift "Autumn launch"', "drift"),
    nightly.nightly: Shown("audience nightly shop.toml"),
    erase.forget: Shown("audience forget 1234 5678 --by Ada", "forget"),
    saved.audit: Shown('audience audit "Autumn launch"'),
    erase.restore: Shown("audience restore"),
    serve.ask: Shown('audience ask "people for our new baby line" --json'),
    serve.serve: Shown("AUDIENCE_PORT=8080 audience serve"),
    serve.mcp: Shown("audience --workspace /data/audience mcp"),
}
"""Each command with what its help shows."""

for command, shown in COMMANDS.items():
    app.command(
        command.__name__.rstrip("_"),
        help=says(shown.operation) if shown.operation else None,
        epilog=f"Example: {shown.example}",
    )(command)


app.add_typer(erase.app, name="delete")
app.add_typer(destination.app, name="destination")
app.add_typer(webhook.app, name="webhook")
app.add_typer(token.app, name="token")
app.add_typer(model.app, name="model")
app.add_typer(models.app, name="models")


def main() -> None:
    """Entry of the console script."""
    app(prog_name="audience")

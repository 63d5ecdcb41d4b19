"""All commands of ``audience``, in the order a newcomer needs them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import audit, data, destination, embed, erase, label, measure, models, saved, serve, token, tune, webhook
from agent.cli.console import PlainGroup, choose_workspace

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


COMMANDS: dict[Callable[..., None], str] = {
    data.demo: "audience demo",
    data.prepare: "audience prepare shop.toml --strict",
    label.label: "audience label spring --users 2000 --dry-run",
    data.train: "audience train --as-of 2017-10-01",
    data.index: "audience index --as-of 2017-10-01",
    measure.score: "audience score --as-of 2017-10-01 --demands demands.jsonl --out scores.parquet",
    measure.size: 'audience size "Households that will buy coffee in the next 28 days" --cut 0.1',
    embed.embed: 'audience embed "Households that will buy coffee in the next 28 days" --json',
    tune.tune: 'audience tune "coffee lovers" --demand "People who love coffee" --seeds customers.csv',
    saved.outcome: 'audience outcome "Autumn launch" responders.csv',
    saved.refresh: 'audience refresh "Autumn launch" --as-of 2017-11-01',
    saved.export: 'audience export "Autumn launch" --to meta',
    saved.drift: 'audience drift "Autumn launch"',
    erase.forget: "audience forget 1234 5678 --by Ada",
    audit.audit: 'audience audit "Autumn launch"',
    erase.restore: "audience restore",
    serve.ask: 'audience ask "people for our new baby line" --json',
    serve.serve: "AUDIENCE_PORT=8080 audience serve",
    serve.mcp: "audience --workspace /data/audience mcp",
}
"""Each command with the example its help shows."""

for command, example in COMMANDS.items():
    app.command(epilog=f"Example: {example}")(command)


app.add_typer(erase.app, name="delete")
app.add_typer(destination.app, name="destination")
app.add_typer(webhook.app, name="webhook")
app.add_typer(token.app, name="token")
app.add_typer(models.app, name="models")


def main() -> None:
    """Entry of the console script."""
    app(prog_name="audience")

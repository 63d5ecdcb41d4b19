"""Tokens for callers from outside: token create, token list, token revoke."""

from typing import Annotated

import typer

from agent.cli.console import Json, PlainGroup, Tenant, open_workspace, show
from encoders.errors import RequestError
from tools.access.callers import USUAL_LIMIT, Scope, TokenCard, Tokens

app = typer.Typer(cls=PlainGroup, help="Tokens that let other agents, and people on other machines, in.")

Name = Annotated[str, typer.Argument(help="Who uses it; the audit lines will say so.")]


@app.command(epilog="Example: audience token create shop-agent --scopes read,size,preview --tenant shop")
def create(
    name: Name,
    scopes: Annotated[
        str, typer.Option(help=f"What it is for, with commas between: {', '.join(Scope)}. 'admin' includes all.")
    ] = "read,size",
    tenant: Tenant = "",
    per_minute: Annotated[int, typer.Option(help="Calls that are let in within a minute.")] = USUAL_LIMIT,
    days: Annotated[int | None, typer.Option(help="Days it is valid; without it, until it is revoked.")] = None,
    as_json: Json = False,
) -> None:
    """Make a token and print it: it is kept as a hash alone, so this is the only time it can be seen."""
    workspace, _ = open_workspace()
    with Tokens(workspace.tokens) as tokens:
        token = tokens.create(name, _scopes(scopes), tenant, per_minute, days)
    show({"name": name, "token": token}, as_json, lambda: token)


@app.command("list", epilog="Example: audience token list --json")
def list_(as_json: Json = False) -> None:
    """Show every token there ever was, but never the token itself."""
    workspace, _ = open_workspace()
    with Tokens(workspace.tokens) as tokens:
        cards = tokens.list()
    show(
        [card.model_dump() | {"state": card.state} for card in cards],
        as_json,
        lambda: "\n".join(map(_in_words, cards)) or "There is no token; 'audience token create' makes one.",
    )


@app.command(epilog="Example: audience token revoke shop-agent")
def revoke(name: Name, as_json: Json = False) -> None:
    """Make a token open nothing from now on; what was done with it stays in the audit lines."""
    workspace, _ = open_workspace()
    with Tokens(workspace.tokens) as tokens:
        tokens.revoke(name)
    show({"revoked": name}, as_json, lambda: f"Revoked: {name}")


def _scopes(text: str) -> list[Scope]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in set(Scope):
            raise RequestError(f"'{word[:60]}' is no scope; there are {', '.join(Scope)}.")
    return [Scope(word) for word in words]


def _in_words(card: TokenCard) -> str:
    caller = card.caller
    until = f", until {card.expires.date()}" if card.expires else ""
    tenant = f", tenant {caller.tenant}" if caller.tenant else ""
    scopes = ", ".join(sorted(caller.scopes))
    return f"{caller.name}: {card.state}{until}; {scopes}{tenant}; {caller.per_minute} calls a minute"

"""Where audiences can be exported to: destination add, list, remove."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, PlainGroup, Tenant, opened_registry, says, sends_inside, show
from encoders.errors import RequestError

if TYPE_CHECKING:
    from tools.delivery.destinations import Destinations
    from tools.operation_types import DestinationCard

app = typer.Typer(cls=PlainGroup, help=says("destinations"))

Name = Annotated[str, typer.Argument(help="What 'audience export --to' calls it, such as crm.")]


@app.command(epilog="Example: audience destination add crm https://example.com/audiences")
def add(
    name: Name,
    to: Annotated[str, typer.Argument(help="The URL that batches are sent to; with --table, the name of the table.")],
    table: Annotated[
        str, typer.Option("--table", help="Write rows to a table of this database, such as env:SHOP_DB.")
    ] = "",
    user_ids: Annotated[
        bool, typer.Option("--user-ids", help="Write users to the table by their ids, not by the hashes of these.")
    ] = False,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Add a system of your own, and print the secret its batches are signed with, which is shown this once; or a table.

    A table of PostgreSQL, DuckDB or SQLite gets a row per user, and those who are held out are marked as such.
    """
    if user_ids and not table:
        raise RequestError("--user-ids is for a table; a system that is sent batches gets hashes alone.")
    with _destinations(tenant) as destinations:
        if table:
            card = destinations.add_table(name, table, to, user_ids)
            show(card, as_json, lambda: f"Export with --to {card.key}; rows are written to {card.table}.")
            return
        made = destinations.add(name, to)
    show(made, as_json, lambda: f"Export with --to {made.key}.\nSecret: {made.secret}")


@app.command("list", epilog="Example: audience destination list --json")
def list_(tenant: Tenant = "", as_json: Json = False) -> None:
    """Show every destination, and why one cannot be used."""
    with _destinations(tenant) as destinations:
        found = destinations.list()
    show(found, as_json, lambda: "\n".join(map(_card, found)))


@app.command(epilog="Example: audience destination remove crm")
def remove(name: Name, tenant: Tenant = "", as_json: Json = False) -> None:
    """Forget a system or a table of your own; the rows in a table stay there."""
    with _destinations(tenant) as destinations:
        destinations.remove(name)
    show({"removed": name}, as_json, lambda: f"Removed: {name}")


@contextmanager
def _destinations(tenant: str) -> "Iterator[Destinations]":
    from tools.delivery.destinations import Destinations

    with opened_registry(tenant) as (_, registry):
        yield Destinations(registry.database, sends_inside())


def _card(each: "DestinationCard") -> str:
    where = {
        "file": "a file to upload", "webhook": each.url, "plugin": "a plugin", "table": f"the table {each.table}"
    }[each.kind]  # fmt: skip
    return f"{each.key}: {each.problem or f'{each.name}, {where}'}"

"""Who is told when an audience is ready, refreshed or drifts: webhook add, list, remove, deliveries, send."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, PlainGroup, open_workspace, show

if TYPE_CHECKING:
    from tools.delivery.outbox import Delivery, Outbox, Subscription

app = typer.Typer(cls=PlainGroup, help="Addresses that are told when an audience is ready, refreshed or drifts.")

Tenant = Annotated[str, typer.Option(help="Whose audiences; without it, those of this workspace's owner.")]


@app.command(epilog="Example: audience webhook add https://example.com/hook --events audience.ready,audience.drifted")
def add(
    url: Annotated[str, typer.Argument(help="Where messages are sent.")],
    events: Annotated[
        str, typer.Option(help="What it is told, with commas between: audience.ready, .refreshed, .drifted.")
    ] = "audience.ready,audience.refreshed,audience.drifted",
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Tell an address from now on, and print the secret its messages are signed with, which is shown this once."""
    with _outbox(tenant) as outbox:
        made = outbox.add(url, [word.strip() for word in events.split(",") if word.strip()])
    show(made, as_json, lambda: f"{made.id} is told of {', '.join(made.events)}.\nSecret: {made.secret}")


@app.command("list", epilog="Example: audience webhook list --json")
def list_(tenant: Tenant = "", as_json: Json = False) -> None:
    """Show who is told what."""
    with _outbox(tenant) as outbox:
        found = outbox.subscriptions()
    words = "There is no webhook; 'audience webhook add' makes one."
    show(found, as_json, lambda: "\n".join(map(_subscription, found)) or words)


@app.command(epilog="Example: audience webhook remove https://example.com/hook")
def remove(
    webhook: Annotated[str, typer.Argument(help="Its id or its address.")], tenant: Tenant = "", as_json: Json = False
) -> None:
    """Tell an address nothing more; what still waits for it is given up."""
    with _outbox(tenant) as outbox:
        gone = outbox.remove(webhook)
    show(gone, as_json, lambda: f"{gone.url} is told nothing more.")


@app.command(epilog="Example: audience webhook deliveries --limit 20")
def deliveries(
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the latest of them.")] = 50,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Show the messages and what became of each, the newest first."""
    with _outbox(tenant) as outbox:
        found = outbox.deliveries(limit)
    show(found, as_json, lambda: "\n".join(map(_delivery, found)) or "There is no message yet.")


@app.command(epilog="Example: audience webhook send")
def send(tenant: Tenant = "", as_json: Json = False) -> None:
    """Send what is due now; while the app runs, it does so by itself."""
    from tools.workers.webhooks import deliver_due

    with _outbox(tenant) as outbox:
        tries = deliver_due(outbox)
    show({"tries": tries}, as_json, lambda: f"{tries} tried; 'audience webhook deliveries' shows what came of it.")


@contextmanager
def _outbox(tenant: str) -> "Iterator[Outbox]":
    """The outbox of a tenant; nothing of the model is needed for it."""
    workspace, settings = open_workspace()
    from tools.access.names import Names
    from tools.delivery.outbox import Outbox
    from tools.storage.registry import Registry

    with Registry(workspace.of_tenant(tenant).registry) as registry:
        yield Outbox(registry.database, not Names(settings.host, settings.hosts).public)


def _subscription(each: "Subscription") -> str:
    state = f" (off: {each.disabled})" if each.disabled else ""
    return f"{each.id} {each.url}: {', '.join(each.events)}{state}"


def _delivery(each: "Delivery") -> str:
    tries = f"{each.tries} {'try' if each.tries == 1 else 'tries'}"
    answer = f", {each.answer}" if each.answer else ""
    due = f", next {each.due:%Y-%m-%d %H:%M:%S}" if each.due else ""
    about = f"{each.event} {each.audience} v{each.version}"
    return f"{each.created:%Y-%m-%d %H:%M:%S} {about} to {each.url}: {each.state} ({tries}{answer}{due})"

"""Who is told when an audience is ready, refreshed or drifts: webhook add, list, remove, test, deliveries, send."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, PlainGroup, Tenant, opened_registry, says, sends_inside, show
from tools.operation_types import EVENTS

if TYPE_CHECKING:
    from tools.delivery.outbox import Outbox
    from tools.operation_types import Delivery, Subscription

app = typer.Typer(cls=PlainGroup, help="Addresses that are told when an audience is ready, refreshed or drifts.")


@app.command(
    help=says("add_webhook"),
    epilog="Example: audience webhook add https://example.com/hook --events audience.ready,audience.drifted",
)
def add(
    url: Annotated[str, typer.Argument(help=says("add_webhook", "url"))],
    events: Annotated[
        str, typer.Option(help=f"{says('add_webhook', 'events')} With commas between: {', '.join(EVENTS)}.")
    ] = ",".join(EVENTS),
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Do the operation ``add_webhook``."""
    with _outbox(tenant) as outbox:
        made = outbox.add(url, [word.strip() for word in events.split(",") if word.strip()])
    show(made, as_json, lambda: f"{made.id} is told of {', '.join(made.events)}.\nSecret: {made.secret}")


@app.command("list", help=says("webhooks"), epilog="Example: audience webhook list --json")
def list_(tenant: Tenant = "", as_json: Json = False) -> None:
    """Do the operation ``webhooks``."""
    with _outbox(tenant) as outbox:
        found = outbox.subscriptions()
    words = "There is no webhook; 'audience webhook add' makes one."
    show(found, as_json, lambda: "\n".join(map(_subscription, found)) or words)


@app.command(help=says("remove_webhook"), epilog="Example: audience webhook remove https://example.com/hook")
def remove(
    webhook: Annotated[str, typer.Argument(help="Its id or its address.")], tenant: Tenant = "", as_json: Json = False
) -> None:
    """Do the operation ``remove_webhook``."""
    with _outbox(tenant) as outbox:
        gone = outbox.remove(webhook)
    show(gone, as_json, lambda: f"{gone.url} is told nothing more.")


@app.command("test", epilog="Example: audience webhook test https://example.com/hook")
def try_(
    webhook: Annotated[str, typer.Argument(help="Its id or its address.")], tenant: Tenant = "", as_json: Json = False
) -> None:
    """Send one signed message that says nothing, of the type webhook.test, and say what was answered."""
    with _outbox(tenant) as outbox:
        answer = outbox.test(webhook)
    show({"taken": answer.taken, "answer": answer.words}, as_json, lambda: f"{webhook}: {answer.words}")


@app.command(help=says("deliveries"), epilog="Example: audience webhook deliveries --limit 20")
def deliveries(
    limit: Annotated[int, typer.Option(min=1, help=says("deliveries", "limit"))] = 50,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Do the operation ``deliveries``."""
    with _outbox(tenant) as outbox:
        found = outbox.deliveries(limit)
    show(found, as_json, lambda: "\n".join(map(_delivery, found)) or "There is no message yet.")


@app.command(epilog="Example: audience webhook send")
def send(tenant: Tenant = "", as_json: Json = False) -> None:
    """Send what is due now; while the app runs, it does so by itself."""
    from tools.workers import deliver_due

    with _outbox(tenant) as outbox:
        tries = deliver_due(outbox)
    show({"tries": tries}, as_json, lambda: f"{tries} tried; 'audience webhook deliveries' shows what came of it.")


@contextmanager
def _outbox(tenant: str) -> "Iterator[Outbox]":
    from tools.delivery.outbox import Outbox

    with opened_registry(tenant) as (_, registry):
        yield Outbox(registry.database, sends_inside())


def _subscription(each: "Subscription") -> str:
    state = f" (off: {each.disabled})" if each.disabled else ""
    return f"{each.id} {each.url}: {', '.join(each.events)}{state}"


def _delivery(each: "Delivery") -> str:
    tries = f"{each.tries} {'try' if each.tries == 1 else 'tries'}"
    answer = f", {each.answer}" if each.answer else ""
    due = f", next {each.due:%Y-%m-%d %H:%M:%S}" if each.due else ""
    about = f"{each.event} {each.audience} v{each.version}"
    return f"{each.created:%Y-%m-%d %H:%M:%S} {about} to {each.url}: {each.state} ({tries}{answer}{due})"

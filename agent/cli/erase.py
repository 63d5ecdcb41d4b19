"""Erasing users, deleting what is kept, and putting a backup in place: forget, delete, restore."""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, PlainGroup, open_workspace, progress_bar, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from encoders.workspace import Workspace
    from tools.erasure.erasure import Receipt
    from tools.storage.registry import Registry

By = Annotated[str, typer.Option(help="Who does it, for the audit trail.")]
Tenant = Annotated[str, typer.Option(help="Whose it is; without it, the owner's.")]


def forget(
    users: Annotated[list[str], typer.Argument(help="The users, by their ids in your data.")],
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Erase users from everything in the workspace, for good, and leave them out of all data prepared later."""
    workspace, settings = open_workspace()
    from tools.erasure.erasure import erase

    with progress_bar() as progress:
        done = erase(workspace, settings, users, by, progress)
    show(done, as_json, lambda: _in_words(done))


app = typer.Typer(cls=PlainGroup, help="Delete a saved audience, the file of an export, or a conversation.")


@app.command(epilog='Example: audience delete audience "Autumn launch"')
def audience(
    name: Annotated[str, typer.Argument(help="The saved audience, by name or id.")],
    tenant: Tenant = "",
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Delete a saved audience with all its versions and files; its audit lines stay."""
    from tools.deletion import delete_audience

    with _opened(tenant) as (own, registry):
        saved = delete_audience(own, registry, name, by)
    show(saved, as_json, lambda: f"Deleted: {saved.name}, versions 1 to {saved.version}, and its files.")


@app.command(epilog="Example: audience delete export aud-0123456789ab-v1.csv")
def export(
    name: Annotated[str, typer.Argument(help="The name of the file, without its folder.")],
    tenant: Tenant = "",
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Delete the file of an export."""
    from tools.deletion import delete_export

    with _opened(tenant) as (own, registry):
        delete_export(own, registry, name, by)
    show({"deleted": name}, as_json, lambda: f"Deleted: {name}")


@app.command(epilog="Example: audience delete conversation 0123456789abcdef")
def conversation(
    thread: Annotated[str, typer.Argument(help="Its id, as audit lines say it: chat ID.")],
    as_json: Json = False,
) -> None:
    """Delete a conversation; audiences that were saved in it stay."""
    workspace, _ = open_workspace()
    from tools.deletion import delete_conversation

    delete_conversation(workspace, thread.removeprefix("chat "))
    show({"deleted": thread}, as_json, lambda: f"Deleted: conversation {thread}")


@contextmanager
def _opened(tenant: str) -> "Iterator[tuple[Workspace, Registry]]":
    """The part of the workspace that is a tenant's, and its registry."""
    workspace, _ = open_workspace()
    from tools.storage.registry import Registry

    own = workspace.of_tenant(tenant)
    with Registry(own.registry) as registry:
        yield own, registry


def _in_words(done: "Receipt") -> str:
    places = [f"  {each.path}: {each.changes:,}" for each in done.places]
    sent = [f"Audiences with them were sent to {', '.join(done.sent_to)}."] if done.sent_to else []
    head = f"Erased: {len(done.users):,} users, from {len(places):,} places. Receipt: {done.id}"
    return "\n".join([head, *places, *sent, *done.not_ours])


def restore(as_json: Json = False) -> None:
    """Put the latest backup in the place of every database that is damaged; the damaged file is kept beside it."""
    workspace, _ = open_workspace()
    from encoders.errors import DamagedError
    from tools.storage.backups import kept_files, restore
    from tools.storage.sqlite import close_sqlite, open_elsewhere, open_sqlite

    lines = []
    for path in kept_files(workspace.path):
        try:
            close_sqlite(open_sqlite(path), path)
        except DamagedError as error:
            if path.exists() and open_elsewhere(path):
                lines.append(f"{path} is in use by another process; stop it, then run this again.")
                continue
            backup = restore(path)
            lines.append(f"{path} is as it was at {backup.made:%Y-%m-%d %H:%M:%S} UTC." if backup else str(error))
    show({"restored": lines}, as_json, lambda: "\n".join(lines) or "No database is damaged.")

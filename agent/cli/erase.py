"""Erasing users, deleting what is kept, and putting a backup in place: forget, delete, restore."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import (
    By,
    Json,
    PlainGroup,
    Saved,
    Tenant,
    open_workspace,
    opened_registry,
    progress_bar,
    says,
    show,
)

if TYPE_CHECKING:
    from tools.operation_types import Receipt


def forget(
    users: Annotated[list[str], typer.Argument(help=says("forget", "users"))],
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Do the operation ``forget``."""
    workspace, settings = open_workspace()
    from tools.erasure.erasure import erase

    with progress_bar() as progress:
        done = erase(workspace, settings, users, by, progress)
    show(done, as_json, lambda: _in_words(done))


app = typer.Typer(cls=PlainGroup, help="Delete a saved audience, the file of an export, or a conversation.")


@app.command(help=says("delete_audience"), epilog='Example: audience delete audience "Autumn launch"')
def audience(
    name: Saved,
    tenant: Tenant = "",
    by: By = "command line",
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Delete it at once, so that nothing brings it back.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Do the operation ``delete_audience``."""
    from encoders.settings import settings
    from tools.erasure.erasure import delete_audience

    days = 0 if for_good else settings().undo_days
    with opened_registry(tenant) as (own, registry):
        saved = delete_audience(own, registry, name, by, days)
    back = f" The page and 'restore' bring it back for {days} days, without its files." if days else ""
    show(saved, as_json, lambda: f"Deleted: {saved.name}, versions 1 to {saved.version}, and its files.{back}")


@app.command(help=says("delete_export"), epilog="Example: audience delete export aud-0123456789ab-v1.csv")
def export(
    name: Annotated[str, typer.Argument(help=says("delete_export", "name"))],
    tenant: Tenant = "",
    by: By = "command line",
    as_json: Json = False,
) -> None:
    """Do the operation ``delete_export``."""
    from tools.erasure.erasure import delete_export

    with opened_registry(tenant) as (own, registry):
        delete_export(own, registry, name, by)
    show({"deleted": name}, as_json, lambda: f"Deleted: {name}")


@app.command(help=says("delete_conversation"), epilog="Example: audience delete conversation 0123456789abcdef")
def conversation(
    thread: Annotated[str, typer.Argument(help=says("delete_conversation", "conversation"))],
    as_json: Json = False,
) -> None:
    """Do the operation ``delete_conversation``."""
    workspace, _ = open_workspace()
    from tools.erasure.erasure import delete_conversation

    delete_conversation(workspace, thread.removeprefix("chat "))
    show({"deleted": thread}, as_json, lambda: f"Deleted: conversation {thread}")


def _in_words(done: "Receipt") -> str:
    places = [f"  {each.path}: {each.changes:,}" for each in done.places]
    sent = [f"Audiences with them were sent to {', '.join(done.sent_to)}."] if done.sent_to else []
    head = f"Erased: {len(done.users):,} users, from {len(places):,} places. Receipt: {done.id}"
    listed = ", ".join(done.unknown)
    unknown = [f"No users of the data, so look at how they are written: {listed}. Traces of them were erased."]
    own = "These keep the id of a user, which is a word of the product or of the data there:"
    kept = [own, *(f"  {each}" for each in done.kept)] if done.kept else []
    return "\n".join([head, *(unknown if done.unknown else []), *places, *kept, *sent, *done.not_ours])


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

"""What to do about a database that is damaged: put its backup in its place."""

from agent.cli.console import Json, open_workspace, show


def restore(as_json: Json = False) -> None:
    """Put the latest backup in the place of every database that is damaged; the damaged file is kept beside it."""
    workspace, _ = open_workspace()
    from encoders.errors import DamagedError
    from tools.backups import kept_files, restore
    from tools.sqlite_file import close_sqlite, open_sqlite

    lines = []
    for path in kept_files(workspace.path):
        try:
            close_sqlite(open_sqlite(path), path)
        except DamagedError as error:
            backup = restore(path)
            lines.append(f"{path} is as it was at {backup.made:%Y-%m-%d %H:%M:%S} UTC." if backup else str(error))
    show({"restored": lines}, as_json, lambda: "\n".join(lines) or "No database is damaged.")

"""The audit lines: who did what, and when."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, open_workspace, show

if TYPE_CHECKING:
    from tools.storage.registry import AuditLine


def audit(
    audience: Annotated[str | None, typer.Argument(help="A saved audience, by name or id; else everything.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose audit lines; without it, those of the owner.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most, the latest of them.")] = 100,
    as_json: Json = False,
) -> None:
    """Show who did what and when: every save, export and outcome, and every call from outside."""
    workspace, _ = open_workspace()
    from tools.storage.registry import Registry

    with Registry(workspace.of_tenant(tenant).registry) as registry:
        lines = registry.audit(audience)[-limit:]
    show(lines, as_json, lambda: "\n".join(map(_in_words, lines)) or "Nothing was done yet.")


def _in_words(line: "AuditLine") -> str:
    details = ", ".join(f"{key} {value}" for key, value in line.details.items())
    about = f" {line.audience} v{line.version}" if line.audience else ""
    return f"{line.time:%Y-%m-%d %H:%M:%S} {line.actor}: {line.action}{about} ({details})"

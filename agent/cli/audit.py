"""The audit lines: who did what, and when."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, Tenant, opened_registry, says, show

if TYPE_CHECKING:
    from tools.storage.registry import AuditLine


def audit(
    audience: Annotated[str | None, typer.Argument(help=f"{says('saved', 'audience')} Without it, everything.")] = None,
    tenant: Tenant = "",
    limit: Annotated[int, typer.Option(min=1, help=says("deliveries", "limit"))] = 100,
    as_json: Json = False,
) -> None:
    """Show who did what and when: every save, export and outcome, and every call from outside."""
    with opened_registry(tenant) as (_, registry):
        lines = registry.audit(audience)[-limit:]
    show(lines, as_json, lambda: "\n".join(map(_in_words, lines)) or "Nothing was done yet.")


def _in_words(line: "AuditLine") -> str:
    details = ", ".join(f"{key} {value}" for key, value in line.details.items())
    about = f" {line.audience} v{line.version}" if line.audience else ""
    return f"{line.time:%Y-%m-%d %H:%M:%S} {line.actor}: {line.action}{about} ({details})"

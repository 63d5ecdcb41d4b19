"""The ledger: what was forecast for saved audiences, beside what then happened."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import (
    Json,
    Tenant,
    control_group,
    open_workspace,
    opened_registry,
    opened_service,
    progress_bar,
    show,
)

if TYPE_CHECKING:
    from rich.table import Table

    from tools.operation_types import ForecastRecord, ForecastScore, LedgerPage

_WIDTH = 100
_NAMED = 3
_GROUPS = {"kind": "By kind", "approved_by": "By who approved it", "month": "By month"}


def ledger(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many forecasts at most, the latest first.")] = 20,
    with_model: Annotated[
        bool,
        typer.Option("--with-model", help="Open the model as well, to count audiences saved before version 0.2."),
    ] = False,
    tenant: Tenant = "",
    as_json: Json = False,
) -> None:
    """Do the operation ``ledger``."""
    page = _page_with_model(tenant, limit) if with_model else counted(tenant, limit)
    show(page, as_json, lambda: _in_words(page))


def counted(tenant: str, limit: int) -> "LedgerPage":
    """Count in the data alone; what an audience asks for was kept when it was saved."""
    with opened_registry(tenant) as (_, registry), progress_bar() as progress:
        from encoders.data.events import Dataset
        from tools.audiences.changes import shown_audience
        from tools.audiences.disclosure import Disclosure
        from tools.audiences.ledger import ForecastLedger
        from tools.audiences.outcomes import Outcomes, needs_model

        workspace, chosen = open_workspace()
        dataset, disclosure = Dataset.current(workspace), Disclosure(chosen.minimum_size)
        outcomes = Outcomes(registry, dataset, disclosure, lambda ids: (sorted(ids), {}), needs_model, control_group())
        found = ForecastLedger(registry, dataset, disclosure, outcomes, lambda saved: shown_audience(saved, disclosure))
        return found.page(limit, progress=progress)


def _page_with_model(tenant: str, limit: int) -> "LedgerPage":
    from tools.access.callers import Caller, Scope

    with opened_service("Counting who responded") as service:
        owner = Caller(name="owner", tenant=tenant, scopes=frozenset({Scope.ADMIN}))
        return service.of(owner).ledger.page(limit)


def _in_words(page: "LedgerPage") -> str:
    from agent.cli.saved import NOTHING_SAVED
    from agent.ledger_words import summary_lines

    if not page.overall.forecasts:
        return NOTHING_SAVED
    said = [each.replace("**", "") for each in summary_lines(page)]
    notes: dict[str, list[str]] = {}
    for each in page.forecasts:
        if each.note and each.status != "open":
            notes.setdefault(each.note, []).append(f"{each.name}, version {each.version}")
    lines = [f"{_some(names)}: {note}" for note, names in notes.items()]
    left = page.overall.forecasts - len(page.forecasts)
    more = [f"{left:,} earlier forecasts are not listed; --limit lists more."] if left else []
    tables = (_drawn(_table(page)), _drawn(_scores(page)) if page.overall.counted else "")
    return "\n\n".join(filter(None, ("\n".join(said), tables[0], "\n".join([*lines, *more]), tables[1])))


def _some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    left = len(names) - _NAMED
    return "; ".join(names[:_NAMED]) + (f"; and {left:,} more" if left > 0 else "")


def _table(page: "LedgerPage") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Audience", ratio=1, overflow="fold")
    for name in ("As of", "Users", "Forecast", "Did it", "Lift", "Result"):
        table.add_column(name, justify="left" if name in ("As of", "Result") else "right", no_wrap=True)
    for each in page.forecasts:
        name = f"{each.name} (v{each.version})"
        table.add_row(name, str(each.as_of), _number(each.users), _expected(each), *_came(each))
    return table


def _number(users: float | None) -> str:
    return "few" if users is None else f"{users:,.0f}"


def _expected(each: "ForecastRecord") -> str:
    found = each.forecast
    return "" if found is None else f"{found.mid:,.0f} ({found.low:,.0f}-{found.high:,.0f})"


def _came(each: "ForecastRecord") -> tuple[str, str, str]:
    """Who came, how much better than everyone that is, and what that makes of the forecast."""
    came = "" if each.responders is None else f"{each.responders:,}"
    lift = "" if each.lift is None else f"{each.lift:.1f}"
    uplift = f", uplift {100 * each.uplift.mid:+.1f} points" if each.uplift else ""
    result = f"open until {each.until}" if each.status == "open" else each.status
    return came, lift, result + uplift


def _scores(page: "LedgerPage") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    table.add_column("", ratio=1, overflow="fold")
    for name in ("Forecasts", "Open", "Held", "95 % interval", "Outcome / forecast"):
        table.add_column(name, justify="right", no_wrap=True)
    before = ""
    for each in page.groups:
        head = "" if each.by == before else _GROUPS[each.by]
        table.add_row(head, each.value, f"{each.forecasts:,}", f"{each.open:,}", *_held(each))
        before = each.by
    return table


def _held(each: "ForecastScore") -> tuple[str, str, str]:
    if each.share is None:
        return "", "", ""
    within = f"{100 * each.share.low:.0f} to {100 * each.share.high:.0f} %"
    return f"{each.kept:,} of {each.counted:,}", within, "" if each.ratio is None else f"{each.ratio:.2f}"


def _drawn(table: "Table") -> str:
    from io import StringIO

    from rich.console import Console

    console = Console(file=StringIO(), width=_WIDTH, color_system=None)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().splitlines())

"""The tables of the documentation that come from the operations: ``python dev/operation_tables.py`` writes them.

Each stands between two comments, ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``; a test holds them against the
pages.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.access.callers import Scope
from tools.operations.operation import Interface, Operation
from tools.operations.table import OPERATIONS, offered

DOCS = Path(__file__).resolve().parents[1] / "docs"


def tools_table(interface: Interface) -> str:
    """The operations that an interface offers as tools, and below them those that it does not, with the reason."""
    rows = [(f"`{each.name}`", _arguments(each), each.effect, each.summary) for each in offered(interface)]
    missing = [
        f"- `{each.name}` is not offered: {each.not_over[interface]}."
        for each in OPERATIONS
        if interface in each.not_over
    ]
    return "\n".join([_table(("tool", "arguments", "changes", "what it does"), rows), "", *missing])


def resources_table() -> str:
    """The operations over HTTP."""
    rows = [
        (f"`{each.http.method} {each.http.path}`", f"`{each.name}`", each.scope, each.effect, each.summary)
        for each in offered(Interface.REST)
    ]
    return _table(("request", "operation", "scope", "changes", "what it does"), rows)


def scopes_table() -> str:
    """Which operations a scope opens."""
    rows = [
        (f"`{scope}`", ", ".join(f"`{each.name}`" for each in OPERATIONS if each.scope is scope)) for scope in Scope
    ]
    return _table(("scope", "operations"), rows)


TABLES: dict[tuple[str, str], Callable[[], str]] = {
    ("mcp.md", "tools"): lambda: tools_table(Interface.MCP),
    ("langchain.md", "tools"): lambda: tools_table(Interface.LANGCHAIN),
    ("rest.md", "resources"): resources_table,
    ("access.md", "operations"): scopes_table,
}
"""What makes the table of a page."""


def written(text: str, name: str, table: str) -> str:
    """A page with its table as it is now."""
    between = re.compile(rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.S)
    page, times = between.subn(lambda found: f"{found[1]}{table}\n{found[2]}", text)
    if times != 1:
        raise ValueError(f"The page needs one table '{name}', it has {times}.")
    return page


def main() -> None:
    """Write every table into its page."""
    for (page, name), table in TABLES.items():
        path = DOCS / page
        path.write_text(written(path.read_text("utf-8"), name, table()), "utf-8")


def _arguments(operation: Operation) -> str:
    return ", ".join(f"`{name}`" for name in operation.input.model_fields)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    first, *others = (f"| {' | '.join(row)} |" for row in (head, *rows))
    return "\n".join([first, f"|{'---|' * len(head)}", *others])


if __name__ == "__main__":
    main()

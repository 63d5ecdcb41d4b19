"""Toolsets: which tools a connection is shown, so that the list an agent reads stays short."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from encoders.errors import RequestError
from tools.interfaces.adcp.tasks import TASKS
from tools.operations.operation import Interface
from tools.operations.table import offered


class Toolset(StrEnum):
    """A part of the tools."""

    CORE = "core"
    """From a wish to an audience that is saved and exported."""
    CAMPAIGN = "campaign"
    """All other operations: goals, profiles, combinations, outcomes, refreshing, webhooks."""
    ADCP = "adcp"
    """The Signals tasks of AdCP."""


ALL = frozenset(Toolset)
HEADER = "x-mcp-toolsets"
"""The header of a request that names toolsets; other servers call it so, too."""
PARAMETER = "toolsets"
"""The query parameter of the address that names them."""
_ALL = "all"

CORE = ("describe_data", "search_groups", "size", "preview", "save", "list_audiences", "export")
"""The operations of the toolset 'core'; every other operation is in 'campaign'."""


def toolsets(text: str) -> frozenset[Toolset]:
    """The toolsets that a text names, with commas between; empty or 'all' for all of them.

    Raises:
        RequestError: there is no such toolset.
    """
    names = [each.strip().lower() for each in text.split(",") if each.strip()]
    if not names or _ALL in names:
        return ALL
    if unknown := [each for each in names if each not in _NAMES]:
        known = ", ".join((*Toolset, _ALL))
        raise RequestError(
            f"There is no toolset '{unknown[0][:40]}'; there are {known}, such as '{Toolset.CORE},{Toolset.ADCP}'."
        )
    return frozenset(Toolset(each) for each in names)


def chosen(request: Any, usual: frozenset[Toolset]) -> frozenset[Toolset]:
    """The toolsets that a request asks for: by its address, else by a header, else ``usual``.

    Args:
        request: the HTTP request; None over standard input and output.
        usual: what is shown where nothing is asked for.

    Raises:
        RequestError: it names a toolset that is not there.
    """
    query: Mapping[str, str] = getattr(request, "query_params", {})
    headers: Mapping[str, str] = getattr(request, "headers", {})
    asked = query.get(PARAMETER) or headers.get(HEADER)
    return toolsets(asked) if asked else usual


def toolset_of(tool: str) -> Toolset | None:
    """The toolset that a tool is in; None where there is no such tool."""
    if tool in TASKS:
        return Toolset.ADCP
    if tool not in _OFFERED:
        return None
    return Toolset.CORE if tool in CORE else Toolset.CAMPAIGN


_NAMES = frozenset(str(each) for each in Toolset)
_OFFERED = frozenset(each.name for each in offered(Interface.MCP))

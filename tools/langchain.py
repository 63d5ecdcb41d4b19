"""The audience service as LangChain tools, which any agent can bind.

Names, arguments and descriptions are those of ``AudienceService``, read from its signatures and docstrings: nothing is
stated twice, and nothing is decided here.
"""

from collections.abc import Callable, Iterator
from functools import wraps
from inspect import getdoc
from typing import Any

from langchain_core.tools import StructuredTool, ToolException
from pydantic_core import to_json

from encoders.errors import AudienceError
from tools.service import AudienceService
from tools.types import AudienceSpec, named

Check = Callable[[AudienceSpec], None]
"""Raises an AudienceError where an audience may not be asked for."""

TOOLS = (
    "describe_data",
    "search_groups",
    "size",
    "reach_goal",
    "preview",
    "profile",
    "skew",
    "explain",
    "compare",
    "list_audiences",
    "save",
    "combine",
    "export",
)
"""Methods of the service that become tools, in the order an agent needs them."""


def targeting_tools(service: AudienceService, check: Check) -> list[StructuredTool]:
    """Tools over an open service.

    A tool answers the model in JSON and keeps the typed answer as the artifact of its message. An ``AudienceError`` is
    answered with its one sentence, so that the model can mend what it asked; everything else is a bug and propagates.

    Args:
        service: what answers; closing it stays with the caller.
        check: asked about every audience before it is looked at or saved, such as ``agent.guard.permit``.
    """
    return [_tool(getattr(service, name), check) for name in TOOLS]


def _tool(method: Callable[..., Any], check: Check) -> StructuredTool:
    @wraps(method)
    def answer(**arguments: Any) -> tuple[str, Any]:
        try:
            for spec in _specs(arguments):
                check(spec)
            found = method(**arguments)
        except AudienceError as error:
            raise ToolException(str(error)) from error
        return to_json(found).decode(), found

    return StructuredTool.from_function(
        answer,
        description=_description(method),
        parse_docstring=True,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _description(method: Callable[..., Any]) -> str:
    """What a docstring says before it lists arguments and errors."""
    paragraphs = (getdoc(method) or "").split("\n\n")
    return " ".join(each for each in paragraphs if not each.startswith(("Args:", "Raises:")))


def _specs(arguments: dict[str, Any]) -> Iterator[AudienceSpec]:
    yield from named(str(arguments.get("name", "")))
    for value in arguments.values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, AudienceSpec):
                yield each

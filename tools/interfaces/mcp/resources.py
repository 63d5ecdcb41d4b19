"""What an agent reads without calling a tool: resources, and prompts that lead through the two usual tasks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from pydantic import Field, ValidationError
from pydantic_core import to_json

from encoders.errors import AudienceError, NotThereError
from prompts.loader import fill
from tools.access.callers import Scope
from tools.access.gate import Gate
from tools.interfaces.mcp.answers import content
from tools.operations.operation import Opened, misfit
from tools.operations.table import BY_NAME

_JSON, _TEXT = "application/json", "text/plain"
_AUDIENCE = BY_NAME["saved"].says("audience")


class _Reader:
    """Reads resources: each is let in through the gate as the operation whose answer it is."""

    def __init__(self, opened: Opened, gate: Gate) -> None:
        self._opened, self._gate = opened, gate

    def of(self, name: str, **given: Any) -> str:
        """The answer of an operation, as JSON."""
        operation = BY_NAME[name]
        with _plain_errors(), self._gate.admitted(name, operation.scope):
            found = operation.answer(self._opened(), operation.input.model_validate(given))
            return to_json(content(found, operation.output)).decode()

    def quality(self) -> str:
        """What was measured of the model, in words."""
        with _plain_errors(), self._gate.admitted("quality", Scope.READ):
            return self._opened().quality()


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except NotThereError as error:
        raise ResourceNotFoundError(str(error)) from error
    except ValidationError as error:
        raise ResourceError(misfit(error)) from error
    except AudienceError as error:
        raise ResourceError(str(error)) from error


def add_resources(server: MCPServer[Any], opened: Opened, gate: Gate) -> None:
    """Offer what is there to read."""
    read = _Reader(opened, gate)

    def add(uri: str, operation: str, title: str, answer: Callable[..., str]) -> None:
        about = BY_NAME[operation].summary
        server.resource(uri, name=operation, title=title, description=about, mime_type=_JSON)(answer)

    def a_part(name: str) -> str:
        return read.of("browse", of=name, limit=50)

    def one(audience: str) -> str:
        return read.of("saved", audience=audience)

    add("audience://data", "describe_data", "The data", lambda: read.of("describe_data"))
    add("audience://catalogue", "browse", "The catalogue", lambda: read.of("browse", limit=50))
    add("audience://catalogue/{name}", "browse", "A part of the catalogue", a_part)
    add("audience://audiences", "list_audiences", "The saved audiences", lambda: read.of("list_audiences", limit=100))
    add("audience://audiences/{audience}", "saved", "A saved audience", one)
    server.resource(
        "audience://quality",
        name="quality",
        title="The quality of the forecasts",
        description="What was measured when the model was trained, in words.",
        mime_type=_TEXT,
    )(read.quality)


def add_prompts(server: MCPServer[Any]) -> None:
    """Offer the two usual tasks as prompts."""

    @server.prompt(name="audience_from_brief", title="From a brief to an audience")
    def from_brief(brief: Annotated[str, Field(description="Whom to reach, in the person's own words.")]) -> str:
        """Turn a vague wish into one precise audience: sized, looked at, and saved once the person says yes."""
        return fill("mcp_brief", brief=brief)

    @server.prompt(name="message_angles", title="From an audience to message angles")
    def message_angles(audience: Annotated[str, Field(description=_AUDIENCE)]) -> str:
        """Suggest angles for a message to a saved audience, each resting on what its users do."""
        return fill("mcp_angles", audience=audience)

"""Operations as LangChain tools, which any agent can bind."""

from collections.abc import Callable
from typing import Annotated, Any

from annotated_types import MinLen
from langchain_core.tools import StructuredTool, ToolException
from pydantic import BaseModel, Field, create_model
from pydantic_core import to_json

from encoders.errors import AudienceError
from tools.operations.operation import Check, Interface, Operation, misfit
from tools.operations.table import offered
from tools.service import AudienceService

_KEY = "key"


def targeting_tools(service: AudienceService, check: Check) -> list[StructuredTool]:
    """Tools over an open service.

    A tool answers the model in JSON and keeps the typed answer as the artifact of its message. An ``AudienceError``,
    and arguments that do not fit, are answered with one sentence, so that the model can mend what it asked; everything
    else is a bug and propagates. What a tool changes is its ``metadata['effect']``, 'nothing' for one that only looks.

    Args:
        service: what answers; closing it stays with the caller.
        check: asked about every audience before it is looked at or saved, such as ``agent.guard.verdict.permit``.
    """
    return [
        StructuredTool.from_function(
            _answer(operation, service, check),
            name=operation.name,
            description=operation.description,
            args_schema=_arguments(operation),
            response_format="content_and_artifact",
            handle_tool_error=True,
            handle_validation_error=misfit,
            metadata={"effect": str(operation.effect)},
        )
        for operation in offered(Interface.LANGCHAIN)
    ]


def _arguments(operation: Operation) -> type[BaseModel]:
    """The input with a key that may be left out: inside one program no answer is lost on the way."""
    if _KEY not in operation.input.model_fields:
        return operation.input
    about = operation.input.model_fields[_KEY]
    limits = [each for each in about.metadata if not isinstance(each, MinLen)]
    key: Any = (Annotated[str, *limits, Field(description=about.description)], "")
    return create_model(operation.input.__name__, __base__=operation.input, **{_KEY: key})


def _answer(operation: Operation, service: AudienceService, check: Check) -> Callable[..., tuple[str, Any]]:
    arguments = _arguments(operation)

    def answer(**given: Any) -> tuple[str, Any]:
        asked = arguments.model_validate(given)
        try:
            found = operation.answer(operation.allowed(asked, check, lambda: service), asked)
        except AudienceError as error:
            raise ToolException(str(error)) from error
        return to_json(found).decode(), found

    return answer

"""Asking the person at the other end before something is kept, sent or deleted, where the client shows questions."""

import json
from hashlib import sha256
from typing import Any

from mcp.server.elicitation import render_elicitation_schema
from mcp.server.mcpserver import Context
from mcp_types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, Field, ValidationError, create_model

from encoders.errors import RequestError
from tools.access.callers import current
from tools.operations.inputs import ApprovedBy
from tools.operations.operation import Operation
from tools.types import AudienceSpec

_APPROVED_BY = "approved_by"
_QUESTION = "approval"
_ASKS_IN_ANSWERS = "2026-07-28"
"""From this version of the protocol on, a question is an answer, and the call is sent again with what was said."""


class _Yes(BaseModel):
    """Nothing to fill in: the person accepts or declines."""


async def approved(
    operation: Operation, given: BaseModel, context: Context[Any, Any] | None
) -> BaseModel | InputRequiredResult:
    """The input of a call once the person at the other end has said yes; as it was where nobody can be asked.

    Args:
        operation: what is to be done.
        given: its input; the name that the person gives takes the place of ``approved_by``.
        context: of the call; None for a call from inside.

    Returns:
        The input, or a question that the client has to put to the person before it sends the call again.

    Raises:
        RequestError: the person said no.
    """
    if context is None or not asks(operation, context):
        return given
    form, question = _form(given), _question(operation, given)
    schema = render_elicitation_schema(form)
    reply: Any = None
    if not is_version_at_least(context.protocol_version or "", _ASKS_IN_ANSWERS):
        reply = await context.session.elicit_form(question, schema, context.request_context.request_id)
    else:
        state = _state(operation, question)
        if context.request_state == state:
            reply = (context.input_responses or {}).get(_QUESTION)
        if not isinstance(reply, ElicitResult):
            params = ElicitRequestFormParams(message=question, requested_schema=schema)
            return InputRequiredResult(input_requests={_QUESTION: ElicitRequest(params=params)}, request_state=state)
    answer = _filled_in(form, reply)
    if answer is None:
        raise RequestError(f"The person was asked and said no to this, so '{operation.name}' did nothing.")
    return given.model_copy(update=answer.model_dump(exclude_unset=True))


def asks(operation: Operation, context: Context[Any, Any] | None) -> bool:
    """Whether a person is asked: it needs their yes, the client shows forms, and it can be reached meanwhile."""
    if context is None or not operation.needs_approval:
        return False
    capabilities = context.client_capabilities
    shows = capabilities.elicitation if capabilities is not None else None
    if shows is None or (shows.form is None and shows.url is not None):
        return False
    asks_in_answers = is_version_at_least(context.protocol_version or "", _ASKS_IN_ANSWERS)
    return asks_in_answers or context.session.can_send_request


def _form(given: BaseModel) -> type[BaseModel]:
    """What the person fills in: their name, where the input names who approved."""
    if _APPROVED_BY not in type(given).model_fields:
        return _Yes
    named = Field(getattr(given, _APPROVED_BY), title="Approved by", description="Your name, for the audit.")
    return create_model("Approval", **{_APPROVED_BY: (ApprovedBy, named)})  # type: ignore[call-overload, no-any-return]


def _filled_in(form: type[BaseModel], reply: ElicitResult) -> BaseModel | None:
    if reply.action != "accept":
        return None
    try:
        return form.model_validate(reply.content or {})
    except ValidationError as error:
        raise RequestError("The answer to the question does not fit it; send the call again.") from error


def _question(operation: Operation, given: BaseModel) -> str:
    """What is to be done, in words."""
    left_out = {"key", _APPROVED_BY, "responders_csv"}
    fields = {name: each for name, each in given if name not in left_out and each not in (None, "")}
    return f"{operation.title}? " + "; ".join(f"{name}: {_in_words(each)}" for name, each in fields.items())


def _in_words(value: Any) -> str:
    if isinstance(value, AudienceSpec):
        said = value.model_dump(mode="json", exclude_defaults=True)
        demand = said.pop("demand")
        return f"{demand} {json.dumps(said, ensure_ascii=False)}" if said else demand
    if isinstance(value, tuple):
        return ", ".join(_in_words(each) for each in value)
    return str(value)


def _state(operation: Operation, question: str) -> str:
    """What tells this question from any other: an answer counts only for what was shown to the person."""
    return sha256(f"{current().tenant}/{current().name} {operation.name} {question}".encode()).hexdigest()

"""A call that works, for whoever sent one that does not: made from the data and the audiences that are here."""

import json
from collections.abc import Callable
from secrets import token_hex
from typing import Any

from encoders.errors import AudienceError
from tools.operations.operation import Effect, Operation
from tools.operations.table import BY_NAME
from tools.service import AudienceService
from tools.types import AudienceSpec

_LEAD = "Call for example"
_SEEDS = 5


def with_example(said: str, operation: Operation, service: Callable[[], AudienceService]) -> str:
    """What is wrong with a call, and one that works; without an example where it would delete something.

    Args:
        said: what is wrong, in a sentence.
        operation: what was to be called.
        service: gives the service, or raises where it is not open.
    """
    if operation.effect is Effect.DELETE:
        return said
    try:
        shown, arguments = _example(operation, service())
    except AudienceError:
        shown, arguments = operation, dict(operation.example)
    return f"{said} {_LEAD}: {shown.name} {json.dumps(arguments, ensure_ascii=False)}"


def _example(operation: Operation, service: AudienceService) -> tuple[Operation, dict[str, Any]]:
    """The arguments that an operation has to have, from what is there; where no audience is saved, of saving one."""
    needed = [name for name, about in operation.input.model_fields.items() if about.is_required()]
    saved = [each.name for each in service.list_audiences()] if {"audience", "audiences"} & {*needed} else []
    too_few = {"audience": 1, "audiences": 2 if operation.name != "compare" else 0}
    if any(name in needed and len(saved) < least for name, least in too_few.items()):
        return _example(BY_NAME["save"], service)
    return operation, {name: _argument(name, operation, service, saved) for name in needed}


def _argument(name: str, operation: Operation, service: AudienceService, saved: list[str]) -> Any:
    demand = _demand(service)
    match name:
        case "spec":
            return demand
        case "audience":
            return saved[0]
        case "audiences":
            return saved[:2] if operation.name != "compare" else [{"demand": demand}, {"demand": demand, "cut": 0.5}]
        case "goal":
            return {"users": max(service.settings.minimum_size, service.describe_data().population // 10)}
        case "words" | "group":
            return service.describe_data().top_groups[0]
        case "user_id":
            return service.preview(AudienceSpec(demand=demand), 1)[0].masked_id
        case "seeds":
            return [each.masked_id for each in service.preview(AudienceSpec(demand=demand), _SEEDS)]
        case "approved_by":
            return "the person who said yes"
        case "key":
            return f"{operation.name}-{token_hex(4)}"
    return operation.example[name]


def _demand(service: AudienceService) -> str:
    """A sentence that this data understands."""
    card = service.describe_data()
    wording = next((each.wording for each in card.sources if each.source == card.main_source), "") or "buy {items}"
    does = wording.format(items=card.top_groups[0])
    return f"{card.unit_plural.capitalize()} that will {does} in the next {card.horizon_days} days"
